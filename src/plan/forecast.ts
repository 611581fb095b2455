// How the backups of a source come and go over the next days: the real planner, run after run on a
// clock of its own, as if the source changed all the time and every run went well.

import { type Backup, type BackupKind } from '../model/backup.ts'
import type { Plan } from '../model/plan.ts'
import type { SpanUnit } from '../model/policy.ts'
import type { Tombstone } from '../model/tombstone.ts'
import { type DeletionPlace, forgetNow, pruneOutlook, tombstoneFor } from './deletions.ts'
import { situationAfter } from './outcome.ts'
import { kindOf } from './parents.ts'
import { planBackup, releasableSnapshots } from './plan-backup.ts'
import type { ForgottenBackup } from './prune.ts'
import type { RemoteSituation, SourceSituation } from './situation.ts'
import { Spans } from './spans.ts'

export interface Forecast {
  readonly until: Date
  /** False: it ends earlier than asked for, as more runs would take too long. */
  readonly isWhole: boolean
  readonly runCount: number
  /** Snapshots on this machine, at most. */
  readonly mostSnapshots: number
  readonly remotes: readonly RemoteForecast[]
}

export interface RemoteForecast {
  readonly remote: string
  /** Those on which anything happens, in order. */
  readonly days: readonly ForecastDay[]
  readonly end: ForecastEnd
}

export interface ForecastDay {
  /** `2026-11-21`, in the configured zone. */
  readonly date: string
  readonly full: number
  readonly differential: number
  readonly incremental: number
  readonly forgotten: number
  readonly pruned: number
}

/** What is there at the end. */
export interface ForecastEnd {
  readonly backups: readonly ForecastBackup[]
  readonly hiddenCount: number
  /** Backups in the longest chain; 0 without backups. */
  readonly longestChain: number
}

export interface ForecastBackup {
  readonly seq: number
  readonly snapshotTime: Date
  readonly makes: BackupKind
  /** Null: full. */
  readonly parent: number | null
}

export interface ForecastOptions {
  readonly from: Date
  readonly days: number
  readonly places: readonly DeletionPlace[]
  /** Also forget and prune. */
  readonly forget: boolean
}

/** So many runs are simulated at most: half a year of an hourly rule. */
export const mostRuns = 5000

export function forecast(situation: SourceSituation, options: ForecastOptions): Forecast {
  const { from, days } = options
  const end = endOf(from, days, situation.timeZone)
  const future = new Future(situation, options)
  let timeMs = from.getTime()
  let runCount = 0
  while (timeMs <= end && runCount < mostRuns) {
    future.run(new Date(timeMs))
    runCount += 1
    timeMs = nextDue(situation, timeMs)
  }
  return {
    until: new Date(Math.min(end, timeMs)),
    isWhole: timeMs > end,
    runCount,
    mostSnapshots: future.mostSnapshots,
    remotes: future.remotes(),
  }
}

function endOf(from: Date, days: number, timeZone: string): number {
  const zoned = Temporal.Instant.fromEpochMilliseconds(from.getTime()).toZonedDateTimeISO(timeZone)
  return zoned.add({ days }).epochMilliseconds
}

/** When the first span of any rule begins after `timeMs`; those shorter than an hour count as one. */
function nextDue({ remotes, timeZone }: SourceSituation, timeMs: number): number {
  const units = new Set<SpanUnit>()
  for (const { policy } of remotes.flatMap(({ ruleSets }) => ruleSets)) {
    for (const { unit } of policy.keep.spans) units.add(unit === 'M' || unit === 's' ? 'h' : unit)
    // Without spans one is due whenever a run is: as if the timer were daily.
    if (policy.keep.spans.length === 0) units.add('d')
  }
  return Math.min(
    ...[...units].map(unit => new Spans(unit, timeZone).at(timeMs).endMs),
    timeMs + 366 * 86_400_000,
  )
}

type DayCounts = { -readonly [name in keyof Omit<ForecastDay, 'date'>]: number }

class Future {
  mostSnapshots = 0
  #situation: SourceSituation
  readonly #options: ForecastOptions
  readonly #hidden: Map<string, readonly ForgottenBackup[]>
  readonly #days = new Map<string, Map<string, DayCounts>>()

  constructor(situation: SourceSituation, options: ForecastOptions) {
    this.#situation = situation
    this.#options = options
    this.#hidden = new Map(options.places.map(({ remote, hidden }) => [remote, hidden]))
  }

  run(now: Date): void {
    const changed = withChange(this.#situation)
    const plan = planBackup(changed, now)
    this.#situation = situationAfter(changed, { steps: plan.steps, now })
    this.#countSends(plan, now)
    if (this.#options.forget) for (const place of this.#options.places) this.#delete(place, now)
    const released = new Set(releasableSnapshots(this.#situation, now))
    const snapshots = this.#situation.snapshots.filter(one => !released.has(one))
    this.#situation = { ...this.#situation, snapshots }
    this.mostSnapshots = Math.max(this.mostSnapshots, snapshots.length)
  }

  remotes(): RemoteForecast[] {
    return this.#situation.remotes.map(({ remote, backups }) => ({
      remote,
      days: [...(this.#days.get(remote) ?? [])].map(([date, counts]) => ({ date, ...counts })),
      end: {
        backups: backups.map(one => endBackup(one, backups)),
        hiddenCount: this.#hidden.get(remote)?.length ?? 0,
        longestChain: longestChain(backups),
      },
    }))
  }

  #countSends({ steps }: Plan, now: Date): void {
    for (const step of steps) {
      if (step.kind === 'send') this.#countsOn(step.remote, now)[step.makes] += 1
    }
  }

  #delete(place: DeletionPlace, now: Date): void {
    const series = this.#situation.remotes.find(({ remote }) => remote === place.remote)
    if (series === undefined) return
    const at = { now, timeZone: this.#situation.timeZone }
    const { forgotten } = forgetNow(series, place.maxDelete, at)
    const live = without(series, forgotten)
    const notBefore = new Date(now.getTime() + place.graceMs)
    const buried = forgotten.map(backup => ({
      backup,
      tombstone: tombstoneFor(backup, { createdAt: now, notBefore, program: '' }),
    }))
    const hidden = [...(this.#hidden.get(place.remote) ?? []), ...buried]
    const pruned = prunedOf(live.backups, hidden, now)
    this.#hidden.set(
      place.remote,
      pruned.size === 0 ? hidden : hidden.filter(({ tombstone }) => !pruned.has(tombstone)),
    )
    this.#situation = {
      ...this.#situation,
      remotes: this.#situation.remotes.map(one => (one === series ? live : one)),
    }
    if (forgotten.length + pruned.size === 0) return
    const counts = this.#countsOn(place.remote, now)
    counts.forgotten += forgotten.length
    counts.pruned += pruned.size
  }

  #countsOn(remote: string, now: Date): DayCounts {
    const days = this.#days.get(remote) ?? new Map<string, DayCounts>()
    this.#days.set(remote, days)
    const date = dateOf(now, this.#situation.timeZone)
    const counts = days.get(date) ?? nothing()
    days.set(date, counts)
    return counts
  }
}

function nothing(): DayCounts {
  return { full: 0, differential: 0, incremental: 0, forgotten: 0, pruned: 0 }
}

function withChange(situation: SourceSituation): SourceSituation {
  const { subvolume, snapshots } = situation
  const newest = snapshots.reduce((most, one) => Math.max(most, one.creationGeneration), 0)
  const generation = Math.max(subvolume.generation, newest) + 1
  return { ...situation, subvolume: { ...subvolume, generation } }
}

function without(series: RemoteSituation, forgotten: readonly Backup[]): RemoteSituation {
  if (forgotten.length === 0) return series
  const gone = new Set(forgotten)
  return { ...series, backups: series.backups.filter(backup => !gone.has(backup)) }
}

function prunedOf(
  live: readonly Backup[],
  hidden: readonly ForgottenBackup[],
  now: Date,
): ReadonlySet<Tombstone> {
  const nowMs = now.getTime()
  const isDue = ({ tombstone }: ForgottenBackup) => tombstone.notBefore.getTime() <= nowMs
  const due = hidden.filter(isDue)
  if (due.length === 0) return new Set()
  // Quick where nothing that stays is a difference from what goes; else as prune would decide.
  const staying = [...live, ...hidden.filter(one => !isDue(one)).map(({ backup }) => backup)]
  const parents = new Set(staying.map(({ manifest }) => manifest.parent?.manifest))
  if (!due.some(({ backup }) => parents.has(backup.manifestSha256))) {
    return new Set(due.map(({ tombstone }) => tombstone))
  }
  const tombstones = hidden.map(({ tombstone }) => tombstone)
  const { removals } = pruneOutlook(live, { hidden, tombstones }, now)
  return new Set(removals.map(({ tombstone }) => tombstone))
}

function dateOf(time: Date, timeZone: string): string {
  const instant = Temporal.Instant.fromEpochMilliseconds(time.getTime())
  return instant.toZonedDateTimeISO(timeZone).toPlainDate().toString()
}

function endBackup({ manifest }: Backup, backups: readonly Backup[]): ForecastBackup {
  const { seq, snapshot, parent } = manifest
  const from = backups.find(one => one.manifest.seq === parent?.seq)
  return {
    seq,
    snapshotTime: snapshot.createdAt,
    makes: kindOf(from),
    parent: parent?.seq ?? null,
  }
}

function longestChain(backups: readonly Backup[]): number {
  const depths = new Map<number, number>()
  for (const { manifest } of backups) {
    depths.set(manifest.seq, (depths.get(manifest.parent?.seq ?? 0) ?? 0) + 1)
  }
  return Math.max(0, ...depths.values())
}
