// What there is before a backup is planned.

import type { Backup } from '../model/backup.ts'
import type { EpochId, SourceName, Uuid } from '../model/ids.ts'
import type { KeepRule, RuleSet } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'

export interface SourceSituation {
  readonly name: SourceName
  /** After a sync: its generation tells of every change. */
  readonly subvolume: Subvolume
  /** Subvolumes inside that nobody said to ignore. */
  readonly nested: readonly string[]
  /** Of this source, made by us, in our folder. */
  readonly snapshots: readonly Subvolume[]
  readonly remotes: readonly RemoteSituation[]
  /** What of our snapshots stays besides what later sends need; null: nothing. */
  readonly localKeep: KeepRule | null
  /** IANA name: the zone of calendar spans. */
  readonly timeZone: string
  /** Names in the snapshots' folder that are not ours, and not free either. */
  readonly otherNames: readonly string[]
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
}

/** What the next backup's number is expected to be. */
export function nextSeqOn({ backups, highestSeq = 0 }: RemoteSituation): number {
  return backups.reduce((most, { manifest }) => Math.max(most, manifest.seq), highestSeq) + 1
}
