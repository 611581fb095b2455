// Whom this machine trusts: OpenSSH's allowed_signers file (ssh-keygen(1), "ALLOWED SIGNERS"), so that
// `ssh-keygen -Y verify` and we read the same one. It comes from local configuration, never from a store.

import { Failure } from '../base/failure.ts'
import { parseSshPublicKeyLine, type SshPublicKey, sshFingerprint } from '../format/ssh-key.ts'

export interface AllowedSigner {
  /** The comma-separated patterns of the line's first field, as they stand there. */
  readonly principal: string
  readonly key: SshPublicKey
  readonly fingerprint: string
  /** Comma-separated patterns; undefined allows every namespace. */
  readonly namespaces: string | undefined
  /** First and last moment at which a signature counts, both inclusive as in OpenSSH; UTC. */
  readonly validAfterMs: number | undefined
  readonly validBeforeMs: number | undefined
  readonly line: number
}

/**
 * All signers of a file. Throws one Failure 'config-invalid' with every problem and its line.
 * Times without a final Z are in this machine's time zone, as OpenSSH reads them.
 */
export function parseAllowedSigners(text: string, label: string): readonly AllowedSigner[] {
  const signers: AllowedSigner[] = []
  const problems: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const content = raw.trim()
    if (content === '' || content.startsWith('#')) continue
    const result = parseLine(content, index + 1)
    if (typeof result === 'string') problems.push(`line ${index + 1}: ${result}`)
    else signers.push(result)
  }
  if (signers.length === 0 && problems.length === 0) problems.push('there is no signer in it')
  if (problems.length === 0) return signers
  throw new Failure('config-invalid', `cannot read ${label}: ${problems.join('; ')}`, {
    hint: 'a line is `PRINCIPAL [OPTIONS] ssh-ed25519 AAAA…`, as ssh-keygen(1) describes it',
  })
}

export function allowsNamespace(signer: AllowedSigner, namespace: string): boolean {
  if (signer.namespaces === undefined) return true
  let isAllowed = false
  for (const pattern of signer.namespaces.split(',')) {
    const isNegated = pattern.startsWith('!')
    if (!matchesPattern(namespace, isNegated ? pattern.slice(1) : pattern)) continue
    if (isNegated) return false
    isAllowed = true
  }
  return isAllowed
}

type Options = Pick<AllowedSigner, 'namespaces' | 'validAfterMs' | 'validBeforeMs'>

const noOptions: Options = {
  namespaces: undefined,
  validAfterMs: undefined,
  validBeforeMs: undefined,
}

/** The signer, or what is wrong. Nothing of the line is repeated: it may be the wrong file (L10). */
function parseLine(content: string, line: number): AllowedSigner | string {
  if (/PRIVATE KEY|AGE-SECRET-KEY/i.test(content)) return 'it is a secret, not a public key'
  const [principal, afterPrincipal] = splitField(content)
  if (afterPrincipal === '') return 'after the principal there is no key'
  const hasOptions = !/^(ssh|ecdsa|sk)-\S+\s/.test(afterPrincipal)
  const [optionText, keyText] = hasOptions ? splitField(afterPrincipal) : ['', afterPrincipal]
  const options = hasOptions ? parseOptions(optionText) : noOptions
  if (typeof options === 'string') return options
  if (keyText === '') return 'there is no key'
  try {
    const { key } = parseSshPublicKeyLine(keyText, 'the key')
    if (key.kind === 'rsa' && key.modulus.length < 256)
      return 'its RSA key is shorter than 2048 bits'
    const fingerprint = sshFingerprint(key)
    return { principal: unquote(principal), key, fingerprint, ...options, line }
  } catch (error) {
    if (error instanceof Failure) return error.message
    throw error
  }
}

/** The text up to the first blank outside double quotes, and what follows. */
function splitField(text: string): readonly [field: string, rest: string] {
  const field = /^(?:"[^"]*"|[^\s"])*/.exec(text)?.[0] ?? ''
  return [field, text.slice(field.length).trimStart()]
}

function parseOptions(text: string): Options | string {
  const found: { namespaces?: string; validAfterMs?: number; validBeforeMs?: number } = {}
  for (const option of text.match(/(?:"[^"]*"|[^,"])+/g) ?? []) {
    const [rawName = '', quoted = ''] = option.split(/=(.*)/s)
    const name = rawName.toLowerCase()
    const key = optionKeys.get(name)
    const value = unquote(quoted)
    if (name === 'cert-authority') {
      return 'cert-authority is not supported: name each signing key on its own line'
    }
    if (key === undefined) return 'an option is unknown, or it is not a line of a public key'
    if (value === '') return `${name} has no value`
    if (found[key] !== undefined) return `${name} is there twice`
    if (key === 'namespaces') {
      found.namespaces = value
      continue
    }
    const ms = parseTime(value)
    if (ms === undefined) return `${name} is not a time such as 20301231 or 202612312359Z`
    found[key] = ms
  }
  const { validAfterMs = 0, validBeforeMs = Number.POSITIVE_INFINITY } = found
  if (validBeforeMs <= validAfterMs) return 'valid-before is not later than valid-after'
  return { ...noOptions, ...found }
}

const optionKeys: ReadonlyMap<string, keyof Options> = new Map([
  ['namespaces', 'namespaces'],
  ['valid-after', 'validAfterMs'],
  ['valid-before', 'validBeforeMs'],
])

/** YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, then Z for UTC. */
function parseTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?$/i.exec(text)
  if (parts === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map(part => Number(part ?? 0))
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined
  if (parts[7] !== undefined) return Date.UTC(year, month - 1, day, hour, minute, second)
  return new Date(year, month - 1, day, hour, minute, second).getTime()
}

/** OpenSSH's patterns: `*` any run, `?` any one character. */
function matchesPattern(text: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(text)
}

function unquote(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
