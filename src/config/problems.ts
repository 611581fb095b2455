// What zod found → sentences with a place: what is wrong, then what to write instead.

import type { core } from 'zod'
import type { ConfigProblem } from './config.ts'
import { didYouMean } from './nearest.ts'
import { findOptionDoc, optionNamesUnder } from './option-paths.ts'
import type { YamlSource } from './yaml-source.ts'

type Path = readonly PropertyKey[]

/** One problem for each thing that is wrong; an unknown key is one each. */
export function problemsOf(issues: readonly core.$ZodIssue[], source: YamlSource): ConfigProblem[] {
  return issues.flatMap(issue => problemsOfIssue(issue, [], source))
}

/** `at` is the place of what `text` speaks of. */
export function problem(path: Path, text: string, source: YamlSource): ConfigProblem {
  return { ...source.valueAt(path), text: `${nameOf(path)} ${text}` }
}

function problemsOfIssue(issue: core.$ZodIssue, above: Path, source: YamlSource): ConfigProblem[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      ...source.keyAt([...path, key]),
      text: unknownKeyText(path, key),
    }))
  }
  const given = valueAt(source.value, path)
  if (issue.code === 'invalid_union') {
    // The branch of the right type says more than "none fits".
    const fitting = issue.errors.find(branch => !branch.some(isOfOtherType))
    if (fitting) return fitting.flatMap(inner => problemsOfIssue(inner, path, source))
  }
  if (given === undefined) {
    const section = path.slice(0, -1)
    const subject = section.length === 0 ? 'the configuration' : nameOf(section)
    return [
      {
        ...source.keyAt(section),
        text: `${subject} has no ${String(path.at(-1))}; write ${wanted(path)}`,
      },
    ]
  }
  const what =
    issue.code === 'custom' ? told(issue.message, given, path) : mismatch(issue, given, path)
  return [problem(path, `${what}; write ${wanted(path)}`, source)]
}

function isOfOtherType(issue: core.$ZodIssue): boolean {
  const types = ['invalid_type', 'invalid_value', 'invalid_union']
  return issue.path.length === 0 && types.includes(issue.code)
}

/** `sources.home.path`, `keys.recipients[2]`. */
export function nameOf(path: Path): string {
  return (
    path.reduce<string>((name, part) => {
      if (typeof part === 'number') return `${name}[${part + 1}]`
      return name === '' ? String(part) : `${name}.${String(part)}`
    }, '') || 'the configuration'
  )
}

function told(message: string, given: unknown, path: Path): string {
  const text = shown(given, path)
  return text === undefined ? message : `${message}: ${text}`
}

function mismatch(issue: core.$ZodIssue, given: unknown, path: Path): string {
  if (given === null) return 'has no value'
  if (given === '') return 'is empty'
  if (Array.isArray(given)) return given.length === 0 ? 'is an empty list' : 'is a list'
  if (typeof given === 'object') return 'is a section'
  const text = shown(given, path)
  if (text === undefined) return 'does not fit'
  const choices = issue.code === 'invalid_value' ? issue.values.map(String) : []
  const near = typeof given === 'string' ? didYouMean(given, choices) : ''
  return `is ${text}${near}`
}

function wanted(path: Path): string {
  if (path.length === 0) return 'keys:, sources: and remotes:, as in docs/configuration.md'
  const row = findOptionDoc(path)
  if (!row) throw new Error(`no words for ${nameOf(path)}`)
  return typeof path.at(-1) === 'number' ? (row.each ?? row.write) : row.write
}

/** Short plain values, to be found again; never where a secret might stand (L10). */
function shown(given: unknown, path: Path): string | undefined {
  if (typeof given === 'number' || typeof given === 'boolean') return String(given)
  if (typeof given !== 'string' || path.includes('recipients') || path.includes('endpoint')) {
    return undefined
  }
  return /^[\x21-\x7e](?:[\x20-\x7e]{0,58}[\x21-\x7e])?$/.test(given) ? `"${given}"` : undefined
}

/** What the design knows and this version does not. */
const laterOptions: Readonly<Record<string, string>> = {
  swift: 's3: or directory:',
  btrfs: 's3: or directory:',
  spool: 'no such line',
}

const secretNames =
  /^(aws_)?(access_?key(_?id)?|secret(_?access)?_?key|secret|session_?token|token|password|passphrase|credentials?)$/i

function unknownKeyText(path: Path, key: string): string {
  const subject = nameOf([...path, key])
  if (/^(identity|private_key|secret_key)$/i.test(key) && path[0] === 'keys') {
    return `${subject} would keep what decrypts beside what is encrypted; write only recipients: here, and keep the identity on another machine`
  }
  if (secretNames.test(key)) {
    return `${subject} would put a secret into this file; write access_key_file: FILE or profile: NAME, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`
  }
  const later = Object.hasOwn(laterOptions, key) ? laterOptions[key] : undefined
  if (later !== undefined)
    return `${subject} is not in this version; write ${later}${later.startsWith('no') ? '' : ' instead'}`
  const known = optionNamesUnder(path)
  const elsewhere = known.length === 0 ? 'nothing here' : `one of ${known.join(', ')}`
  return `${subject} is not an option${didYouMean(key, known)}; write ${elsewhere}`
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, name) => {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, name)) return undefined
    return (inner as Record<PropertyKey, unknown>)[name]
  }, value)
}
