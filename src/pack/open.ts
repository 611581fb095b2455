// Consecutive frames out of a sealed object. Runs in a pack thread.

import { releaseBytes, releaseOwnBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import { openPayloadRange } from './age-payload.ts'
import { decompressFrame } from './frame.ts'
import type { OpenRequest, PackReplies } from './worker-protocol.ts'

/** L6: each chunk's tag is checked before zstd sees it, each frame's checksum before it is handed on. */
export function openFrames(request: OpenRequest): PackReplies['open'] {
  const plain = decrypted(request)
  const raw = unpackedFrames(plain, request)
  const skipped = plain.slice(0, request.skipBytes)
  if (request.key !== null) releaseBytes(plain)
  return { kind: 'opened', skipped, raw }
}

function unpackedFrames(plain: Uint8Array, request: OpenRequest): Uint8Array<ArrayBuffer> {
  const { frames, compress, skipBytes } = request
  const rawBytes = frames.reduce((sum, frame) => sum + frame.rawBytes, 0)
  let raw: Uint8Array<ArrayBuffer> | undefined
  let from = skipBytes
  let to = 0
  for (const frame of frames) {
    const stored = plain.subarray(from, from + frame.storedBytes)
    if (stored.length < frame.storedBytes) {
      throw new Failure('corrupt', 'cannot open an object: it is shorter than its index says')
    }
    const unpacked = decompressFrame(stored, frame.rawBytes, compress)
    if (frames.length === 1 && unpacked !== stored && isAlone(unpacked)) return unpacked
    raw ??= new Uint8Array(rawBytes)
    raw.set(unpacked, to)
    if (unpacked !== stored) releaseOwnBytes(unpacked)
    from += frame.storedBytes
    to += frame.rawBytes
  }
  return raw ?? new Uint8Array(0)
}

/** Node shares the memory of short pieces among many: only what is alone in its own may be moved. */
function isAlone(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength > 2 * Buffer.poolSize
}

function decrypted(request: OpenRequest): Uint8Array {
  if (request.key === null) return request.sealed
  return openPayloadRange({
    ...request.key,
    sealedChunks: request.sealed,
    firstChunkIndex: request.firstChunk,
    endsPayload: request.final,
  })
}
