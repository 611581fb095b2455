// CRC-32C as btrfs uses it in send streams: polynomial 0x82F63B78 (reflected), register starting
// at 0, no final inversion. Every byte that is sent passes here, so the bulk is done by a small
// WebAssembly module (crc32c-wasm.ts); plain JavaScript does short pieces, and everything where a
// process has no WebAssembly (`--jitless`).

import { advanceTable, byteTable, slicingTables } from './crc32c-tables.ts'
import { type CompiledCrc32c, compileCrc32c } from './crc32c-wasm.ts'

/** A piece of memory and the CRC of any part of it, without a copy between the two. */
export interface Crc32cWindow {
  /** Yours to fill. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The CRC of `bytes[start, end)`, continuing `crc`. */
  of(crc: number, start: number, end: number): number
}

/** Longer pieces are worth a copy into WebAssembly's memory. */
const shortBytes = 192
/** Small enough to stay in the processor's nearest caches between copying and reading. */
const sharedWindowBytes = 64 * 1024

const foldTable = advanceTable(64)
const compiled = compileCrc32c()
// Scratch: nothing in it outlives the call that fills it.
const sharedWindow = createCrc32cWindow(sharedWindowBytes)

/** The CRC of `bytes`; pass what it gave for the bytes before to continue. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  if (bytes.length < shortBytes) return crc32cPlain(crc, bytes, { start: 0, end: bytes.length })
  let value = crc
  for (let at = 0; at < bytes.length; at += sharedWindowBytes) {
    const part = bytes.subarray(at, at + sharedWindowBytes)
    sharedWindow.bytes.set(part)
    value = sharedWindow.of(value, 0, part.length)
  }
  return value
}

export function createCrc32cWindow(bytes: number): Crc32cWindow {
  return compiled === undefined ? plainWindow(bytes) : wasmWindow(compiled, bytes)
}

export function plainWindow(byteCount: number): Crc32cWindow {
  const bytes = new Uint8Array(byteCount)
  return { bytes, of: (crc, start, end) => crc32cPlain(crc, bytes, { start, end }) }
}

/** Eight bytes at a time with eight tables, in JavaScript. */
export function crc32cPlain(
  crc: number,
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): number {
  const t = slicingTables
  let value = crc
  let at = start
  for (; at + 8 <= end; at += 8) {
    value ^= u32(bytes, at)
    const next = u32(bytes, at + 4)
    value =
      (t[1792 + (value & 255)] as number) ^
      (t[1536 + ((value >>> 8) & 255)] as number) ^
      (t[1280 + ((value >>> 16) & 255)] as number) ^
      (t[1024 + (value >>> 24)] as number) ^
      (t[768 + (next & 255)] as number) ^
      (t[512 + ((next >>> 8) & 255)] as number) ^
      (t[256 + ((next >>> 16) & 255)] as number) ^
      (t[next >>> 24] as number)
  }
  for (; at < end; at += 1) {
    value = (byteTable[(value ^ (bytes[at] as number)) & 255] as number) ^ (value >>> 8)
  }
  return value >>> 0
}

function wasmWindow(module: CompiledCrc32c, byteCount: number): Crc32cWindow {
  const wasm = module.instantiate(byteCount, {
    slicing: slicingTables,
    fold: foldTable,
  })
  return {
    bytes: new Uint8Array(wasm.memory, wasm.windowStart, byteCount),
    of: (value, start, end) =>
      wasm.crc(value, wasm.windowStart + start, wasm.windowStart + end) >>> 0,
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}
