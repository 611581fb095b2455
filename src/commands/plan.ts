// The story of a plan: what `backup` would do now, and why, without doing any of it. No lock is
// taken: a backup that runs meanwhile is seen as it stands.

import { isFailure, throwIfAborted } from '../base/failure.ts'
import type { Config, SourceConfig } from '../config/config.ts'
import type { BackupKind } from '../model/backup.ts'
import type { SourceName } from '../model/ids.ts'
import type { Retention } from '../model/lock.ts'
import type { Plan, Step } from '../model/plan.ts'
import { type Forecast, forecast } from '../plan/forecast.ts'
import { type KeptBackup, keepByRules } from '../plan/keep.ts'
import type { Marks } from '../plan/marks.ts'
import { situationAfter } from '../plan/outcome.ts'
import { kindOf } from '../plan/parents.ts'
import { expectedSnapshots } from '../plan/releases.ts'
import type { SeriesRules } from '../plan/situation.ts'
import { marksOfFailure, marksOfPlan, planHash } from './backup/plan-hash.ts'
import { deletableViews, placeOf, planSource as planWhole } from './backup/planned.ts'
import { plannedLock } from './backup/planned-lock.ts'
import type { RemoteView } from './backup/remote-view.ts'
import type { LookSession } from './backup/send.ts'
import { lookAt, type Situation } from './backup/situation.ts'
import { checkedRecipients, chooseSources } from './backup.ts'
import { Estimates, type SendEstimate } from './plan/estimate.ts'
import { type Context, nowOf } from './shared/context.ts'
import { type EpochLabel, epochLabel } from './shared/epoch-names.ts'
import { readSigningPair } from './shared/keys.ts'
import { lookPatienceMs, Remotes } from './shared/remotes.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'
import {
  keepReasonInWords,
  reasonInWords,
  refusal,
  skippedInWords,
  snapshotReasonInWords,
} from './shared/words.ts'

export interface PlanOptions {
  readonly config: Config
  /** Names of sources; empty: all. */
  readonly sources: readonly string[]
  /** Plan as if it were this time, and the source had changed by then. */
  readonly at?: Date | undefined
  /** Also what is not due yet. */
  readonly regardless?: boolean | undefined
  /** False: nothing is forgotten or pruned. */
  readonly forget?: boolean | undefined
  /** Also show how backups come and go over so many days. */
  readonly days?: number | undefined
}

export interface PlanReport {
  /** IANA name, for showing times. */
  readonly timezone: string
  /** For backup --plan; null with a time of its own, as nothing can be held to that. */
  readonly hash: string | null
  readonly sources: readonly SourcePlan[]
  readonly exitStatus: number
}

export interface SourcePlan {
  readonly source: SourceName
  readonly path: string
  readonly steps: readonly PlannedStep[]
  /** What each remote's keep rule says of the backups that it has. */
  readonly remotes: readonly RemoteRules[]
  /** Snapshots that others made and that are not sent, by reason, as a person would say it. */
  readonly skipped: readonly string[]
  /** Which snapshots of ours stay on this machine after the run, and why. */
  readonly snapshots: readonly RuledSnapshot[]
  /** With --days; null without, where something stops every backup, and where others make the snapshots. */
  readonly forecast: SourceForecast | null
  readonly problems: Plan['problems']
  /** Refusals, and remotes that can't be looked at now. */
  readonly failures: readonly (FailureReport & { readonly remote?: string })[]
}

/** The real planner's runs, if the source changes all the time and each goes well. */
export type SourceForecast = Forecast

export interface RemoteRules {
  readonly remote: string
  readonly backups: readonly RuledBackup[]
  /** Forgotten already; whole, until they are pruned. */
  readonly hidden: readonly HiddenReport[]
  /** Why nothing would be forgotten or pruned there, whatever the rule says; null when nothing is in doubt. */
  readonly doubt: FailureReport | null
}

export interface HiddenReport {
  readonly seq: number
  readonly snapshotTime: Date
  readonly hiddenAt: Date
  /** From then on it is pruned. */
  readonly notBefore: Date
}

export interface RuledBackup {
  readonly seq: number
  readonly createdAt: Date
  readonly makes: BackupKind
  /** Null where it is of none that has a name. */
  readonly epoch: EpochLabel | null
  /** Every reason to keep it, as a person would say it; none: it is to be forgotten. */
  readonly reasons: readonly string[]
}

export interface RuledSnapshot {
  readonly path: string
  readonly createdAt: Date
  /** Every reason to keep it, as a person would say it; none: the run deletes it when all went well. */
  readonly reasons: readonly string[]
}

export type PlannedStep = Step & {
  /** The reason as a person would say it. */
  readonly because: string
  /** For a send. Null when it could not be found out. */
  readonly estimate?: SendEstimate | null
  /** For a send: its object lock, and that of all that it is built on; absent: none. */
  readonly lock?: Retention
}

export async function plan(context: Context, options: PlanOptions): Promise<PlanReport> {
  const { config } = options
  const chosen = chooseSources(config, options.sources)
  await using remotes = new Remotes(context, config, {
    remember: false,
    patienceMs: lookPatienceMs,
    ledgers: true,
  })
  // What stops every backup stops every plan.
  const { signingKey, signers } = await readSigningPair(config.keys)
  checkedRecipients(config)
  const session = { context, config, remotes, signingKey, signers }
  const sources: SourcePlan[] = []
  const marks: Marks[] = []
  for (const source of chosen) {
    throwIfAborted(context.signal)
    const { plan: planned, marks: found } = await planSource(session, source, options)
    sources.push(planned)
    marks.push(found)
  }
  const failures = sources.flatMap(source => source.failures)
  const successes = sources.filter(
    source => source.failures.length === 0 || source.steps.length > 0,
  )
  const exitStatus = combinedStatus(failures, successes.length)
  const hash = options.at === undefined ? planHash(marks) : null
  return { timezone: config.timezone, hash, sources, exitStatus }
}

async function planSource(
  session: LookSession,
  source: SourceConfig,
  { at, days, regardless = false, forget = true }: PlanOptions,
): Promise<{ readonly plan: SourcePlan; readonly marks: Marks }> {
  const named = { source: source.name, path: source.path }
  try {
    const seen = await lookAt(session, source)
    const situation = at === undefined ? seen : changedSince(seen)
    const now = at ?? nowOf(session.context)
    const { steps, problems, doubts } = planWhole(situation, now, { regardless, forget })
    const failures = [
      ...situation.unusable.map(({ remote, failure }) => ({ ...failure, remote })),
      ...problems.map(problem => reportFailure(refusal(problem, source))),
    ]
    const planned: PlannedStep[] = []
    const estimates = new Estimates(session)
    for (const step of steps) {
      planned.push(await explain(session, { source, situation, step, estimates, now }))
    }
    const after = situationAfter(situation, { steps, now })
    const remotes = after.remotes.map(({ remote, ...series }) => {
      const kept = keepByRules(series, { now, timeZone: situation.timeZone })
      const view = situation.views.get(remote)
      const doubt = doubts.find(one => one.remote === remote)?.failure ?? null
      const backups = ruled(kept, { ...series, view, timeZone: situation.timeZone })
      return { remote, backups, ...hiddenIn(view), doubt }
    })
    const snapshots = ruledSnapshots(situation, steps, now)
    const skipped = skippedInWords(situation.adopted?.skipped ?? [])
    return {
      plan: {
        ...named,
        steps: planned,
        remotes,
        skipped,
        snapshots,
        forecast: lookAhead(situation, { days, from: now, forget }),
        problems,
        failures,
      },
      marks: marksOfPlan(situation, { steps, problems }),
    }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    const nothing = {
      steps: [],
      remotes: [],
      skipped: [],
      snapshots: [],
      forecast: null,
      problems: [],
    }
    const failure = reportFailure(error)
    return {
      plan: { ...named, ...nothing, failures: [failure] },
      marks: marksOfFailure(source, failure.code),
    }
  }
}

/** From the run that is planned on, at the moment it is planned for. */
function lookAhead(
  situation: Situation,
  { days, from, forget }: { days: number | undefined; from: Date; forget: boolean },
): Forecast | null {
  const isStopped = situation.nested.length > 0 || situation.subvolume.receivedUuid !== null
  // Of the snapshots that others will make, nothing is known.
  if (days === undefined || isStopped || situation.adopted !== null) return null
  const places = deletableViews(situation).map(([remote, view]) => placeOf(remote, view))
  return forecast(situation, { from, days, places, forget })
}

/** Of a future nothing is known but that sources change. */
function changedSince(situation: Situation): Situation {
  const newest = Math.max(0, ...situation.snapshots.map(one => one.creationGeneration))
  const generation = Math.max(situation.subvolume.generation, newest + 1)
  return { ...situation, subvolume: { ...situation.subvolume, generation } }
}

/** By what the rule says after the run, of what is there before it. */
function ruled(
  kept: readonly KeptBackup[],
  {
    view,
    epochNames,
    timeZone,
  }: Pick<SeriesRules, 'epochNames'> & {
    readonly view: RemoteView | undefined
    readonly timeZone: string
  },
): RuledBackup[] {
  const backups = view?.backups ?? []
  const here = new Set(backups)
  return kept
    .filter(({ backup }) => here.has(backup))
    .map(({ backup: { manifest }, reasons }) => ({
      seq: manifest.seq,
      createdAt: manifest.snapshot.createdAt,
      makes: kindOf(backups.find(one => one.manifest.seq === manifest.parent?.seq)),
      epoch: epochLabel(manifest, epochNames),
      reasons: reasons.map(reason => keepReasonInWords(reason, timeZone)),
    }))
}

function hiddenIn(view: RemoteView | undefined): Pick<RemoteRules, 'hidden'> {
  const hidden = (view?.hidden ?? []).map(({ backup: { manifest }, tombstone }) => ({
    seq: manifest.seq,
    snapshotTime: manifest.snapshot.createdAt,
    hiddenAt: tombstone.createdAt,
    notBefore: tombstone.notBefore,
  }))
  return { hidden }
}

function ruledSnapshots(situation: Situation, steps: readonly Step[], now: Date): RuledSnapshot[] {
  return expectedSnapshots(situation, { steps, now }).map(({ snapshot, reasons }) => ({
    path: snapshot.path,
    createdAt: snapshot.createdAt,
    reasons: reasons.map(reason => snapshotReasonInWords(reason, situation.timeZone)),
  }))
}

interface StepInPlace<Kind extends Step = Step> {
  readonly source: SourceConfig
  readonly situation: Situation
  readonly step: Kind
  readonly estimates: Estimates
  readonly now: Date
}

async function explain(session: LookSession, place: StepInPlace): Promise<PlannedStep> {
  const { situation, step, now } = place
  const { timezone: timeZone } = session.config
  const because = reasonInWords(step, timeZone)
  if (step.kind !== 'send') return { ...step, because }
  const lock = plannedLock(situation, step, { now, timeZone })
  const told = { ...step, because, ...(lock && { lock }) }
  try {
    return { ...told, estimate: await place.estimates.of({ ...place, step }) }
  } catch (error) {
    // A plan without its numbers is still a plan.
    if (!isFailure(error) || isFailure(error, 'interrupted')) throw error
    return { ...told, estimate: null }
  }
}
