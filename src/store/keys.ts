// Which names objects may have, in every store alike: what a bucket, a file system and a URL all
// keep as it is.

import { Failure } from '../base/failure.ts'

const part = /^[A-Za-z0-9_+=@~-][A-Za-z0-9_.+=@~-]{0,199}$/
const prefixShape = /^[A-Za-z0-9_.+=@~/-]*$/

/** Nobody needs longer ones, and S3 ends at 1024 bytes with the remote's own prefix. */
const maxKeyLength = 800

/** Throws Failure 'store-refused' unless the key is relative, of safe characters, and climbs nowhere. */
export function checkKey(key: string): void {
  if (key.length <= maxKeyLength && key.split('/').every(isKeyPart)) return
  throw new Failure('store-refused', `cannot use ${JSON.stringify(key)} as a key: not a safe name`)
}

/** A file or folder name that can be part of a key. None begins with a dot: those are the store's own. */
export function isKeyPart(name: string): boolean {
  return part.test(name)
}

/** A prefix is the beginning of a key; it need not end at a `/`. */
export function checkPrefix(prefix: string): void {
  const climbs = prefix.startsWith('/') || prefix.split('/').some(name => name.startsWith('.'))
  if (prefix.length <= maxKeyLength && prefixShape.test(prefix) && !climbs) return
  throw new Failure('store-refused', `cannot list ${JSON.stringify(prefix)}: not a safe prefix`)
}

/** The order of the keys' bytes (which JavaScript's own order of strings is not). */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
