// A frame: up to 1 MiB of raw stream as one zstd frame with a checksum. Both directions.

import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { equalBytes, pagedBytes, releaseOwnBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import type { Compression } from '../model/backup.ts'

/** Raw bytes of a frame; the unit of compression and of random access. */
export const frameSize = 1024 * 1024

/** zlib refuses a smaller one, and the last frame of a stream may be a single byte. */
const leastChunkSize = 64

const faultyMemoryHint =
  'this is what faulty memory looks like; nothing was uploaded from it: test the machine'

/** A frame as it goes into an object. */
export interface PackedFrame {
  /** After compression, before encryption. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** CRC-32 of them, by which the sealed object is checked; null: nobody will. */
  readonly crc32: number | null
}

export interface FrameOptions {
  readonly compress: Compression
  readonly level: number
  /** Unpack it again at once, while it lies in the processor's caches. */
  readonly check: boolean
}

/** Failure 'corrupt' when what was compressed is not what was read. */
export function packFrame(
  raw: Uint8Array<ArrayBuffer>,
  { compress, level, check }: FrameOptions,
  compressor = compressFrame,
): PackedFrame {
  const bytes = compress === 'none' ? raw : compressor(raw, level)
  if (!check) return { bytes, crc32: null }
  // Taken first: what happens to them from here on is found by one of the two checks.
  const crc = crc32(bytes)
  if (compress !== 'none') checkFrame(bytes, raw)
  return { bytes, crc32: crc }
}

function checkFrame(stored: Uint8Array, raw: Uint8Array): void {
  try {
    const again = decompressFrame(stored, raw.length, 'zstd')
    const isSame = equalBytes(again, raw)
    releaseOwnBytes(again)
    if (isSame) return
  } catch (cause) {
    throw notWhatWasRead('a compressed frame', cause)
  }
  throw notWhatWasRead('a compressed frame')
}

export function notWhatWasRead(what: string, cause?: unknown): Failure {
  return new Failure('corrupt', `cannot use ${what}: it does not hold what was read`, {
    hint: faultyMemoryHint,
    cause,
  })
}

export function compressFrame(
  raw: Uint8Array<ArrayBuffer>,
  level: number,
): Uint8Array<ArrayBuffer> {
  const bound = raw.length + (raw.length >> 8) + 1024
  const out = zstdCompressSync(raw, {
    // The default of 16 KiB grows the output in small steps: a sixth of the time.
    chunkSize: bound,
    pledgedSrcSize: raw.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  })
  // zlib hands out a view of the whole bound; a copy keeps only what is used in memory.
  const frame = pagedBytes(out.length)
  frame.set(out)
  releaseOwnBytes(out)
  return frame
}

/**
 * The raw bytes of a stored frame. Failure 'corrupt' when zstd's checksum fails or the length is
 * not exactly `rawBytes`: a frame that unpacks to more is stopped at that length. With compression
 * 'none' they are the stored bytes themselves.
 */
export function decompressFrame(
  stored: Uint8Array,
  rawBytes: number,
  compress: Compression,
): Uint8Array {
  const raw = compress === 'none' ? stored : decompress(stored, rawBytes)
  if (raw.length === rawBytes) return raw
  throw new Failure('corrupt', 'cannot decompress a frame: its length is not what the index says')
}

function decompress(stored: Uint8Array, rawBytes: number): Uint8Array {
  try {
    const chunkSize = Math.max(leastChunkSize, rawBytes + 1)
    return zstdDecompressSync(stored, { chunkSize, maxOutputLength: rawBytes + 1 })
  } catch (cause) {
    throw new Failure('corrupt', 'cannot decompress a frame: zstd refuses it', { cause })
  }
}
