// What a subvolume is: `btrfs subvolume show`, after looking ourselves whether there is one, so
// that each way of not being one has its own message.

import type { Stats } from 'node:fs'
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure, systemCodeOf } from '../base/failure.ts'
import { asUuid, type Uuid } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { type BtrfsOptions, btrfsFailure, runBtrfs, succeeded } from './run.ts'

const btrfsMagic = 0x9123683e
/** Every subvolume's root directory has this inode number, and no other directory has. */
const rootInode = 256
/** The empty directory that a snapshot shows where its source had a nested subvolume. */
const standInInode = 2
export const showsAtOnce = 4

/** The subvolume whose root directory `path` is. */
export async function showSubvolume(path: string, options: BtrfsOptions = {}): Promise<Subvolume> {
  const found = await findSubvolume(path, options)
  if (found !== undefined) return found
  throw new Failure('btrfs-failed', `cannot read subvolume ${path}: it does not exist`, {
    hint: 'check the path, and that its filesystem is mounted',
  })
}

/** Undefined only when nothing exists at `path`; any other obstacle is a Failure (L9). */
export async function findSubvolume(
  path: string,
  options: BtrfsOptions = {},
): Promise<Subvolume | undefined> {
  const facts = await statIfPresent(path)
  if (facts === undefined) return undefined
  await checkRootOfSubvolume(path, facts)
  const { outcome, stdout } = await runBtrfs(['subvolume', 'show', path], options)
  if (succeeded(outcome)) return parseShow(path, stdout)
  if ((await statIfPresent(path)) === undefined) return undefined
  throw btrfsFailure(
    `read subvolume ${path}`,
    outcome,
    /not permitted|denied/.test(outcome.stderr)
      ? 'run as root, or with the capability CAP_SYS_ADMIN'
      : undefined,
  )
}

/**
 * The subvolumes directly in a folder, by name. Names that are not UTF-8 are left out: they can't
 * be passed on as arguments, and we make none.
 */
export async function listSubvolumesIn(
  folder: string,
  options: BtrfsOptions = {},
): Promise<readonly Subvolume[]> {
  const found: Subvolume[] = []
  const names = (await folderNames(folder)).filter(name => !name.includes('\uFFFD')).sort()
  const shown = mapInOrder(names, showsAtOnce, name => subvolumeIfAny(join(folder, name), options))
  for await (const subvolume of shown) if (subvolume) found.push(subvolume)
  return found
}

/** Null when something else is there; undefined when nothing is, any more. */
export async function subvolumeIfAny(
  path: string,
  options: BtrfsOptions = {},
): Promise<Subvolume | null | undefined> {
  const facts = await statIfPresent(path)
  if (facts === undefined) return undefined
  if (facts.ino !== rootInode || !(await isOnBtrfs(path))) return null
  return await findSubvolume(path, options)
}

/** Of the folders in a folder, not of links to folders; U+FFFD where a name is not UTF-8. */
export async function folderNames(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    throw new Failure('btrfs-failed', `cannot list ${folder}: ${reasonOf(error)}`, { cause: error })
  }
}

async function statIfPresent(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw new Failure('btrfs-failed', `cannot read subvolume ${path}: ${reasonOf(error)}`, {
      hint: systemCodeOf(error) === 'EACCES' ? 'run as root' : undefined,
      cause: error,
    })
  }
}

async function checkRootOfSubvolume(path: string, facts: Stats): Promise<void> {
  const refuse = (why: string, hint: string) => {
    throw new Failure('btrfs-failed', `cannot read subvolume ${path}: ${why}`, { hint })
  }
  if (!facts.isDirectory()) refuse('it is not a directory', 'name the root of a subvolume')
  if (!(await isOnBtrfs(path))) {
    refuse('it is not on a btrfs filesystem', 'check that the btrfs filesystem is mounted there')
  }
  if (facts.ino === standInInode) {
    refuse(
      'it is the empty stand-in for a nested subvolume in a snapshot',
      'name the nested subvolume itself',
    )
  }
  if (facts.ino !== rootInode) {
    refuse(
      'it is a directory inside a subvolume, not a subvolume',
      'name the subvolume that holds it, or make it one with "btrfs subvolume create"',
    )
  }
}

async function isOnBtrfs(path: string): Promise<boolean> {
  return (await statfs(path)).type === btrfsMagic
}

function reasonOf(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'it does not exist',
    EACCES: 'permission denied',
    ENOTDIR: 'a part of the path is not a directory',
    ELOOP: 'too many symbolic links',
    ENAMETOOLONG: 'the path is too long',
    EIO: 'the disk reports an input/output error',
  }
  const code = systemCodeOf(error)
  if (code === undefined) throw error
  return reasons[code] ?? code
}

/**
 * Reads the answer of `btrfs subvolume show` (btrfs-progs 4.16 and later). Names come before and
 * after the fields and may hold line feeds, so a name could pretend to be a field: an answer with
 * a field twice is refused.
 */
export function parseShow(path: string, answer: Uint8Array): Subvolume {
  const text = Buffer.from(answer).toString('utf8')
  const start = text.indexOf('\n\tUUID:')
  const head = /\n\tName:[ \t]*([\s\S]*)$/.exec(text.slice(0, Math.max(0, start)))
  if (head === null || start !== text.lastIndexOf('\n\tUUID:')) throw unreadable(path, 'Name')
  const fields = new Map<string, string>()
  for (const line of text.slice(start + 1).split('\n')) {
    const field = /^\t([A-Z][A-Za-z() ]*):[ \t]*(.*)$/.exec(line)
    if (field !== null && !fields.has(field[1] as string)) {
      fields.set(field[1] as string, field[2] as string)
    }
    if (line.startsWith('\tSnapshot(s):')) break
  }
  return {
    path,
    name: head[1] as string,
    uuid: ownUuid(path, fields),
    sourceUuid: uuidField(path, fields, 'Parent UUID'),
    receivedUuid: uuidField(path, fields, 'Received UUID'),
    id: numberField(path, fields, 'Subvolume ID'),
    generation: numberField(path, fields, 'Generation'),
    creationGeneration: numberField(path, fields, 'Gen at creation'),
    sendTransid: numberField(path, fields, 'Send transid'),
    receiveTransid: numberField(path, fields, 'Receive transid'),
    readOnly: textField(path, fields, 'Flags').split(/[ ,]+/).includes('readonly'),
    createdAt: timeField(path, fields, 'Creation time'),
  }
}

function ownUuid(path: string, fields: ReadonlyMap<string, string>): Uuid {
  const uuid = uuidField(path, fields, 'UUID')
  if (uuid !== null) return uuid
  throw new Failure('btrfs-failed', `cannot use subvolume ${path}: it has no uuid`, {
    hint: 'filesystems made before Linux 4.16 have a top level without one: use a subvolume below it',
  })
}

function uuidField(path: string, fields: ReadonlyMap<string, string>, label: string): Uuid | null {
  const text = textField(path, fields, label)
  if (text === '-') return null
  const uuid = asUuid(text)
  if (uuid === undefined) throw unreadable(path, label)
  return uuid
}

function numberField(path: string, fields: ReadonlyMap<string, string>, label: string): number {
  const value = Number(textField(path, fields, label))
  if (!Number.isSafeInteger(value) || value < 0) throw unreadable(path, label)
  return value
}

function timeField(path: string, fields: ReadonlyMap<string, string>, label: string): Date {
  const text = textField(path, fields, label)
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)$/.exec(text)
  if (match === null) throw unreadable(path, label)
  return new Date(`${match[1]}T${match[2]}${match[3]}:${match[4]}`)
}

function textField(path: string, fields: ReadonlyMap<string, string>, label: string): string {
  const text = fields.get(label)
  if (text === undefined) throw unreadable(path, label)
  return text.trim()
}

function unreadable(path: string, label: string): Failure {
  return new Failure(
    'btrfs-failed',
    `cannot read subvolume ${path}: the answer of btrfs has no clear "${label}"`,
    { hint: 'btrvault knows btrfs-progs 5.4 and later; a subvolume name may hold "UUID:" lines' },
  )
}
