// Where one zstd frame ends, without unpacking it (RFC 8878 §3.1.1).

import { Failure } from '../base/failure.ts'

const magic = 0xfd2fb528

export interface ZstdFrame {
  /** As stored, with header and checksum. */
  readonly bytes: number
  /** What it unpacks to, as its header says; our frames always say it. */
  readonly rawBytes: number
}

/** The frame that begins at `at`. Failure 'corrupt' when there is none, or not all of it. */
export function zstdFrameAt(bytes: Uint8Array, at: number): ZstdFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    if (view.getUint32(at, true) !== magic) throw malformed()
    const descriptor = view.getUint8(at + 4)
    const header = frameHeader(view, at + 5, descriptor)
    let end = header.end
    for (;;) {
      const block = view.getUint16(end, true) | (view.getUint8(end + 2) << 16)
      const type = (block >> 1) & 3
      if (type === 3) throw malformed()
      // A block of type 1 is one byte to be repeated, whatever its size.
      end += 3 + (type === 1 ? 1 : block >> 3)
      if (block & 1) break
    }
    const hasChecksum = (descriptor & 4) !== 0
    end += hasChecksum ? 4 : 0
    if (end > bytes.length) throw malformed()
    return { bytes: end - at, rawBytes: header.rawBytes }
  } catch (cause) {
    if (cause instanceof RangeError) throw malformed()
    throw cause
  }
}

function frameHeader(view: DataView, at: number, descriptor: number) {
  const singleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  const sizeAt = at + (singleSegment ? 0 : 1) + dictionaryBytes
  return { end: sizeAt + sizeBytes, rawBytes: contentSize(view, sizeAt, sizeBytes) }
}

function contentSize(view: DataView, at: number, sizeBytes: number): number {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    case 8:
      return Number(view.getBigUint64(at, true))
    default:
      throw malformed()
  }
}

function malformed(): Failure {
  return new Failure('corrupt', 'cannot read a zstd frame: it is malformed or cut short')
}
