// Whether two files hold the same bytes.

import { type FileHandle, open } from 'node:fs/promises'

const pieceBytes = 1024 * 1024

/** Paths may be bytes. Rejects with the system's error when one of the files can't be read. */
export async function sameContents(
  left: string | Buffer,
  right: string | Buffer,
): Promise<boolean> {
  await using ours = await open(left, 'r')
  await using theirs = await open(right, 'r')
  const { size } = await ours.stat()
  if ((await theirs.stat()).size !== size) return false
  // Most files are small: a buffer of their size, not of the largest.
  const a = Buffer.allocUnsafe(Math.min(pieceBytes, size))
  const b = Buffer.allocUnsafe(a.length)
  for (let at = 0; at < size; at += a.length) {
    const [aBytes, bBytes] = await Promise.all([fill(ours, a, at), fill(theirs, b, at)])
    if (aBytes !== bBytes || !a.subarray(0, aBytes).equals(b.subarray(0, bBytes))) return false
  }
  return true
}

async function fill(file: FileHandle, buffer: Buffer, at: number): Promise<number> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, at + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
