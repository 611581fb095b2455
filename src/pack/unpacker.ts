// Sealed objects back to raw bytes. Everything is checked before it is handed on (L6): the hash
// of the whole object, then the tag of each age chunk, then zstd's checksum of each frame.

import { createHash } from 'node:crypto'
import { toHex } from '../base/bytes.ts'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure } from '../base/failure.ts'
import { decodeLead, type Lead } from '../format/lead-frame.ts'
import { zstdFrameAt } from '../format/zstd-frame.ts'
import type { BackupParameters, StoredObject } from '../model/backup.ts'
import { ageHeaderLength, openAgeHeader } from './age-header.ts'
import { chunkRunOf, openPayload, payloadNonceBytes, plainPayloadBytes } from './age-payload.ts'
import { decompressFrame } from './frame.ts'
import type { Identity } from './identities.ts'
import type { Pieces } from './pieces.ts'
import type { WorkerPool } from './worker-pool.ts'

/** Frames opened in one go: of one alone, what zstd gave is handed on without a copy. */
const framesAtOnce = 1

/** What the index says of a segment's inside. */
export interface SegmentInside {
  readonly headerBytes: number
  readonly fileKey: Uint8Array<ArrayBuffer> | null
  readonly leadBytes: number
  readonly rawBytes: number
  readonly frames: readonly number[]
}

export interface OpenOptions {
  readonly pool: WorkerPool
  readonly parameters: BackupParameters
  /** For messages: the object's key. */
  readonly label: string
}

/** Rejects with 'corrupt' unless the pieces have the hash and length; gives them back. */
export async function checkHash(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  expected: StoredObject,
  { pool, label }: Pick<OpenOptions, 'pool' | 'label'>,
): Promise<readonly Uint8Array<ArrayBuffer>[]> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (length !== expected.bytes) {
    const why = `it has ${length} bytes, its manifest says ${expected.bytes}`
    throw new Failure('corrupt', `cannot use ${label}: ${why}`)
  }
  const reply = await pool.run({ kind: 'hash', pieces }, pieces)
  if (toHex(reply.sha256) !== expected.sha256) {
    throw new Failure('corrupt', `cannot use ${label}: its SHA-256 is not what its manifest says`)
  }
  return reply.pieces
}

/** The raw bytes of a segment whose hash was checked, a few frames at a time. Frees `sealed`. */
export async function* openSegment(
  sealed: Pieces,
  inside: SegmentInside,
  options: OpenOptions,
): AsyncGenerator<{ raw: Uint8Array<ArrayBuffer>; lead: Lead | undefined }, void, undefined> {
  try {
    const groups = frameGroups(inside, options)
    checkLength(sealed.length, groups.at(-1)?.end, { inside, label: options.label })
    const nonceEnd = inside.headerBytes + payloadNonceBytes
    const nonce = sealed.copy(inside.headerBytes, nonceEnd)
    const open = (group: FrameGroup) => openGroup({ sealed, nonce }, { group, inside }, options)
    yield* mapInOrder(groups, options.pool.threadCount + 1, open)
  } finally {
    sealed.release()
  }
}

interface FrameGroup {
  readonly frames: readonly { readonly storedBytes: number; readonly rawBytes: number }[]
  /** Of the object's plaintext. */
  readonly start: number
  readonly end: number
  readonly first: boolean
}

function frameGroups(inside: SegmentInside, { parameters, label }: OpenOptions): FrameGroup[] {
  const { frameSize } = parameters
  if (inside.frames.length !== Math.ceil(inside.rawBytes / frameSize)) {
    throw new Failure('corrupt', `cannot open ${label}: its index names a wrong number of frames`)
  }
  const groups: FrameGroup[] = []
  let start = inside.leadBytes
  for (let first = 0; first < inside.frames.length; first += framesAtOnce) {
    const stored = inside.frames.slice(first, first + framesAtOnce)
    const frames = stored.map((storedBytes, index) => {
      const rawBytes = Math.min(frameSize, inside.rawBytes - (first + index) * frameSize)
      return { storedBytes, rawBytes }
    })
    const end = stored.reduce((sum, storedBytes) => sum + storedBytes, start)
    groups.push({ frames, start, end, first: first === 0 })
    start = end
  }
  return groups
}

/** Frames end where the object ends: what follows them is nothing that we wrote. */
function checkLength(
  storedBytes: number,
  framesEnd: number | undefined,
  { inside, label }: { readonly inside: SegmentInside; readonly label: string },
): void {
  const plainBytes = plainBytesOf(storedBytes, inside)
  if (framesEnd === plainBytes) return
  const how = (framesEnd ?? 0) > plainBytes ? 'shorter' : 'longer'
  throw new Failure('corrupt', `cannot open ${label}: it is ${how} than its index says`)
}

function plainBytesOf(storedBytes: number, { fileKey, headerBytes }: SegmentInside): number {
  return fileKey === null ? storedBytes : plainPayloadBytes(storedBytes - headerBytes)
}

interface SealedSegment {
  readonly sealed: Pieces
  /** Of the age payload; without meaning for an object in the clear. */
  readonly nonce: Uint8Array<ArrayBuffer>
}

async function openGroup(
  segment: SealedSegment,
  { group, inside }: { group: FrameGroup; inside: SegmentInside },
  { pool, parameters, label }: OpenOptions,
) {
  // The lead belongs to the first group; reading it costs nothing and proves what the object is.
  const start = group.first ? 0 : group.start
  const part = storedPart(segment, { start, end: group.end }, inside)
  const { sealed, key, firstChunk, final } = part
  const skipBytes = group.start - part.plainStart
  const { compress } = parameters
  const reply = await pool.run(
    { kind: 'open', sealed, key, firstChunk, final, skipBytes, frames: group.frames, compress },
    [sealed],
  )
  const lead = group.first ? decodeLead(reply.skipped, label).lead : undefined
  return { raw: reply.raw, lead }
}

/** Copies a part out. Parts are asked for in order: what lies before this one is given back. */
function storedPart(
  { sealed, nonce }: SealedSegment,
  range: { start: number; end: number },
  inside: SegmentInside,
) {
  const { headerBytes, fileKey } = inside
  const plainBytes = plainBytesOf(sealed.length, inside)
  if (fileKey === null) {
    const part = sealed.copy(range.start, range.end)
    sealed.releaseBefore(range.end)
    const final = range.end === plainBytes
    return { sealed: part, key: null, firstChunk: 0, final, plainStart: range.start }
  }
  const run = chunkRunOf(range.start, range.end, plainBytes)
  const part = sealed.copy(headerBytes + run.start, headerBytes + run.end)
  // The chunk in which this part ends may be the next one's first.
  sealed.releaseBefore(headerBytes + run.start)
  return {
    sealed: part,
    key: { fileKey, nonce },
    firstChunk: run.firstChunkIndex,
    final: run.endsPayload,
    plainStart: run.plainStart,
  }
}

/**
 * Opens a whole object with an identity: an index, or a segment whose index is lost. The hash is
 * checked here. Pieces are handed on only after their tags and checksums were right.
 */
export async function openWithIdentity(
  bytes: Uint8Array<ArrayBuffer>,
  expected: Pick<StoredObject, 'sha256'>,
  options: {
    readonly identities: readonly Identity[]
    readonly parameters: BackupParameters
    readonly label: string
  },
): Promise<{ readonly lead: Lead; readonly raw: Iterable<Uint8Array> }> {
  const { label, parameters } = options
  if (createHash('sha256').update(bytes).digest('hex') !== expected.sha256) {
    throw new Failure('corrupt', `cannot use ${label}: its SHA-256 is not what its manifest says`)
  }
  const plain = parameters.encrypt === 'none' ? bytes : await decrypted(bytes, options)
  const { lead, bytes: leadBytes } = decodeLead(plain, label)
  return { lead, raw: rawFrames(plain, leadBytes, parameters) }
}

async function decrypted(
  bytes: Uint8Array,
  { identities, label }: { readonly identities: readonly Identity[]; readonly label: string },
): Promise<Uint8Array> {
  const headerBytes = ageHeaderLength(bytes)
  const fileKey = await openAgeHeader(bytes.subarray(0, headerBytes), identities, label)
  const payload = bytes.subarray(headerBytes)
  const plain = new Uint8Array(plainPayloadBytes(payload.length))
  let at = 0
  openPayload(fileKey, payload, chunk => {
    plain.set(chunk, at)
    at += chunk.length
  })
  return plain
}

function* rawFrames(plain: Uint8Array, start: number, { compress, frameSize }: BackupParameters) {
  if (compress === 'none') {
    yield plain.subarray(start)
    return
  }
  for (let at = start; at < plain.length; ) {
    const frame = zstdFrameAt(plain, at)
    if (frame.rawBytes > frameSize) {
      throw new Failure('corrupt', 'cannot decompress a frame: it says it is larger than a frame')
    }
    yield decompressFrame(plain.subarray(at, at + frame.bytes), frame.rawBytes, 'zstd')
    at += frame.bytes
  }
}
