// The story of pruning: forgotten backups whose grace is over go, then what cut runs left behind.
// It decides on what it read from the store just now, and needs no identity.
//
//   list objects → manifests and tombstones, read anew → two checks → per backup, newest first:
//   manifest, signature, indexes, segments (L4) → old tombstones → orphans

import { isFailure, throwIfAborted } from '../base/failure.ts'
import { openEraser } from '../catalog/erase.ts'
import type { Config, RemoteConfig } from '../config/config.ts'
import { type PrunePlan, planPrune, timesToGo } from '../plan/prune.ts'
import { applyPrune, noDeeds, type PruneDeeds } from './prune/apply.ts'
import { type LockedDeeds, nothingLocked, withoutLocked } from './prune/locks.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import type { Context } from './shared/context.ts'
import { refuseNoDelete, refuseProblems, undoubtedNow } from './shared/deletion.ts'
import { Lookup, type OpenedRepository } from './shared/find-backup.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'
import { pruneTimes, type StoredSeries, storedSeries } from './shared/stored-runs.ts'

export interface PruneOptions {
  readonly config: Config
  /** Names; empty: all. */
  readonly remotes: readonly string[]
  readonly dryRun: boolean
  /** Asked once, before anything is deleted. */
  readonly agree: (deeds: PruneDeeds) => Promise<void>
}

export interface PruneReport {
  readonly dryRun: boolean
  /** IANA name, for showing times. */
  readonly timezone: string
  readonly remotes: readonly RemotePruning[]
  readonly exitStatus: number
}

export interface RemotePruning {
  readonly remote: string
  readonly series: readonly SeriesPruning[]
  /** Why nothing could be done there at all; null when it could. */
  readonly failure: FailureReport | null
}

/** What was, or would be, done. */
export interface SeriesPruning extends PruneDeeds {
  readonly series: string
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  /** Ids of hidden backups whose time has not come, or that one of them needs. */
  readonly waiting: readonly number[]
  /** When the first of them may go; null when none waits. */
  readonly nextAt: Date | null
  readonly failure: FailureReport | null
}

interface Tried {
  readonly failure: FailureReport | null
}

interface Decision {
  readonly stored: StoredSeries
  /** Of what is not locked. */
  readonly plan: PrunePlan
  readonly locked: LockedDeeds
}

interface RemoteDecision {
  readonly remote: string
  readonly opened: OpenedRepository
  readonly decisions: readonly (Decision | SeriesPruning)[]
}

export async function prune(context: Context, options: PruneOptions): Promise<PruneReport> {
  const { config, dryRun } = options
  // Nothing is believed for having been read before.
  await using lookup = await Lookup.open(context, { config, reread: true })
  const looks: (RemoteDecision | RemotePruning)[] = []
  for (const remote of chooseRemotes(config, options.remotes)) {
    throwIfAborted(context.signal)
    looks.push(await decideOn(context, { config, lookup, remote }))
  }
  const planned = sumOf(looks.flatMap(plansOf).map(({ plan }) => deedsOf(plan)))
  if (!dryRun && changesAnything(planned)) await options.agree(planned)
  const remotes: RemotePruning[] = []
  for (const look of looks) {
    remotes.push('opened' in look ? await carryOut(context, look, dryRun) : look)
  }
  const tried = remotes.flatMap((one): readonly Tried[] =>
    one.failure === null ? one.series : [one],
  )
  const failures = tried.flatMap(({ failure }) => failure ?? [])
  const exitStatus = combinedStatus(failures, tried.length - failures.length)
  return { dryRun, timezone: config.timezone, remotes, exitStatus }
}

interface Look {
  readonly config: Config
  readonly lookup: Lookup
  readonly remote: RemoteConfig
}

async function decideOn(
  context: Context,
  { config, lookup, remote }: Look,
): Promise<RemoteDecision | RemotePruning> {
  try {
    refuseNoDelete(remote, 'prune')
    const opened = await lookup.open(remote.name)
    const now = await undoubtedNow(context, opened.repository)
    const all = await storedSeries(lookup, opened, { config, signal: context.signal })
    const times = await pruneTimes(config, remote, now)
    const { signal } = context
    const expectsLocks = remote.lock !== undefined
    const eraser = await openEraser(opened.repository.store, { signal, expectsLocks })
    const decisions: (Decision | SeriesPruning)[] = []
    for (const stored of all.filter(isOurs)) {
      try {
        const what = `series ${stored.series} on ${remote.name}`
        refuseProblems('prune', what, stored.problems)
        const whole = planPrune({ ...stored, ...times })
        decisions.push({ stored, ...(await withoutLocked(whole, stored, { eraser, now })) })
      } catch (error) {
        if (isFailure(error, 'interrupted')) throw error
        decisions.push(nothingDone(stored, reportFailure(error)))
      }
    }
    return { remote: remote.name, opened, decisions }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return { remote: remote.name, series: [], failure: reportFailure(error) }
  }
}

/** Not one of which nothing is believed here: another key's, which others prune. */
function isOurs({ live, hidden, tombstones, problems }: StoredSeries): boolean {
  const isTrusted = live.length + hidden.length + tombstones.length > 0
  return isTrusted || problems.length === 0
}

async function carryOut(
  context: Context,
  { remote, opened, decisions }: RemoteDecision,
  dryRun: boolean,
): Promise<RemotePruning> {
  const series: SeriesPruning[] = []
  for (const decision of decisions) {
    if (!('plan' in decision)) {
      series.push(decision)
      continue
    }
    const { stored, plan, locked } = decision
    const { deeds, failure } = dryRun
      ? { deeds: deedsOf(plan), failure: undefined }
      : await applyPrune(context, { repository: opened.repository, stored, plan })
    if (isFailure(failure, 'interrupted')) throw failure
    const report = failure === undefined ? null : reportFailure(failure)
    series.push({ ...nothingDone(stored, report), ...deeds, ...locked, ...waitingOf(plan) })
  }
  return { remote, series, failure: null }
}

function nothingDone({ series, source }: StoredSeries, failure: FailureReport | null) {
  return { series, source, ...noDeeds, waiting: [], nextAt: null, failure }
}

function waitingOf({ waiting }: PrunePlan) {
  const times = [...timesToGo(waiting).values()].map(time => time.getTime())
  return {
    waiting: waiting.map(({ backup }) => backup.manifest.seq),
    nextAt: times.length === 0 ? null : new Date(Math.min(...times)),
  }
}

function plansOf(look: RemoteDecision | RemotePruning): Decision[] {
  return 'opened' in look ? look.decisions.filter(one => 'plan' in one) : []
}

function deedsOf({ removals, revived, retired, orphans }: PrunePlan): PruneDeeds {
  const objects = removals.flatMap(removal => removal.objects)
  const bytesOf = (all: readonly { readonly bytes: number }[]) =>
    all.reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    deleted: removals.flatMap(one => (one.hasManifest ? [one.tombstone.seq] : [])),
    revived: revived.map(({ seq }) => seq),
    objectCount: objects.length,
    bytes: bytesOf(objects),
    orphanCount: orphans.length,
    orphanBytes: bytesOf(orphans),
    retiredCount: retired.length,
    ...nothingLocked,
  }
}

function changesAnything({ deleted, objectCount, orphanCount }: PruneDeeds): boolean {
  return deleted.length + objectCount + orphanCount > 0
}

function sumOf(all: readonly PruneDeeds[]): PruneDeeds {
  return all.reduce(
    (sum, one) => ({
      deleted: [...sum.deleted, ...one.deleted],
      revived: [...sum.revived, ...one.revived],
      objectCount: sum.objectCount + one.objectCount,
      bytes: sum.bytes + one.bytes,
      orphanCount: sum.orphanCount + one.orphanCount,
      orphanBytes: sum.orphanBytes + one.orphanBytes,
      retiredCount: sum.retiredCount + one.retiredCount,
      ...nothingLocked,
    }),
    noDeeds,
  )
}
