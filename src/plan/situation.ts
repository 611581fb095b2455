// What there is before a backup is planned.

import type { Backup } from '../model/backup.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import type { KeepRule, Policy } from '../model/policy.ts'
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

export interface RemoteSituation {
  readonly remote: string
  /** The series of this source there. */
  readonly backups: readonly Backup[]
  /** The snapshot of a run that was cut short and can go on. */
  readonly unfinished: Uuid | undefined
  readonly policy: Policy
}
