// The index: the private facts of a backup as a sequence of records (docs/format.md §6).
// record = u32 length of the body, little-endian · u8 type · body.

import * as z from 'zod'
import { concatBytes, decodeUtf8, encodeUtf8 } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import {
  checkVersion,
  countField,
  repositoryIdField,
  runField,
  seriesField,
  sha256Field,
  uuidField,
} from './json-document.ts'

const types = { begin: 1, skeleton: 2, segment: 3, end: 4 } as const
const headBytes = 5
/** Of a body; docs/format.md §6. */
const longestBody = 64 * 1024 * 1024

const beginSchema = z.strictObject({
  version: z.literal(1),
  repository: repositoryIdField,
  series: seriesField,
  seq: countField,
  run: runField,
  /** Fingerprint of the key that signs the manifest: repeated here, where the store can't write. */
  signer: z.string(),
  source: z.string(),
  /** Name of the epoch; the manifest has its id. */
  epoch: z.string().optional(),
  host: z.string(),
  path: z.string(),
  snapshotName: z.string(),
  snapshotUuid: uuidField,
  command: z.array(z.string()),
  kernel: z.string(),
  progs: z.string(),
  program: z.string(),
})

/** What is known of a stored segment's inside; a journal keeps the same until the commit. */
export const segmentFields = {
  n: countField,
  offset: countField,
  /** Raw stream bytes. */
  raw: countField,
  sha256: sha256Field,
  bytes: countField,
  /** Bytes of the age header before the payload's nonce; 0 when not encrypted. */
  header: countField,
  /** Base64 of the age file key; null when not encrypted. */
  key: z.string().nullable(),
  /** Bytes of the lead frame. */
  lead: countField,
  /** Stored bytes of each frame, after compression, before encryption. */
  frames: z.array(countField),
}

const segmentSchema = z.strictObject(segmentFields)

const endSchema = z.strictObject({
  streamSha256: sha256Field,
  streamBytes: countField,
  commands: countField,
  skeletonSha256: sha256Field,
  skeletonBytes: countField,
})

export type IndexBegin = z.infer<typeof beginSchema>
export type IndexSegment = z.infer<typeof segmentSchema>
export type IndexEnd = z.infer<typeof endSchema>

export type IndexRecord =
  | { readonly kind: 'begin'; readonly begin: IndexBegin }
  | { readonly kind: 'skeleton'; readonly bytes: Uint8Array }
  | { readonly kind: 'segment'; readonly segment: IndexSegment }
  | { readonly kind: 'end'; readonly end: IndexEnd }

export function encodeIndexRecord(record: IndexRecord): Uint8Array<ArrayBuffer> {
  const body = bodyOf(record)
  const bytes = new Uint8Array(headBytes + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length, true)
  bytes[4] = types[record.kind]
  bytes.set(body, headBytes)
  return bytes
}

function bodyOf(record: IndexRecord): Uint8Array {
  switch (record.kind) {
    case 'begin':
      return encodeUtf8(JSON.stringify(record.begin))
    case 'skeleton':
      return record.bytes
    case 'segment':
      return encodeUtf8(JSON.stringify(record.segment))
    case 'end':
      return encodeUtf8(JSON.stringify(record.end))
  }
}

/** Feed it an index in pieces of any size; it gives back whole records, in order. */
export class IndexDecoder {
  readonly #label: string
  #rest: Uint8Array = new Uint8Array(0)
  #state: 'new' | 'open' | 'ended' = 'new'

  constructor(label: string) {
    this.#label = label
  }

  *write(piece: Uint8Array): Generator<IndexRecord, void, undefined> {
    let bytes = this.#rest.length === 0 ? piece : concatBytes([this.#rest, piece])
    for (;;) {
      const length = this.#bodyLength(bytes)
      if (length === undefined || bytes.length < headBytes + length) break
      yield this.#record(bytes[4] as number, bytes.subarray(headBytes, headBytes + length))
      bytes = bytes.subarray(headBytes + length)
    }
    this.#rest = bytes.slice()
  }

  /** L1: Failure 'corrupt' unless the last record was the end. */
  finish(): void {
    if (this.#state !== 'ended' || this.#rest.length > 0) throw this.#corrupt('it ends too early')
  }

  #bodyLength(bytes: Uint8Array): number | undefined {
    if (bytes.length < headBytes) return undefined
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    if (length > longestBody) throw this.#corrupt('a record is too long')
    return length
  }

  #record(type: number, body: Uint8Array): IndexRecord {
    const first = this.#state === 'new'
    if (this.#state === 'ended' || first !== (type === types.begin)) {
      throw this.#corrupt('its records are out of order')
    }
    this.#state = type === types.end ? 'ended' : 'open'
    try {
      switch (type) {
        case types.begin:
          return { kind: 'begin', begin: this.#begin(JSON.parse(decodeUtf8(body))) }
        case types.skeleton:
          return { kind: 'skeleton', bytes: body }
        case types.segment:
          return { kind: 'segment', segment: segmentSchema.parse(JSON.parse(decodeUtf8(body))) }
        case types.end:
          return { kind: 'end', end: endSchema.parse(JSON.parse(decodeUtf8(body))) }
      }
    } catch (cause) {
      if (isFailure(cause, 'refused')) throw cause
      throw this.#corrupt('a record is malformed', cause)
    }
    throw this.#corrupt(`it has a record of an unknown type ${type}`)
  }

  #begin(value: unknown): IndexBegin {
    const { version } = z.looseObject({ version: z.number() }).parse(value)
    checkVersion(version, 1, `the index of ${this.#label}`)
    return beginSchema.parse(value)
  }

  #corrupt(why: string, cause?: unknown): Failure {
    return new Failure('corrupt', `cannot read the index of ${this.#label}: ${why}`, { cause })
  }
}
