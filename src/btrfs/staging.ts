// A private place on the target filesystem in which streams are received before anybody sees them.

import { mkdir, rmdir } from 'node:fs/promises'
import { Failure, systemCodeOf } from '../base/failure.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { errnoOf } from './complaint.ts'
import { btrfsFailure, runBtrfs, succeeded } from './run.ts'
import { listSubvolumesIn } from './subvolume.ts'

/** Makes the directory, 0700; its parent must be there. Failure 'refused' when the name is taken. */
export async function makeStaging(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (cause) {
    const code = systemCodeOf(cause)
    const hints: Record<string, string> = {
      ENOENT: 'make the target folder first, on btrfs',
      EROFS: 'the target is mounted read-only',
      EACCES: 'run as root',
      ENOSPC: 'free space on the target first',
    }
    throw new Failure(
      code === 'ENOSPC' ? 'no-space' : 'receive-failed',
      `cannot make staging directory ${path}: the system says ${code}`,
      { hint: hints[code ?? ''], cause },
    )
  }
}

/**
 * Deletes every subvolume in the staging directory, writable or not, and the directory. Only for a
 * directory that this run made itself: nobody else's subvolume can be in it (L11).
 */
export async function removeStaging(path: string): Promise<void> {
  for (const staged of await listSubvolumesIn(path)) await discardStaged(staged)
  await rmdir(path)
}

/** Deletes one subvolume of a staging directory. */
export async function discardStaged({ path }: Pick<Subvolume, 'path'>): Promise<void> {
  const { outcome } = await runBtrfs(['subvolume', 'delete', path])
  if (!succeeded(outcome)) throw btrfsFailure(`delete staged subvolume ${path}`, outcome)
}

/** A writable snapshot; `destination` must not exist. */
export async function makeWritableCopy(snapshot: string, destination: string): Promise<void> {
  const { outcome } = await runBtrfs(['subvolume', 'snapshot', snapshot, destination])
  if (succeeded(outcome)) return
  const hint = errnoOf(outcome.stderr) === 'ENOSPC' ? 'free space on the target first' : undefined
  throw btrfsFailure(`make writable snapshot ${destination} of ${snapshot}`, outcome, hint)
}
