// The files that everybody backs up: the same every time, a mix of system trees, text that
// compresses well and bytes that do not at all.

import { createCipheriv } from 'node:crypto'
import {
  closeSync,
  cpSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const mebibyte = 1024 * 1024

export function fill(base: string, sizeBytes: number): void {
  const random = Math.floor(sizeBytes * 0.2)
  for (let n = 0; n < 2; n += 1) {
    writeInPieces(join(base, `random-${n}`), random / 2, at => noise(`random ${n} ${at}`, mebibyte))
  }
  const text = logLines(10_000)
  writeInPieces(join(base, 'log'), sizeBytes * 0.1, () => text)
  mkdirSync(join(base, 'system'))
  copySystem(join(base, 'system'), sizeBytes * 0.7)
}

/** About a twentieth rewritten, appended, added and removed: the same in each live subvolume. */
export function change(live: string): void {
  const size = statSync(join(live, 'random-0')).size
  overwrite(join(live, 'random-0'), Math.floor(size / 2), noise('change', Math.ceil(size / 8)))
  writeFileSync(join(live, 'log'), logLines(20_000), { flag: 'a' })
  mkdirSync(join(live, 'new'))
  for (let n = 0; n < 500; n += 1) {
    writeFileSync(join(live, 'new', `file ${n}`), noise(`new ${n}`, 4000).subarray(0, 4000 - n))
  }
  const [first] = readdirSync(join(live, 'system')).sort()
  if (first !== undefined) rmSync(join(live, 'system', first), { recursive: true })
}

/** Whole folders of /usr in the order of their names, as many as fit, then file by file. */
function copySystem(to: string, budgetBytes: number): void {
  let left = budgetBytes
  for (const top of ['/usr/lib', '/usr/share', '/usr/bin', '/usr/include', '/usr/local']) {
    for (const name of readOrNone(top)) {
      const from = join(top, name)
      const bytes = treeBytes(from, left)
      if (bytes > left) continue
      const target = join(to, `${top.slice(5)} ${name}`)
      cpSync(from, target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      left -= bytes
    }
  }
}

/** Stops counting beyond `limit`. Special files can't be copied: their folders are left out. */
function treeBytes(path: string, limit: number): number {
  const entry = lstatSync(path)
  if (entry.isSymbolicLink()) return 0
  if (entry.isFile()) return entry.size
  if (!entry.isDirectory()) return Number.POSITIVE_INFINITY
  let sum = 0
  for (const name of readOrNone(path)) {
    sum += treeBytes(join(path, name), limit - sum)
    if (sum > limit) break
  }
  return sum
}

function writeInPieces(path: string, bytes: number, piece: (at: number) => Buffer): void {
  const fd = openSync(path, 'w')
  try {
    for (let at = 0; at < bytes; ) {
      at += writeSync(fd, piece(at), 0, undefined, at)
    }
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const fd = openSync(path, 'r+')
  try {
    writeSync(fd, bytes, 0, bytes.length, at)
  } finally {
    closeSync(fd)
  }
}

/** Bytes that nothing compresses, the same for the same seed. */
function noise(seed: string, bytes: number): Buffer {
  const key = Buffer.alloc(32, seed)
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}

function logLines(count: number): Buffer {
  const lines = Array.from({ length: count }, (_, n) => {
    const number = (n * 2_654_435_761) % 4_294_967_296
    return `2026-01-01T00:00:00Z request ${number.toString(16)} answered in ${number % 977} ms\n`
  })
  return Buffer.from(lines.join(''))
}

function readOrNone(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch {
    return []
  }
}
