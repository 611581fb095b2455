// Bytes: joining, comparing, reading as numbers and text.

const smallestPagedBytes = 65_536

const utf8 = new TextEncoder()
// A byte order mark stays, and is refused by whoever parses: one text has one spelling.
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A copy of the parts, end to end. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(text)
}

/** Throws a TypeError when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return strictUtf8.decode(bytes)
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** A Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Gives a buffer's memory back at once instead of at the next garbage collection: at 64 MiB a
 * piece, waiting for the collector is what makes a process grow.
 */
export function releaseBytes(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && !bytes.buffer.detached) {
    bytes.buffer.transferToFixedLength(0)
  }
}

/**
 * Zeros whose memory comes from the kernel and goes back there when it is released. Ordinary
 * buffers come from malloc, which keeps what a thread frees for that thread: with several threads
 * and pieces of a megabyte that is more than what is in use.
 */
export function pagedBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length < smallestPagedBytes) return new Uint8Array(length)
  // Buffers that could be resized are mapped, page by page.
  return new Uint8Array(new ArrayBuffer(length, { maxByteLength: length }), 0, length)
}

/**
 * The same for what Node's own functions gave: a short piece may lie in memory that Node shares
 * among many, and is left to the collector. That one is woken by megabytes that nobody gave back,
 * and its work was a fifth of a backup's.
 */
export function releaseOwnBytes(bytes: Uint8Array): void {
  const { byteLength } = bytes.buffer
  if (byteLength === bytes.length || byteLength > 2 * Buffer.poolSize) releaseBytes(bytes)
}
