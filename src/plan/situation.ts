// What there is before a backup is planned.

import type { Backup } from '../model/backup.ts'
import type { EpochId, SourceName, Uuid } from '../model/ids.ts'
import type { SkippedSnapshot } from '../model/plan.ts'
import type { KeepRule, RuleSet } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'

export interface SourceSituation {
  readonly name: SourceName
  /** After a sync: its generation tells of every change. */
  readonly subvolume: Subvolume
  /** Subvolumes inside that nobody said to ignore. */
  readonly nested: readonly string[]
  /** Of this source: made by us, in our folder; or by others, and fit to be sent. */
  readonly snapshots: readonly Subvolume[]
  /** When the snapshots are made by others; null: by us. */
  readonly adopted: AdoptedSituation | null
  readonly remotes: readonly RemoteSituation[]
  /** What of our snapshots stays besides what later sends need; null: nothing. */
  readonly localKeep: KeepRule | null
  /** IANA name: the zone of calendar spans. */
  readonly timeZone: string
  /** Names in the snapshots' folder that are not ours, and not free either. */
  readonly otherNames: readonly string[]
}

/** L11: none of these snapshots is ours to make or to delete. */
export interface AdoptedSituation {
  /** What each is called in its backup. */
  readonly names: ReadonlyMap<Uuid, string>
  readonly skipped: readonly SkippedSnapshot[]
}

/** The backups of a series, and what is to become of them. */
export interface SeriesRules {
  readonly backups: readonly Backup[]
  /** At least one. */
  readonly ruleSets: readonly RuleSet[]
  /** Of the epochs that anybody could name. */
  readonly epochNames: ReadonlyMap<EpochId, string>
}

/** The series of this source there. */
export interface RemoteSituation extends SeriesRules {
  readonly remote: string
  /** The highest that is taken, also by what is forgotten; absent: by the newest of `backups`. */
  readonly highestSeq?: number
  /** The snapshot of a run that was cut short and can go on. */
  readonly unfinished: Uuid | undefined
  /** The epoch of that run; undefined: of none that has a name. */
  readonly unfinishedEpoch?: EpochId | undefined
  /** Snapshots of backups that were forgotten and are hidden; for sources whose snapshots others make. */
  readonly forgotten?: ReadonlySet<Uuid>
}

/** What the next backup's number is expected to be. */
export function nextSeqOn({ backups, highestSeq = 0 }: RemoteSituation): number {
  return backups.reduce((most, { manifest }) => Math.max(most, manifest.seq), highestSeq) + 1
}
