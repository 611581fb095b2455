// System errors of a target directory → Failures.

import { Failure, type FailureCode, isFailure, systemCodeOf } from '../../base/failure.ts'

interface Meaning {
  readonly code: FailureCode
  readonly why: string
  readonly hint?: string
}

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: { code: 'object-missing', why: 'no such object' },
  ENOTDIR: { code: 'object-missing', why: 'no such object' },
  EISDIR: { code: 'object-missing', why: 'it is a folder' },
  EEXIST: { code: 'object-exists', why: 'it exists already' },
  ENOSPC: {
    code: 'no-space',
    why: 'the file system is full',
    hint: 'free some space there or forget and prune old backups',
  },
  EDQUOT: { code: 'no-space', why: 'the quota is used up', hint: 'raise the quota or prune' },
  EROFS: {
    code: 'store-refused',
    why: 'the file system is read-only',
    hint: 'see the kernel log: a file system that met an error becomes read-only',
  },
  EACCES: { code: 'store-refused', why: 'permission denied', hint: 'see who owns the directory' },
  EPERM: { code: 'store-refused', why: 'not permitted', hint: 'see who owns the directory' },
  EUCLEAN: {
    code: 'store-refused',
    why: 'the file system is damaged',
    hint: 'see the kernel log, and check the file system before anything is written to it',
  },
  ELOOP: { code: 'store-refused', why: 'it is a symbolic link' },
  EFBIG: { code: 'store-refused', why: 'it is larger than a file may be there' },
  ENAMETOOLONG: { code: 'store-refused', why: 'the name is too long there' },
  EMFILE: { code: 'store-busy', why: 'too many files are open' },
  ENFILE: { code: 'store-busy', why: 'too many files are open' },
}

const passing = new Set([
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'ENOTCONN',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENODEV',
  'ENXIO',
  'EREMOTEIO',
  'ESHUTDOWN',
  'EBUSY',
  'EAGAIN',
  'EINTR',
  'ENOMEM',
])

/** Error numbers that Node has no name for: it says `Unknown system error -122`. */
const unnamed: Readonly<Record<string, string>> = {
  '116': 'ESTALE',
  '117': 'EUCLEAN',
  '121': 'EREMOTEIO',
  '122': 'EDQUOT',
}

/** The name of a system error, also of those that Node does not know; undefined for other errors. */
export function linuxCodeOf(error: unknown): string | undefined {
  const code = systemCodeOf(error)
  if (code === undefined || /^E[A-Z0-9]+$/.test(code)) return code
  const number = /^Unknown system error -(\d+)$/.exec(code)?.[1]
  return number === undefined ? undefined : (unnamed[number] ?? `E${number}`)
}

/** `what` is verb and object: `put segments/…`. What is no system error comes back as it is. */
export function directoryFailure(what: string, error: unknown): unknown {
  if (isFailure(error)) return error
  const code = linuxCodeOf(error)
  if (code === undefined) return error
  const meaning = meanings[code]
  // The system's own message holds a path of this process's, which says nothing: only its code.
  const cause = new Error(code)
  if (meaning === undefined) {
    const kind = passing.has(code) ? 'store-unavailable' : 'failed'
    return new Failure(kind, `cannot ${what}: the system said ${code}`, { cause })
  }
  return new Failure(meaning.code, `cannot ${what}: ${meaning.why}`, { hint: meaning.hint, cause })
}
