// Where a source has several epochs on a remote: how each of them stands, by its own rule. One that
// stopped would else be hidden by another that goes on.

import { type Backup, storedBytes } from '../../model/backup.ts'
import { dueFrom } from '../../plan/due.ts'
import { type EpochSituation, epochSituations } from '../../plan/epochs.ts'
import { newestOf } from '../../plan/moments.ts'
import type { SeriesRules } from '../../plan/situation.ts'
import { changed, type Here, type NewestBackup, newestBackup } from './newest.ts'

export interface EpochStatus {
  /** Null: that of the rules without one. */
  readonly name: string | null
  /** By its own rule: stale when the source changed, and another one is due for longer than that. */
  readonly safety: 'safe' | 'stale' | 'none'
  /** That counts for it: of the epoch itself, or of one that it branches from. */
  readonly newest: NewestBackup | null
  /** Since when its rule wants another one, if the source changed; null: it does not yet. */
  readonly dueSince: Date | null
  /** Null when there is no backup, or the source could not be looked at. */
  readonly changedSince: boolean | null
  /** Of the epoch itself. */
  readonly backupCount: number
  /** Of the epoch itself. */
  readonly storedBytes: number
}

export interface Judging {
  readonly here: Here | null
  readonly now: Date
  readonly timeZone: string
  readonly maxAgeMs: number
}

/** Empty where there is one set of rules. */
export function epochStatuses(series: SeriesRules, judging: Judging): EpochStatus[] {
  if (series.ruleSets.length < 2) return []
  return epochSituations(series).map(epoch => epochStatus(epoch, series, judging))
}

function epochStatus(
  epoch: EpochSituation,
  series: SeriesRules,
  { here, now, timeZone, maxAgeMs }: Judging,
): EpochStatus {
  const { rules, backups, above } = epoch
  const own = backups.filter(backup => !above.includes(backup))
  const sizes = { backupCount: own.length, storedBytes: bytesOf(own) }
  const newest = newestOf(backups)
  if (newest === undefined) {
    const nothing = { newest: null, dueSince: null, changedSince: null }
    return { name: rules.epoch, safety: 'none', ...nothing, ...sizes }
  }
  const due = dueFrom(epoch, newest.manifest.snapshot.createdAt, timeZone)
  const changedSince = here && changed(here, newest)
  const isLate = now.getTime() - due.getTime() > maxAgeMs
  return {
    name: rules.epoch,
    safety: isLate && changedSince !== false ? 'stale' : 'safe',
    newest: newestBackup(newest, series, now),
    dueSince: due <= now ? due : null,
    changedSince,
    ...sizes,
  }
}

export function bytesOf(backups: readonly Backup[]): number {
  return backups.reduce((sum, { manifest }) => sum + storedBytes(manifest), 0)
}
