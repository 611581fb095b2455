// Tombstones for what is forgotten, put by whichever command decided it.

import { throwIfAborted } from '../../base/failure.ts'
import type { Repository } from '../../catalog/repository.ts'
import type { SigningKey } from '../../catalog/signing.ts'
import { putTombstone, signTombstone } from '../../catalog/tombstones.ts'
import type { Backup } from '../../model/backup.ts'
import { tombstoneFor } from '../../plan/deletions.ts'
import type { Context } from './context.ts'

export interface Burial {
  readonly repository: Repository
  /** Children before parents: cut anywhere, no live backup needs a hidden one. */
  readonly backups: readonly Backup[]
  readonly createdAt: Date
  readonly notBefore: Date
}

/** How many of them were hidden, and what stopped it there. */
export async function bury(
  { program, signal }: Context,
  { repository, backups, createdAt, notBefore }: Burial,
  key: SigningKey,
): Promise<{ readonly doneCount: number; readonly failure: unknown }> {
  let doneCount = 0
  try {
    for (const backup of backups) {
      throwIfAborted(signal)
      const tombstone = tombstoneFor(backup, { createdAt, notBefore, program })
      await putTombstone(repository, signTombstone(tombstone, key), signal)
      doneCount += 1
    }
    return { doneCount, failure: undefined }
  } catch (failure) {
    return { doneCount, failure }
  }
}
