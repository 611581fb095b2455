// New objects for store tests, with every hash that a store may want.

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { NewObject } from '../../src/model/object.ts'

/** The object of these bytes or of this text. */
export function objectOf(content: string | Uint8Array): NewObject {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content.slice()
  const sha256 = new Uint8Array(createHash('sha256').update(bytes).digest())
  return { bytes, sha256, crc32: crc32(bytes) }
}

/** So many bytes that look random and are the same every time. */
export function patternBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let state = seed * 2_654_435_761 + 1
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}
