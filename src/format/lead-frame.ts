// The lead of every segment and index: one skippable zstd frame that says what the object is, so
// that a lost manifest can be rebuilt from bare objects (docs/format.md §5). `zstd -d` skips it.

import * as z from 'zod'
import { decodeUtf8, encodeUtf8 } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import type { RepositoryId, RunId, SeriesId } from '../model/ids.ts'
import {
  checkVersion,
  countField,
  repositoryIdField,
  runField,
  seriesField,
} from './json-document.ts'
import type { ObjectRole } from './object-key.ts'

/** RFC 8878 §3.1.2: 0x184D2A50 to 0x184D2A5F are skippable frames; the B is for btrvault. */
const magic = 0x184d2a5b
/** With its eight bytes before the JSON (docs/format.md §5). */
const longestLead = 4096

export interface Lead {
  readonly role: ObjectRole
  readonly repository: RepositoryId
  readonly series: SeriesId
  readonly seq: number
  readonly run: RunId
  readonly n: number
  /** Where the object's first raw byte stands in the stream (segment) or in the index (index). */
  readonly offset: number
}

const schema = z.strictObject({
  btrvault: z.literal(1),
  role: z.enum(['segment', 'index']),
  repository: repositoryIdField,
  series: seriesField,
  seq: countField,
  run: runField,
  n: countField,
  offset: countField,
})

export function encodeLead(lead: Lead): Uint8Array<ArrayBuffer> {
  const { role, repository, series, seq, run, n, offset } = lead
  const text = JSON.stringify({ btrvault: 1, role, repository, series, seq, run, n, offset })
  const payload = encodeUtf8(text)
  const frame = new Uint8Array(8 + payload.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, payload.length, true)
  frame.set(payload, 8)
  return frame
}

/** Reads the lead at the start of an object's plaintext; `bytes` is its length. */
export function decodeLead(plain: Uint8Array, label: string): { lead: Lead; bytes: number } {
  const bytes = leadBytes(plain, label)
  try {
    const value: unknown = JSON.parse(decodeUtf8(plain.subarray(8, bytes)))
    checkVersion(z.looseObject({ btrvault: z.number() }).parse(value).btrvault, 1, label)
    const { btrvault: _, ...lead } = schema.parse(value)
    return { lead, bytes }
  } catch (cause) {
    if (isFailure(cause, 'refused')) throw cause
    throw new Failure('corrupt', `cannot read ${label}: its lead frame is malformed`, { cause })
  }
}

function leadBytes(plain: Uint8Array, label: string): number {
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength)
  if (plain.length >= 8 && view.getUint32(0, true) === magic) {
    const bytes = 8 + view.getUint32(4, true)
    if (bytes <= longestLead && bytes <= plain.length) return bytes
  }
  throw new Failure('corrupt', `cannot read ${label}: it does not begin with a lead frame`)
}
