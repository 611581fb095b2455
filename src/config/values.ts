// Single values as people write them: text → value, or what is wrong with it.

import { parseRate, parseSize } from '../base/units.ts'
import { asSourceName } from '../model/ids.ts'
import { type LockRule, longestLockMs } from '../model/lock.ts'
import {
  type KeepRule,
  type MaxDelete,
  parseKeepRule,
  parseSpanCount,
  type SpanCount,
  unlimited,
} from '../model/policy.ts'
import { endpointProblem } from '../model/remote.ts'
import { isWild } from '../model/snapshot-pattern.ts'

export type Parsed<T> = { readonly value: T } | { readonly wrong: string }

const mebibyte = 1024 * 1024

/** No `.` or `..` parts: what is compared must be what is opened. */
export function parseAbsolutePath(text: string): Parsed<string> {
  if (text === '') return { wrong: 'is empty' }
  if (text.includes('\0')) return { wrong: 'contains a null character' }
  if (text === '~' || text.startsWith('~/'))
    return { wrong: 'begins with ~, which only a shell expands' }
  if (/\$\{?[A-Za-z_]/.test(text)) return { wrong: 'names a variable, which only a shell expands' }
  if (!text.startsWith('/')) return { wrong: 'is a relative path' }
  const parts = text.split('/').filter(part => part !== '')
  if (parts.includes('..') || parts.includes('.')) return { wrong: 'has . or .. in it' }
  return { value: `/${parts.join('/')}` }
}

/** `snapper`, `btrbk`, or a pattern whose last part or a part before it has * or ? in it. */
export function parseExisting(text: string): Parsed<string> {
  if (text === 'snapper' || text === 'btrbk') return { value: text }
  if (text.includes('**')) return { wrong: 'has ** in it, which means no more than *' }
  const path = parseAbsolutePath(text)
  if ('wrong' in path) return path
  if (!isWild(path.value)) return { wrong: 'has no * in it, so that it could only be one snapshot' }
  return path
}

/** A path below a source: `var/lib/docker`. */
export function parseInnerPath(text: string): Parsed<string> {
  if (text.startsWith('/'))
    return { wrong: 'begins with a slash, but is meant from the top of the source' }
  const parts = text.split('/').filter(part => part !== '')
  if (parts.length === 0) return { wrong: 'is empty' }
  if (parts.includes('..') || parts.includes('.')) return { wrong: 'has . or .. in it' }
  return { value: parts.join('/') }
}

export function parseTimezone(text: string): Parsed<string> {
  // Offsets pass Intl, but have no daylight saving, which is never what a place has.
  if (/^[+-]/.test(text)) return { wrong: 'is an offset, not a time zone' }
  try {
    return { value: new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone }
  } catch {
    return { wrong: 'is not a time zone that this program knows' }
  }
}

/** From 16 MiB to 4 GiB. */
export function parseSegmentSize(given: string | number): Parsed<number> {
  const bytes = typeof given === 'number' ? given : parseSize(given)
  if (bytes === undefined || !Number.isInteger(bytes)) return { wrong: 'is not a size' }
  if (bytes < 16 * mebibyte) return { wrong: 'is smaller than 16MiB' }
  if (bytes > 4096 * mebibyte) return { wrong: 'is larger than 4GiB' }
  return { value: bytes }
}

export function parseLimitRate(given: string | number): Parsed<number> {
  if (typeof given === 'number') return { wrong: 'is a number without a unit' }
  const bytes = parseRate(given)
  if (bytes === undefined) {
    return { wrong: parseSize(given) === undefined ? 'is not a rate' : 'is a size, not a rate' }
  }
  if (bytes < 1024) return { wrong: 'is slower than 1KiB/s' }
  return { value: bytes }
}

const durationUnitsMs: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `90s`, `15min`, `2h` or `1d` → milliseconds; at least a second, at most 7 days. */
export function parseDuration(given: string | number): Parsed<number> {
  if (typeof given === 'number') return { wrong: 'is a number without a unit' }
  const match = /^\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*$/.exec(given)
  const unitMs = durationUnitsMs[match?.[2] ?? '']
  if (!match || unitMs === undefined) return { wrong: 'is not a duration' }
  const ms = Number(match[1]) * unitMs
  if (ms < 1000) return { wrong: 'is shorter than a second' }
  if (ms > 7 * 86_400_000) return { wrong: 'is longer than 7 days' }
  return { value: Math.round(ms) }
}

/** `36h`, `14d`, `4w` → milliseconds; at most 100 years. */
export function parseAge(given: string | number): Parsed<number> {
  if (typeof given === 'number') return { wrong: 'is a number without a unit' }
  const match = /^\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*$/.exec(given)
  const unit = match?.[2] ?? ''
  const unitMs = unit === 'w' ? 7 * 86_400_000 : durationUnitsMs[unit]
  if (!match || unitMs === undefined) return { wrong: 'is not a duration' }
  const ms = Number(match[1]) * unitMs
  if (ms > 36_525 * 86_400_000) return { wrong: 'is longer than 100 years' }
  return { value: Math.round(ms) }
}

/** `expiry`, or how long a lock lasts: from a second to ten years. */
export function parseLockUntil(given: string | number): Parsed<LockRule['until']> {
  if (given === 'expiry') return { value: 'expiry' }
  const age = parseAge(given)
  if ('wrong' in age) return age
  if (age.value < 1000) return { wrong: 'is shorter than a second' }
  if (age.value > longestLockMs) return { wrong: 'is longer than ten years' }
  return { value: { ms: age.value } }
}

/** As the names of sources and remotes are. */
export function parseEpochName(text: string): Parsed<string> {
  return asSourceName(text) === undefined ? { wrong: 'is not a name' } : { value: text }
}

export function parseKeep(text: string): Parsed<KeepRule> {
  const rule = parseKeepRule(text)
  if (rule !== undefined) return { value: rule }
  const words = text.replace(/(^|\s)last\s+(\d+|\*)(?=\s|$)/g, ' ').split(/\s+/)
  const wrong = words.find(
    word => word !== '' && word !== '*' && parseSpanCount(word) === undefined,
  )
  if (wrong !== undefined) return { wrong: `has "${wrong}" in it, which is not a span` }
  return { wrong: 'has its parts in another order than from long to short, or one of them twice' }
}

export function parseFullEvery(given: string | number): Parsed<SpanCount> {
  const span = typeof given === 'string' ? parseSpanCount(given.trim()) : undefined
  if (span === undefined || span.count < 1 || span.count === unlimited)
    return { wrong: 'is not a number of spans' }
  return { value: span }
}

export function parseFullSize(given: string | number): Parsed<number> {
  const bytes = typeof given === 'number' ? given : parseSize(given)
  if (bytes === undefined || !Number.isInteger(bytes) || bytes < 0)
    return { wrong: 'is not a size' }
  return { value: bytes }
}

/** `20%` or a number of backups, at least 1. */
export function parseMaxDelete(given: string | number): Parsed<MaxDelete> {
  const percent = /^\s*(\d{1,3})\s*%\s*$/.exec(String(given))?.[1]
  if (percent !== undefined) {
    const value = Number(percent)
    return value > 100 ? { wrong: 'is more than all' } : { value: { percent: value } }
  }
  const count = /^\s*\d{1,6}\s*$/.test(String(given)) ? Number(given) : Number.NaN
  return Number.isInteger(count)
    ? { value: { count } }
    : { wrong: 'is neither a percentage nor a number' }
}

export function parseBucket(text: string): Parsed<string> {
  if (/^s3:\/\//i.test(text)) return { wrong: 'is a URL' }
  if (text.includes('/'))
    return { wrong: 'has a slash in it; what follows the bucket is its prefix' }
  // S3: 3 to 63 lower-case letters, digits, dots and dashes; older buckets and other servers also
  // have capitals, underscores and up to 255 characters.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(text))
    return { wrong: 'is not a bucket name' }
  return { value: text }
}

export function parsePrefix(text: string): Parsed<string> {
  if (text.startsWith('/') || text.endsWith('/')) return { wrong: 'begins or ends with a slash' }
  if (!/^[A-Za-z0-9!_.*'()/-]*$/.test(text))
    return { wrong: 'has characters in it that object keys should not have' }
  if (text.split('/').some(part => part === '.' || part === '..'))
    return { wrong: 'has . or .. in it' }
  if (text.includes('//')) return { wrong: 'has an empty part' }
  if (text.length > 512) return { wrong: 'is longer than 512 characters' }
  return { value: text }
}

/** Never repeats the text: a URL may carry a password (L10). */
export function parseEndpoint(text: string): Parsed<string> {
  const url = URL.parse(text)
  if (!url) return { wrong: 'is not a URL' }
  if (url.username !== '' || url.password !== '') return { wrong: 'has credentials in it' }
  if (endpointProblem(text) !== undefined) return { wrong: 'is not the address of a server' }
  return { value: url.pathname === '/' ? url.origin : url.href.replace(/\/+$/, '') }
}

/** S3: objects of these classes must be thawed before they can be read. */
const archivedClasses = ['GLACIER', 'DEEP_ARCHIVE']

export function parseStorageClass(text: string): Parsed<string> {
  return /^[A-Z][A-Z0-9_-]*$/.test(text) ? { value: text } : { wrong: 'is not a storage class' }
}

export function parseReadableStorageClass(text: string): Parsed<string> {
  if (archivedClasses.includes(text)) return { wrong: 'is an archive, which no run could read' }
  return parseStorageClass(text)
}

/** age1…, age1pq1…, SSH and PEM public keys by their look; the sealing code parses them for real. */
export function parseRecipient(text: string): Parsed<string> {
  const trimmed = text.trim()
  if (/^AGE-SECRET-KEY-/i.test(trimmed)) return { wrong: 'is an identity, which is secret' }
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(trimmed)) return { wrong: 'is a private key' }
  if (/^age1[02-9ac-hj-np-z]{58}$/.test(trimmed)) return { value: trimmed }
  if (/^age1pq1[02-9ac-hj-np-z]{100,}$/.test(trimmed)) return { value: trimmed }
  if (/^ssh-(ed25519|rsa) [A-Za-z0-9+/]{40,}={0,2}( .*)?$/.test(trimmed)) return { value: trimmed }
  if (
    /^-----BEGIN (RSA )?PUBLIC KEY-----\n[\s\S]+\n-----END (RSA )?PUBLIC KEY-----$/.test(trimmed)
  ) {
    return { value: trimmed }
  }
  if (trimmed.startsWith('age1')) return { wrong: 'is not a whole age recipient' }
  if (/^(ecdsa-|sk-|ssh-dss)/.test(trimmed))
    return { wrong: 'is an SSH key of a kind that cannot encrypt' }
  return { wrong: 'is not a public key that can encrypt' }
}

export function isPostQuantum(recipient: string): boolean {
  return recipient.startsWith('age1pq1')
}
