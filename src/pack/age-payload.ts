// The body of an age file: a 16-byte nonce, then 64 KiB chunks, each ChaCha20-Poly1305 with its
// own tag (C2SP age.md, "Payload"). Every stored byte goes through here, in worker threads, so it
// runs on node:crypto and copies as little as it can. The header is in age-header.ts.

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'

import { releaseOwnBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'

/** Plain bytes in every chunk but the last, which holds 1 to this many (0 only when it is alone). */
export const payloadChunkBytes = 65_536
export const payloadTagBytes = 16
export const payloadNonceBytes = 16

const sealedChunkBytes = payloadChunkBytes + payloadTagBytes
const algorithm = 'chacha20-poly1305'
const tagOption = { authTagLength: payloadTagBytes } as const
const endsPayload = 1

/** Length of nonce and chunks together for `plainBytes` of plaintext. */
export function sealedPayloadBytes(plainBytes: number): number {
  const chunkCount = Math.max(1, Math.ceil(plainBytes / payloadChunkBytes))
  return payloadNonceBytes + plainBytes + chunkCount * payloadTagBytes
}

/** The opposite. Throws Failure 'corrupt' for a length that no plaintext has. */
export function plainPayloadBytes(sealedBytes: number): number {
  const chunksBytes = sealedBytes - payloadNonceBytes
  if (chunksBytes < payloadTagBytes) throw cutShort()
  const chunkCount = Math.ceil(chunksBytes / sealedChunkBytes)
  const plainBytes = chunksBytes - chunkCount * payloadTagBytes
  const lastBytes = plainBytes - (chunkCount - 1) * payloadChunkBytes
  if (lastBytes < 0) throw cutShort()
  if (lastBytes === 0 && chunkCount > 1) throw emptyLast()
  return plainBytes
}

/** Whole chunks that cover a run of plaintext. `start` and `end` count from the payload's nonce. */
export interface ChunkRun {
  readonly firstChunkIndex: number
  readonly start: number
  readonly end: number
  /** Plain offset of the run's first byte. */
  readonly plainStart: number
  readonly endsPayload: boolean
}

/**
 * Which stored bytes are needed to read the plaintext [start, end) of a payload that holds
 * `plainBytes`. Throws RangeError when the range is empty or lies outside.
 */
export function chunkRunOf(start: number, end: number, plainBytes: number): ChunkRun {
  if (!(start >= 0 && start < end && end <= plainBytes)) {
    throw new RangeError(`no plaintext [${start}, ${end}) in ${plainBytes} bytes`)
  }
  const first = Math.floor(start / payloadChunkBytes)
  const chunkCount = Math.ceil(plainBytes / payloadChunkBytes)
  const endIndex = Math.ceil(end / payloadChunkBytes)
  const isLast = endIndex === chunkCount
  return {
    firstChunkIndex: first,
    start: payloadNonceBytes + first * sealedChunkBytes,
    end: isLast ? sealedPayloadBytes(plainBytes) : payloadNonceBytes + endIndex * sealedChunkBytes,
    plainStart: first * payloadChunkBytes,
    endsPayload: isLast,
  }
}

/**
 * Writes one payload into `out` at `at`: the nonce, then chunks as plaintext comes in. `out` must
 * have sealedPayloadBytes() of room, else a RangeError. A nonce must never be used twice with one
 * file key.
 */
export class PayloadSealer {
  readonly #streamKey: Uint8Array
  readonly #chunkNonce = new ChunkNonce()
  readonly #out: Uint8Array
  /** Plaintext of a chunk of which it is not yet known whether it is the last. */
  readonly #held = new Uint8Array(payloadChunkBytes)
  #heldBytes = 0
  #at: number
  #isFinished = false

  // oxlint-disable-next-line max-params
  constructor(fileKey: Uint8Array, nonce: Uint8Array, out: Uint8Array, at: number) {
    this.#streamKey = streamKeyOf(fileKey, nonce)
    this.#out = out
    out.set(nonce, at)
    this.#at = at + payloadNonceBytes
  }

  /** Pieces may have any size and may be reused by the caller as soon as this returns. */
  write(plain: Uint8Array): void {
    if (this.#isFinished) throw new Error('write() after finish()')
    let from = 0
    if (this.#heldBytes > 0) {
      from = this.#hold(plain)
      if (from === plain.length) return
      this.#seal(this.#held, 0)
      this.#heldBytes = 0
    }
    // A chunk may go only when a byte follows it: the last one is marked, and never empty.
    while (plain.length - from > payloadChunkBytes) {
      this.#seal(plain.subarray(from, from + payloadChunkBytes), 0)
      from += payloadChunkBytes
    }
    this.#hold(plain.subarray(from))
  }

  /** Seals what is left as the last chunk. Returns the end of the payload in `out`. */
  finish(): number {
    if (this.#isFinished) throw new Error('finish() was called before')
    this.#isFinished = true
    this.#seal(this.#held.subarray(0, this.#heldBytes), endsPayload)
    this.#held.fill(0)
    this.#streamKey.fill(0)
    return this.#at
  }

  #hold(plain: Uint8Array): number {
    const taken = Math.min(payloadChunkBytes - this.#heldBytes, plain.length)
    this.#held.set(taken === plain.length ? plain : plain.subarray(0, taken), this.#heldBytes)
    this.#heldBytes += taken
    return taken
  }

  #seal(plain: Uint8Array, last: 0 | 1): void {
    const nonce = this.#chunkNonce.next(last)
    const cipher = createCipheriv(algorithm, this.#streamKey, nonce, tagOption)
    const sealed = cipher.update(plain)
    this.#out.set(sealed, this.#at)
    releaseOwnBytes(sealed)
    cipher.final()
    this.#out.set(cipher.getAuthTag(), this.#at + plain.length)
    this.#at += plain.length + payloadTagBytes
  }
}

/**
 * Opens a whole payload (nonce and chunks). A chunk reaches `onPlain` only after its own tag was
 * right (L6); that it was the last one is known only when this returns. A chunk is only valid during
 * the call. Throws Failure 'corrupt'.
 */
export function openPayload(
  fileKey: Uint8Array,
  payload: Uint8Array,
  onPlain: (chunk: Uint8Array) => void,
): void {
  if (payload.length < payloadNonceBytes + payloadTagBytes) throw cutShort()
  const run = {
    streamKey: streamKeyOf(fileKey, payload.subarray(0, payloadNonceBytes)),
    chunks: payload.subarray(payloadNonceBytes),
    firstChunkIndex: 0,
    endsPayload: true,
  }
  openChunks(run, onPlain)
}

export interface PayloadRun {
  readonly fileKey: Uint8Array
  /** The payload's first 16 bytes. */
  readonly nonce: Uint8Array
  /** Whole sealed chunks, end to end. */
  readonly sealedChunks: Uint8Array
  readonly firstChunkIndex: number
  /** True when the run ends with the payload's last chunk. */
  readonly endsPayload: boolean
}

/** The plaintext of a run of whole chunks (see chunkRunOf). Throws Failure 'corrupt'. */
export function openPayloadRange(range: PayloadRun): Uint8Array {
  const chunkCount = Math.ceil(range.sealedChunks.length / sealedChunkBytes)
  const plain = new Uint8Array(
    Math.max(0, range.sealedChunks.length - chunkCount * payloadTagBytes),
  )
  let at = 0
  const run = {
    streamKey: streamKeyOf(range.fileKey, range.nonce),
    chunks: range.sealedChunks,
    firstChunkIndex: range.firstChunkIndex,
    endsPayload: range.endsPayload,
  }
  openChunks(run, chunk => {
    plain.set(chunk, at)
    at += chunk.length
  })
  return plain
}

interface ChunksToOpen {
  readonly streamKey: Uint8Array
  readonly chunks: Uint8Array
  readonly firstChunkIndex: number
  readonly endsPayload: boolean
}

function openChunks(run: ChunksToOpen, onPlain: (chunk: Uint8Array) => void): void {
  const { chunks } = run
  const chunkNonce = new ChunkNonce(run.firstChunkIndex)
  if (chunks.length === 0) throw cutShort()
  for (let at = 0; at < chunks.length; at += sealedChunkBytes) {
    const end = Math.min(at + sealedChunkBytes, chunks.length)
    const isLast = run.endsPayload && end === chunks.length
    const plainBytes = end - at - payloadTagBytes
    if (plainBytes < 0 || (!isLast && plainBytes < payloadChunkBytes)) throw cutShort()
    if (plainBytes === 0 && (at > 0 || run.firstChunkIndex > 0)) throw emptyLast()
    const index = run.firstChunkIndex + at / sealedChunkBytes
    const nonce = chunkNonce.next(isLast ? endsPayload : 0)
    const plain = openChunk(run.streamKey, nonce, { sealed: chunks.subarray(at, end), index })
    onPlain(plain)
    releaseOwnBytes(plain)
  }
  run.streamKey.fill(0)
}

function openChunk(
  streamKey: Uint8Array,
  nonce: Uint8Array,
  chunk: { readonly sealed: Uint8Array; readonly index: number },
): Uint8Array {
  const plainBytes = chunk.sealed.length - payloadTagBytes
  const decipher = createDecipheriv(algorithm, streamKey, nonce, tagOption)
  decipher.setAuthTag(chunk.sealed.subarray(plainBytes))
  // Not a Buffer: a Buffer's slice() is no copy, and the caller is to copy what it keeps.
  const plain = bytesOf(decipher.update(chunk.sealed.subarray(0, plainBytes)))
  try {
    decipher.final()
  } catch {
    plain.fill(0)
    throw new Failure('corrupt', `cannot decrypt chunk ${chunk.index} of an age file: wrong tag`, {
      hint: 'the bytes were altered or cut, or the file key belongs to another file',
    })
  }
  return plain
}

function bytesOf({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

function streamKeyOf(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

/** 11 bytes of big-endian counter, then 1 for the last chunk. One array, refilled for each chunk. */
class ChunkNonce {
  readonly #bytes = Buffer.alloc(12)
  #index: number

  constructor(firstIndex = 0) {
    this.#index = firstIndex
  }

  next(last: 0 | 1): Uint8Array {
    // 48 bits of the counter's 88 are enough for 2^64 bytes.
    this.#bytes.writeUIntBE(this.#index, 5, 6)
    this.#bytes[11] = last
    this.#index += 1
    return this.#bytes
  }
}

function cutShort(): Failure {
  return new Failure('corrupt', 'cannot decrypt an age file: its last chunk is cut short')
}

function emptyLast(): Failure {
  return new Failure('corrupt', 'cannot decrypt an age file: it ends with an empty chunk')
}
