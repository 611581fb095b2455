// Whether two files hold the same bytes.

import { constants, type FileHandle, open } from 'node:fs/promises'

const pieceBytes = 1024 * 1024
/** The kernel takes no path as long as this at once. */
const pathLimitBytes = 4096
const slash = 0x2f

/** Paths may be bytes, and of any length. Rejects with the system's error when one of the files can't be read. */
export async function sameContents(
  left: string | Buffer,
  right: string | Buffer,
): Promise<boolean> {
  await using ours = await openFile(bytesOf(left))
  await using theirs = await openFile(bytesOf(right))
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

function bytesOf(path: string | Buffer): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : path
}

async function openFile(path: Buffer): Promise<FileHandle> {
  if (path.length < pathLimitBytes) return await open(path, 'r')
  const cut = path.lastIndexOf(slash, pathLimitBytes - 2)
  const folder = path.subarray(0, cut)
  await using upper = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  const rest = path.subarray(cut)
  return await openFile(Buffer.concat([Buffer.from(`/proc/self/fd/${upper.fd}`), rest]))
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
