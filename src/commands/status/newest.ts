// The newest backup of several, and whether the source is still what it holds.

import { chainOf } from '../../catalog/catalog.ts'
import type { Backup } from '../../model/backup.ts'
import type { Subvolume } from '../../model/subvolume.ts'
import { hasChanged } from '../../plan/plan-backup.ts'
import type { SeriesRules } from '../../plan/situation.ts'
import { type EpochLabel, epochLabel } from '../shared/epoch-names.ts'

/** The source and its snapshots, as they are on this machine. */
export interface Here {
  readonly subvolume: Subvolume
  /** Oldest first. */
  readonly snapshots: readonly Subvolume[]
}

export interface NewestBackup {
  readonly id: number
  /** When its snapshot was taken: everything until then is in it. */
  readonly snapshotTime: Date
  /** Null where it is of none that has a name. */
  readonly epoch: EpochLabel | null
  readonly ageMs: number
  /** Backups that must be read to restore it, itself included. */
  readonly chainLength: number
}

export function newestBackup(
  newest: Backup,
  { backups, epochNames }: Pick<SeriesRules, 'backups' | 'epochNames'>,
  now: Date,
): NewestBackup {
  const { seq, snapshot } = newest.manifest
  return {
    id: seq,
    snapshotTime: snapshot.createdAt,
    epoch: epochLabel(newest.manifest, epochNames),
    ageMs: Math.max(0, now.getTime() - snapshot.createdAt.getTime()),
    chainLength: chainOf(newest, backups).length,
  }
}

/** Whether the source is no longer what the backup holds. */
export function changed({ subvolume, snapshots }: Here, { manifest }: Backup): boolean {
  const { uuid, sourceUuid, generation } = manifest.snapshot
  if (sourceUuid !== subvolume.uuid) return true
  const snapshot = snapshots.find(one => one.uuid === uuid)
  return snapshot ? hasChanged(subvolume, snapshot) : subvolume.generation > generation
}
