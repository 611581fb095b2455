// Making and removing snapshots: each is judged by what exists afterwards, not by an exit status,
// and nothing is removed that is not known to be ours (L11).

import { lstat, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, systemCodeOf, throwIfAborted } from '../base/failure.ts'
import type { ProgramOutcome } from '../base/process.ts'
import type { Uuid } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { type Errno, errnoOf } from './complaint.ts'
import { activeSwapFiles } from './mounts.ts'
import { BtrfsComplaint, type BtrfsOptions, btrfsFailure, runBtrfs, succeeded } from './run.ts'
import { findSubvolume, showSubvolume } from './subvolume.ts'

/**
 * Makes a read-only snapshot of the subvolume `source` at the path `destination`, which must not
 * exist while its folder must. The signal is heeded before the snapshot is begun only: once begun,
 * the kernel can't be stopped, and a snapshot that nobody knows of would be left.
 */
export async function makeSnapshot(
  source: string,
  destination: string,
  options: BtrfsOptions = {},
): Promise<Subvolume> {
  const what = `make snapshot ${destination} of ${source}`
  const from = await showSubvolume(source, options)
  await checkDestination(what, destination)
  throwIfAborted(options.signal)
  const { outcome } = await runBtrfs(['subvolume', 'snapshot', '-r', source, destination])
  if (!succeeded(outcome)) throw await snapshotFailure(what, source, outcome)
  const made = await findSubvolume(destination)
  if (made?.readOnly === true && made.sourceUuid === from.uuid) return made
  if (made?.sourceUuid === from.uuid) await runBtrfs(['subvolume', 'delete', destination])
  throw new Failure('btrfs-failed', `cannot ${what}: btrfs did not make what it was asked for`, {
    hint: 'see whether another program works in the snapshot folder',
  })
}

/**
 * Deletes the snapshot at `path` if it is read-only and has the uuid `expected` (L11). False when
 * nothing is there.
 */
export async function deleteSnapshot(
  path: string,
  expected: Uuid,
  options: BtrfsOptions = {},
): Promise<boolean> {
  const found = await findSubvolume(path, options)
  if (found === undefined) return false
  // btrfs would follow the link and delete what somebody else keeps elsewhere.
  if ((await lstat(path)).isSymbolicLink()) {
    throw new Failure('refused', `cannot delete snapshot ${path}: it is a symbolic link`, {
      hint: 'something else was put there; it was left alone',
    })
  }
  if (found.uuid !== expected) {
    throw new Failure(
      'refused',
      `cannot delete snapshot ${path}: its uuid is ${found.uuid}, expected was ${expected}`,
      { hint: 'something else was put there; it was left alone' },
    )
  }
  if (!found.readOnly) {
    throw new Failure('refused', `cannot delete snapshot ${path}: it is not read-only`, {
      hint: 'somebody made it writable and may use it; delete it by hand if nobody does',
    })
  }
  const { outcome } = await runBtrfs(['subvolume', 'delete', path], options)
  if (succeeded(outcome)) return true
  const errno = errnoOf(outcome.stderr)
  throw btrfsFailure(`delete snapshot ${path}`, outcome, errno && deleteHints[errno])
}

async function checkDestination(what: string, destination: string): Promise<void> {
  const folder = dirname(destination)
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new Failure('btrfs-failed', `cannot ${what}: ${folder} is not a directory`)
    }
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
    throw new Failure('btrfs-failed', `cannot ${what}: the folder ${folder} does not exist`, {
      hint: `make it on the same btrfs filesystem as the source: mkdir -m 0700 ${folder}`,
    })
  }
  // btrfs would put the snapshot *into* a directory that exists, under the source's name.
  if (await exists(destination)) {
    throw new Failure('btrfs-failed', `cannot ${what}: ${destination} exists already`)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    throw error
  }
}

async function snapshotFailure(
  what: string,
  source: string,
  outcome: ProgramOutcome,
): Promise<Failure> {
  const errno = errnoOf(outcome.stderr)
  if (errno === 'ETXTBSY') return await swapFailure(what, source, outcome)
  if (errno === 'EXDEV' || /not a btrfs filesystem/i.test(outcome.stderr)) {
    return new Failure('btrfs-failed', `cannot ${what}: they are on different filesystems`, {
      hint: 'choose a snapshot folder on the same btrfs filesystem as the source',
      cause: new BtrfsComplaint(outcome),
    })
  }
  if (errno === 'ENOSPC') {
    return new Failure('no-space', `cannot ${what}: no space left for btrfs metadata`, {
      hint: 'delete old snapshots or files, or run "btrfs balance start -dusage=10" on it',
      cause: new BtrfsComplaint(outcome),
    })
  }
  return btrfsFailure(what, outcome, errno && snapshotHints[errno])
}

const snapshotHints: Partial<Record<Errno, string>> = {
  EDQUOT: 'raise or lift the quota of the subvolume',
  EROFS: 'the filesystem is mounted read-only, after an error perhaps: see "dmesg"',
  EPERM: 'run as root, or with the capability CAP_SYS_ADMIN',
  EACCES: 'run as root, or with the capability CAP_SYS_ADMIN',
}

const deleteHints: Partial<Record<Errno, string>> = {
  EROFS: 'the filesystem is mounted read-only',
  EPERM: 'it may be being sent just now, or this is not run as root',
  EACCES: 'run as root',
  EBUSY: 'it is mounted somewhere or is the default subvolume',
}

async function swapFailure(
  what: string,
  source: string,
  outcome: ProgramOutcome,
): Promise<Failure> {
  const files = await activeSwapFiles(source)
  const named = files.length === 0 ? 'a swap file' : `the swap file ${files.join(', ')}`
  return new Failure('btrfs-failed', `cannot ${what}: ${named} in it is in use`, {
    hint: `run "swapoff ${files[0] ?? 'FILE'}" and make the swap file anew in a subvolume of its own`,
    cause: new BtrfsComplaint(outcome),
  })
}
