// What the rule sets of one source on one remote say of each other: names of epochs, and what each
// branches from.

import type { ConfigProblem } from './config.ts'
import { didYouMean, nearest } from './nearest.ts'
import { nameOf, problem } from './problems.ts'
import { isSection, type Section, sectionOf } from './sections.ts'
import { parseKeep } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

type Path = readonly PropertyKey[]

interface Entry {
  readonly at: Path
  readonly rules: Section
  readonly epoch: string | undefined
  readonly branchFrom: string | undefined
}

export function epochProblems(source: YamlSource): ConfigProblem[] {
  const file = sectionOf(source.value)
  return Object.entries(sectionOf(file['sources'])).flatMap(([name, entry]) =>
    Object.entries(sectionOf(sectionOf(entry)['remotes'])).flatMap(([remote, value]) => {
      const entries = entriesOf(value, ['sources', name, 'remotes', remote])
      return [
        ...nameProblems(entries, source),
        ...branchProblems(entries, source),
        ...classProblems(entries, sectionOf(sectionOf(file['remotes'])[remote]), source),
      ]
    }),
  )
}

function entriesOf(value: unknown, at: Path): Entry[] {
  const places: [unknown, Path][] = Array.isArray(value)
    ? value.map((one, index) => [one, [...at, index]])
    : [[value, at]]
  return places.flatMap(([one, place]) => {
    if (!isSection(one)) return []
    const { epoch, branch_from: branchFrom } = one
    const textOf = (text: unknown) => (typeof text === 'string' ? text : undefined)
    return [{ at: place, rules: one, epoch: textOf(epoch), branchFrom: textOf(branchFrom) }]
  })
}

function nameProblems(entries: readonly Entry[], source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  const unnamed = entries.filter(({ rules }) => !Object.hasOwn(rules, 'epoch'))
  for (const { at } of unnamed.slice(1)) {
    const text = `has no epoch, like another of the list; write epoch: NAME in all of them but one`
    found.push(problem(at, text, source))
  }
  for (const [index, { at, epoch }] of entries.entries()) {
    const twin = entries.slice(0, index).find(other => isLike(other.epoch, epoch))
    if (twin === undefined) continue
    const same = twin.epoch === epoch ? 'is the epoch of' : 'differs only in capitals from that of'
    const text = `${same} ${nameOf(twin.at)}; write a name of its own`
    found.push(problem([...at, 'epoch'], text, source))
  }
  return found
}

function branchProblems(entries: readonly Entry[], source: YamlSource): ConfigProblem[] {
  const found: ConfigProblem[] = []
  for (const entry of entries) {
    const { at, epoch, branchFrom } = entry
    if (branchFrom === undefined) continue
    const place = [...at, 'branch_from']
    const near = entries.find(other => isLike(other.epoch, branchFrom))
    if (near !== undefined && near.epoch !== branchFrom) {
      const text = `differs only in capitals from the epoch ${near.epoch}; write ${near.epoch}`
      found.push(problem(place, text, source))
    }
    const meant = near === undefined ? meantBy(entry, entries) : undefined
    if (meant !== undefined) {
      const text = `names the epoch ${branchFrom}, which no rules of the list have${didYouMean(branchFrom, [meant])}; write ${meant}`
      found.push(problem(place, text, source))
    }
    const circle = circleFrom(entry, entries)
    if (circle !== undefined) {
      const instead = 'another epoch, or no such line where the first one begins'
      const text = `goes round in a circle: ${circle.join(' from ')}; write ${instead}`
      found.push(problem(place, text, source))
    }
    if (near !== undefined && epoch !== branchFrom && !hasSpans(near.rules)) {
      const none = epoch === undefined ? 'these rules' : `epoch ${epoch}`
      const text = `names an epoch that is due at every run, so that ${none} would never get a backup; write spans as keep: of ${branchFrom}, such as 12m`
      found.push(problem(place, text, source))
    }
  }
  return found
}

/** Of shorter names one is as near to another as to any. */
const fewestLetters = 4

/**
 * The epoch of the list that `branch_from` was to name; undefined where it may well name a former
 * one: that of another year differs in digits, and what takes a former one's place branches from it.
 */
function meantBy({ branchFrom }: Entry, entries: readonly Entry[]): string | undefined {
  if (branchFrom === undefined) return undefined
  const lettersOf = (name: string) => name.replaceAll(/\d/g, '').toLowerCase()
  const letters = lettersOf(branchFrom)
  const others = entries.flatMap(other =>
    other.branchFrom === branchFrom || other.epoch === undefined ? [] : [other.epoch],
  )
  const choices = others.filter(name => lettersOf(name) !== letters)
  return letters.length < fewestLetters ? undefined : nearest(branchFrom, choices)
}

/** Only of what stands in the list: a former epoch branches from nothing that matters any more. */
function circleFrom(entry: Entry, entries: readonly Entry[]): string[] | undefined {
  if (entry.epoch === undefined) return undefined
  const passed = [entry.epoch]
  let next = entry.branchFrom
  while (next !== undefined && passed.length <= entries.length) {
    passed.push(next)
    if (next === entry.epoch) return passed
    const name: string = next
    next = entries.find(({ epoch }) => epoch === name)?.branchFrom
  }
  return undefined
}

/** What can't be read is told elsewhere. */
function hasSpans({ keep }: Section): boolean {
  if (typeof keep !== 'string') return keep !== undefined
  const parsed = parseKeep(keep)
  return !('value' in parsed) || parsed.value.spans.length > 0
}

function classProblems(
  entries: readonly Entry[],
  remote: Section,
  source: YamlSource,
): ConfigProblem[] {
  const isElsewhere = Object.hasOwn(remote, 'directory') && !Object.hasOwn(remote, 's3')
  const given = entries.filter(({ rules }) => Object.hasOwn(rules, 'storage_class'))
  return (isElsewhere ? given : []).map(({ at }) => ({
    ...source.keyAt([...at, 'storage_class']),
    text: `${nameOf([...at, 'storage_class'])} is only for s3; write no such line`,
  }))
}

function isLike(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one.toLowerCase() === other?.toLowerCase()
}
