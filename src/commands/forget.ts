// The story of forgetting: what the keep rules no longer keep gets a tombstone, and is hidden from
// then on. Nothing is deleted; until its grace is over, undelete brings it back.

import { Failure, isFailure, throwIfAborted } from '../base/failure.ts'
import type { SigningKey } from '../catalog/signing.ts'
import type { Config, RemoteConfig, SourceConfig } from '../config/config.ts'
import { type Backup, storedBytes } from '../model/backup.ts'
import { keepsEverything, type RuleSet } from '../model/policy.ts'
import { forgetNow } from '../plan/deletions.ts'
import { planForgetByIds } from '../plan/forget.ts'
import { bury } from './shared/bury.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import { chooseSeries, refuseUnknown } from './shared/choose-series.ts'
import type { Context } from './shared/context.ts'
import {
  readTombstoneKey,
  refuseNoDelete,
  refuseProblems,
  undoubtedNow,
} from './shared/deletion.ts'
import { Lookup, type OpenedRepository } from './shared/find-backup.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'

export interface ForgetOptions {
  readonly config: Config
  /** Names; empty: all. */
  readonly sources: readonly string[]
  /** Names; empty: all. */
  readonly remotes: readonly string[]
  /** Of one source: these, whatever the rules say; empty: what the rules no longer keep. */
  readonly ids?: readonly number[] | undefined
  /** Path of an identity file: tells the sources of series that another machine's key signed. */
  readonly identity?: string | undefined
  readonly passphrase?: (() => Promise<string>) | undefined
  readonly dryRun: boolean
  /** Asked once, before anything is hidden. */
  readonly agree: (backupCount: number) => Promise<void>
}

export interface ForgetReport {
  readonly dryRun: boolean
  /** IANA name, for showing times. */
  readonly timezone: string
  readonly places: readonly ForgetPlace[]
  readonly exitStatus: number
}

/** One source on one remote. */
export interface ForgetPlace {
  readonly source: string
  readonly remote: string
  /** In the order in which they were, or would be, forgotten. */
  readonly forgotten: readonly ForgottenReport[]
  /** Not kept either, and left to later runs by max_delete. */
  readonly postponedCount: number
  readonly keptCount: number
  /** From when on prune may delete what was forgotten now; null when nothing was. */
  readonly notBefore: Date | null
  readonly failure: FailureReport | null
}

export interface ForgottenReport {
  readonly id: number
  readonly snapshotTime: Date
  readonly storedBytes: number
}

export function reportForgotten({ manifest }: Backup): ForgottenReport {
  const { seq: id, snapshot } = manifest
  return { id, snapshotTime: snapshot.createdAt, storedBytes: storedBytes(manifest) }
}

/** What is to be forgotten at one place. */
interface Decision {
  readonly place: ForgetPlace
  readonly opened: OpenedRepository
  readonly backups: readonly Backup[]
  readonly createdAt: Date
}

interface Session {
  readonly context: Context
  readonly options: ForgetOptions
  readonly lookup: Lookup
}

export async function forget(context: Context, options: ForgetOptions): Promise<ForgetReport> {
  const { config, identity, passphrase } = options
  refuseIdsOfMany(options)
  await using lookup = await Lookup.open(context, { config, identity, passphrase })
  const session = { context, options, lookup }
  const key = await readTombstoneKey(config, lookup.signers)
  const outcomes: (Decision | ForgetPlace)[] = []
  for (const remote of chooseRemotes(config, options.remotes)) {
    outcomes.push(...(await decideOn(session, remote)))
  }
  refuseUnknownSources(options)
  refuseUnknownIds(options, outcomes)
  const decisions = outcomes.filter(one => 'opened' in one)
  const count = decisions.reduce((sum, { backups }) => sum + backups.length, 0)
  if (!options.dryRun && count > 0) await options.agree(count)
  const places: ForgetPlace[] = []
  for (const outcome of outcomes) {
    if (!('opened' in outcome)) places.push(outcome)
    else if (options.dryRun) places.push(outcome.place)
    else places.push(await hide(session, outcome, key))
  }
  const failures = places.flatMap(({ failure }) => failure ?? [])
  const exitStatus = combinedStatus(failures, places.length - failures.length)
  return { dryRun: options.dryRun, timezone: config.timezone, places, exitStatus }
}

function refuseUnknownSources({ config, sources }: ForgetOptions): void {
  const known = config.sources.map(({ name }) => name as string)
  refuseUnknown('forget', sources, [{ series: [], absent: known }])
}

/** An id means something within one source alone. */
function refuseIdsOfMany({ sources, ids = [] }: ForgetOptions): void {
  if (ids.length === 0 || sources.length === 1) return
  throw new Failure('usage', `cannot forget backup ${ids[0]}: of which source was not said`, {
    hint: 'give the name of one source, and --remote where it goes to several',
  })
}

function refuseUnknownIds(
  { sources, ids = [] }: ForgetOptions,
  outcomes: readonly (Decision | ForgetPlace)[],
): void {
  if (ids.length > 0 && outcomes.length > 1) {
    throw new Failure(
      'usage',
      `cannot forget backup ${ids[0]}: each remote has another of that id`,
      {
        hint: 'give --remote NAME; nothing was changed',
      },
    )
  }
  if (outcomes.some(one => !('opened' in one))) return
  const found = outcomes.flatMap(one => ('opened' in one ? one.backups : []))
  const unknown = ids.find(id => !found.some(({ manifest }) => manifest.seq === id))
  if (unknown === undefined) return
  throw new Failure(
    'object-missing',
    `cannot forget backup ${unknown} of ${sources.join()}: there is none`,
    { hint: 'run btrvault list to see what there is; nothing was changed' },
  )
}

/** Sources that have a rule for the remote; each with what it no longer keeps, or why that is unknown. */
async function decideOn(
  session: Session,
  remote: RemoteConfig,
): Promise<(Decision | ForgetPlace)[]> {
  const { config, sources, ids = [] } = session.options
  const ruled = config.sources.flatMap(source => {
    const ruleSets = source.remotes.find(place => place.remote === remote.name)?.ruleSets ?? []
    const isMeant = sources.length === 0 || sources.includes(source.name)
    const byRule = ruleSets.some(({ policy }) => !keepsEverything(policy.keep))
    const forgets = ids.length > 0 ? ruleSets.length > 0 : byRule
    return isMeant && forgets ? [{ source, ruleSets }] : []
  })
  const outcomes: (Decision | ForgetPlace)[] = []
  for (const { source, ruleSets } of ruled) {
    throwIfAborted(session.context.signal)
    try {
      outcomes.push(...(await decide(session, { source, ruleSets, remote })))
    } catch (error) {
      if (isFailure(error, 'interrupted')) throw error
      outcomes.push(failedPlace(source, remote, reportFailure(error)))
    }
  }
  return outcomes
}

interface Ruled {
  readonly source: SourceConfig
  readonly ruleSets: readonly RuleSet[]
  readonly remote: RemoteConfig
}

async function decide(
  { context, options, lookup }: Session,
  { source, ruleSets, remote }: Ruled,
): Promise<Decision[]> {
  refuseNoDelete(remote, 'forget')
  const { config, ids = [] } = options
  const opened = await lookup.open(remote.name)
  const now = await undoubtedNow(context, opened.repository)
  const { chosen } = await chooseSeries(lookup, opened, { config, sources: [source.name] })
  const decisions: Decision[] = []
  for (const { series, backups, problems } of chosen) {
    refuseProblems('forget', `backups of ${source.name} on ${remote.name}`, problems)
    const epochNames = await lookup.epochNames(opened, series, source)
    const at = { now, timeZone: config.timezone }
    const rules = { backups, ruleSets, epochNames }
    const { forgotten, postponed } =
      ids.length > 0
        ? { forgotten: planForgetByIds(backups, new Set(ids)), postponed: [] }
        : forgetNow(rules, remote.maxDelete, at)
    const place = {
      source: source.name,
      remote: remote.name,
      forgotten: forgotten.map(reportForgotten),
      postponedCount: postponed.length,
      keptCount: backups.length - forgotten.length - postponed.length,
      notBefore: forgotten.length === 0 ? null : new Date(now.getTime() + remote.graceMs),
      failure: null,
    }
    decisions.push({ place, opened, backups: forgotten, createdAt: now })
  }
  return decisions
}

async function hide(
  { context }: Session,
  decision: Decision,
  key: SigningKey,
): Promise<ForgetPlace> {
  const { place, opened, backups, createdAt } = decision
  const notBefore = place.notBefore ?? createdAt
  const burial = { repository: opened.repository, backups, createdAt, notBefore }
  const { doneCount, failure } = await bury(context, burial, key)
  if (failure === undefined) return place
  if (isFailure(failure, 'interrupted')) throw failure
  const forgotten = place.forgotten.slice(0, doneCount)
  return { ...place, forgotten, failure: reportFailure(failure) }
}

function failedPlace(
  source: SourceConfig,
  remote: RemoteConfig,
  failure: FailureReport,
): ForgetPlace {
  const nothing = { forgotten: [], postponedCount: 0, keptCount: 0, notBefore: null }
  return { source: source.name, remote: remote.name, ...nothing, failure }
}
