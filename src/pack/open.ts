// Consecutive frames out of a sealed object. Runs in a pack thread.

import { releaseBytes, releaseOwnBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import { openPayloadRange } from './age-payload.ts'
import { decompressFrame } from './frame.ts'
import type { OpenRequest, PackReplies } from './worker-protocol.ts'

/** L6: each chunk's tag is checked before zstd sees it, each frame's checksum before it is handed on. */
export function openFrames(request: OpenRequest): PackReplies['open'] {
  const plain = decrypted(request)
  const raw = new Uint8Array(request.frames.reduce((sum, frame) => sum + frame.rawBytes, 0))
  let from = request.skipBytes
  let to = 0
  for (const frame of request.frames) {
    const stored = plain.subarray(from, from + frame.storedBytes)
    if (stored.length < frame.storedBytes) {
      throw new Failure('corrupt', 'cannot open an object: it is shorter than its index says')
    }
    const unpacked = decompressFrame(stored, frame.rawBytes, request.compress)
    raw.set(unpacked, to)
    if (unpacked !== stored) releaseOwnBytes(unpacked)
    from += frame.storedBytes
    to += frame.rawBytes
  }
  const skipped = plain.slice(0, request.skipBytes)
  if (request.key !== null) releaseBytes(plain)
  return { kind: 'opened', skipped, raw }
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
