// A home folder as people have them, made the same each time: thousands of small files, some large
// ones, and everything that backup programs are known to lose. And what happens to it in a week.

import { createCipheriv } from 'node:crypto'
import {
  appendFile,
  chmod,
  chown,
  link,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../../base/failure.ts'
import { runProgram } from '../../base/process.ts'

const mebibyte = 1024 * 1024
const folderCount = 60
const textsInFolder = 60
const photoCount = 48
const largeFileBytes = 160 * mebibyte

export interface TreeFacts {
  readonly fileCount: number
  readonly folderCount: number
  /** As `ls` counts it: holes and shared data too. */
  readonly apparentBytes: number
}

/** Fills the empty folder `root`. */
export async function fillTree(root: string, signal: AbortSignal): Promise<void> {
  await fillDocuments(join(root, 'documents'), signal)
  await fillPhotos(join(root, 'photos'), { from: 0, to: photoCount, signal })
  await mkdir(join(root, 'videos'))
  await writeNoise(join(root, 'videos/holiday.mkv'), {
    name: 'video',
    bytes: largeFileBytes,
    signal,
  })
  await fillCopies(root, signal)
  await fillOddNames(join(root, 'odd names'))
  await fillAttributes(join(root, 'attributes'), signal)
  await fillSpecials(join(root, 'special files'), signal)
  await setTimes(root)
}

/** A week later: something of everything is new, edited, moved, replaced and gone. */
export async function changeTree(root: string, signal: AbortSignal): Promise<void> {
  const documents = join(root, 'documents')
  for (let n = 0; n < folderCount; n += 3) {
    throwIfAborted(signal)
    await appendFile(join(documents, folderName(n), textName(1)), `${words(99, n)}\n`)
    await rm(join(documents, folderName(n), textName(2)))
  }
  await rm(join(documents, folderName(5)), { recursive: true })
  await mkdir(join(root, 'archive'))
  await rename(join(documents, folderName(7)), join(root, 'archive/old letters'))
  await fillPhotos(join(root, 'photos'), { from: photoCount, to: photoCount + 8, signal })
  await patch(join(root, 'videos/holiday.mkv'), {
    name: 'scene',
    at: 70 * mebibyte,
    bytes: mebibyte,
  })
  await patch(join(root, 'copies/disk.img'), { name: 'boot', at: 90 * mebibyte, bytes: 65_536 })
  // Two files that change places: one goes by a third name.
  await rename(join(root, 'photos', photoName(1)), join(root, 'photos/third'))
  await rename(join(root, 'photos', photoName(2)), join(root, 'photos', photoName(1)))
  await rename(join(root, 'photos/third'), join(root, 'photos', photoName(2)))
  await link(join(root, 'copies/twin'), join(root, 'archive/triplet'))
  await chmod(join(root, 'attributes/private'), 0o640)
  await chown(join(root, 'attributes/owned'), 1001, 1002)
  const tool = { signal, folder: join(root, 'attributes') }
  await runProgram({
    ...tool,
    program: 'setfattr',
    args: ['-n', 'user.mood', '-v', 'calm', 'commented'],
  })
  await runProgram({ ...tool, program: 'setfacl', args: ['-m', 'u:1003:rw', 'shared'] })
  // In the top folder itself: `btrfs receive` restores its time only where a stream tells it.
  await writeFile(join(root, 'what happened.txt'), 'a week went by\n')
}

async function fillDocuments(folder: string, signal: AbortSignal): Promise<void> {
  for (let n = 0; n < folderCount; n += 1) {
    throwIfAborted(signal)
    const inner = join(folder, folderName(n))
    await mkdir(inner, { recursive: true })
    for (let m = 0; m < textsInFolder; m += 1) {
      const length = 40 + ((n * 131 + m * 57) % 900)
      await writeFile(join(inner, textName(m)), `${words(length, n * 1000 + m)}\n`)
    }
  }
}

async function fillPhotos(
  folder: string,
  { from, to, signal }: { from: number; to: number; signal: AbortSignal },
): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (let n = from; n < to; n += 1) {
    const bytes = mebibyte + ((n * 92_821) % mebibyte)
    await writeNoise(join(folder, photoName(n)), { name: `photo ${n}`, bytes, signal })
  }
}

/** Reflinks, hard links, and a disk image that is mostly holes. */
async function fillCopies(root: string, signal: AbortSignal): Promise<void> {
  const folder = join(root, 'copies')
  await mkdir(folder)
  const copy = [
    '--reflink=always',
    join(root, 'videos/holiday.mkv'),
    join(folder, 'holiday copy.mkv'),
  ]
  await runProgram({ program: 'cp', args: copy, signal })
  await writeFile(join(folder, 'twin'), words(300, 3))
  await link(join(folder, 'twin'), join(folder, 'other twin'))
  const image = await open(join(folder, 'disk.img'), 'w')
  await image.truncate(256 * mebibyte)
  for (const at of [0, 100, 200]) {
    await image.write(noise(`island ${at}`, 2 * mebibyte), 0, 2 * mebibyte, at * mebibyte)
  }
  await image.close()
}

async function fillOddNames(folder: string): Promise<void> {
  await mkdir(folder)
  const names = [
    'two\nlines',
    ' spaces ',
    '-rf',
    '$(reboot)',
    `quote's "n" stuff`,
    'tab\tand \\',
    'ünïcödé 🌳',
    '*',
    'n'.repeat(255),
  ]
  for (const [n, name] of names.entries()) await writeFile(join(folder, name), words(20, n))
  const notUtf8 = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff, 0xfe, 0x80])])
  await writeFile(notUtf8, 'not UTF-8')
  const deep = Array.from({ length: 40 }, (_, n) => `a rather deep folder, number ${n}`)
  await mkdir(join(folder, ...deep), { recursive: true })
  await writeFile(join(folder, ...deep, 'bottom'), 'found')
}

async function fillAttributes(folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(folder)
  const modes = {
    private: 0o600,
    shared: 0o664,
    commented: 0o644,
    owned: 0o644,
    runs: 0o755,
    suid: 0o4755,
  }
  for (const [name, mode] of Object.entries(modes)) {
    await writeFile(join(folder, name), name)
    await chmod(join(folder, name), mode)
  }
  await chown(join(folder, 'owned'), 1000, 1000)
  await mkdir(join(folder, 'inherits'))
  const calls: readonly (readonly [string, ...string[]])[] = [
    ['setfattr', '-n', 'user.mood', '-v', 'curious', 'commented'],
    ['setfattr', '-n', 'user.binary', '-v', '0x00ff0a00', 'commented'],
    ['setfacl', '-m', 'u:1001:r,g:1002:rw', 'shared'],
    ['setfacl', '-d', '-m', 'u:1001:rx', 'inherits'],
    ['setcap', 'cap_net_raw=ep', 'runs'],
  ]
  for (const [program, ...args] of calls) await runProgram({ program, args, folder, signal })
}

async function fillSpecials(folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(folder)
  await runProgram({ program: 'mkfifo', args: ['pipe'], folder, signal })
  await runProgram({ program: 'mknod', args: ['null', 'c', '1', '3'], folder, signal })
  await symlink('../documents', join(folder, 'link'))
  await symlink('nowhere/at all', join(folder, 'dangling'))
  await symlink('x'.repeat(3000), join(folder, 'long'))
  await writeFile(join(folder, 'empty'), '')
  await mkdir(join(folder, 'sticky'))
  await chmod(join(folder, 'sticky'), 0o1777)
}

/** Times with fractions, and from before 1970. */
async function setTimes(root: string): Promise<void> {
  await utimes(join(root, 'copies/twin'), 1_000_000_000.123, 1_000_000_000.123)
  await utimes(join(root, 'special files/empty'), -86_400, -86_400)
}

/** By `find`, as some names are no text. */
export async function countTree(root: string, signal: AbortSignal): Promise<TreeFacts> {
  const args = ['.', '-printf', '%y %s\n']
  const answer = await runProgram({ program: 'find', args, folder: root, signal })
  const lines = answer.toString('latin1').split('\n')
  const files = lines.filter(line => line.startsWith('f '))
  return {
    fileCount: files.length,
    folderCount: lines.filter(line => line.startsWith('d ')).length,
    apparentBytes: files.reduce((sum, line) => sum + Number(line.slice(2)), 0),
  }
}

async function writeNoise(
  path: string,
  { name, bytes, signal }: { name: string; bytes: number; signal: AbortSignal },
): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let at = 0; at < bytes; at += 8 * mebibyte) {
      throwIfAborted(signal)
      await file.write(noise(`${name} ${at}`, Math.min(8 * mebibyte, bytes - at)))
    }
  } finally {
    await file.close()
  }
}

async function patch(
  path: string,
  { name, at, bytes }: { name: string; at: number; bytes: number },
): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(noise(name, bytes), 0, bytes, at)
  await file.close()
}

/** Bytes that do not compress, the same for each name. */
function noise(name: string, bytes: number): Buffer {
  const key = Buffer.alloc(16)
  key.write('btrvault demo')
  const counter = Buffer.alloc(16)
  for (const [n, code] of Buffer.from(name).entries()) {
    counter[n % 12] = ((counter[n % 12] ?? 0) * 31 + code) % 256
  }
  return createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(bytes))
}

/** Text that compresses as text does. */
function words(count: number, seed: number): string {
  const chosen: string[] = []
  let state = seed + 1
  for (let n = 0; n < count; n += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    chosen.push(vocabulary[(state >>> 16) % vocabulary.length] as string)
  }
  return chosen.join(' ')
}

const vocabulary =
  `the of and to in is that for it as was with be by not his but at are this have from
garden letter winter recipe school holiday invoice travel music house meeting family report summer
project birthday notes plan river street doctor teacher morning evening market window kitchen`.split(
    /\s+/,
  )

function folderName(n: number): string {
  return `${2001 + (n % 24)} ${vocabulary[n] ?? 'folder'} ${n}`
}

function textName(n: number): string {
  return `${vocabulary[(n * 7) % vocabulary.length]} ${n}.txt`
}

function photoName(n: number): string {
  return `IMG_${String(n).padStart(4, '0')}.jpg`
}
