// Which parent a send may use: by identity only, never by name or date.

import type { Backup, BackupKind } from '../model/backup.ts'
import type { Uuid } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'

export interface ParentCandidate {
  readonly backup: Backup
  /** The parent as it is on this machine. */
  readonly snapshot: Subvolume
}

/**
 * L3: committed backups whose snapshot is here, read-only and of the subvolume `sourceUuid`; newest
 * first. That it was not altered in between is proved by the stream itself: its first command must
 * name the ctransid that the parent's manifest has, which `btrfs receive` never checks.
 */
export function parentCandidates(
  backups: readonly Backup[],
  snapshots: readonly Subvolume[],
  sourceUuid: Uuid | null,
): ParentCandidate[] {
  // A difference from another subvolume's snapshot is a stream that means something else.
  const related = snapshots.filter(snapshot => snapshot.sourceUuid === sourceUuid)
  const byUuid = new Map(related.map(snapshot => [snapshot.uuid, snapshot]))
  return backups
    .flatMap(backup => {
      const snapshot = byUuid.get(backup.manifest.snapshot.uuid)
      return snapshot?.readOnly ? [{ backup, snapshot }] : []
    })
    .sort((a, b) => b.backup.manifest.seq - a.backup.manifest.seq)
}

export function kindOf(parent: Backup | undefined): BackupKind {
  if (parent === undefined) return 'full'
  return parent.manifest.parent === null ? 'differential' : 'incremental'
}
