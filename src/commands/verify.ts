// The story of a verify: what is proven of the backups, and what is not. Whatever is damaged, the
// rest is still looked at; what nobody could look at never passes for good (L9).

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, type FailureCode, isFailure, throwIfAborted } from '../base/failure.ts'
import { formatBytes } from '../base/units.ts'
import type { CatalogProblem } from '../catalog/catalog.ts'
import { getIfPresent, type Repository } from '../catalog/repository.ts'
import { restoreGuideKey } from '../format/object-key.ts'
import { restoreGuide } from '../format/restore-guide.ts'
import type { SeriesId } from '../model/ids.ts'
import { WorkerPool } from '../pack/worker-pool.ts'
import { verifyChains } from '../restore/verify-chains.ts'
import {
  type Doubt,
  type Finding,
  isDoubt,
  type LevelCoverage,
  SeriesLedger,
  type VerifyLevel,
  verifyLevels,
} from '../restore/verify-ledger.ts'
import {
  placesIn,
  type UnnamedObjects,
  verifyBytes,
  verifyPresent,
} from '../restore/verify-objects.ts'
import { TrialReceiver } from '../restore/verify-receive.ts'
import { judgeReceived } from './restore/judge-received.ts'
import {
  type ChosenSeries,
  chooseSeries,
  refuseUnknown,
  remotesToLookAt,
} from './shared/choose-series.ts'
import { type Context, randomHex } from './shared/context.ts'
import { type LookIn, Lookup, type OpenedRepository } from './shared/find-backup.ts'
import { type FailureReport, incompleteStatus, reportFailure } from './shared/report.ts'
import { VerifyMeter } from './verify/meter.ts'

export interface VerifyOptions extends Omit<LookIn, 'remote' | 'reread' | 'patienceMs'> {
  readonly level: VerifyLevel
  /** Names of sources, or beginnings of series ids; empty: all. */
  readonly sources: readonly string[]
  /** Names of remotes; empty: all. */
  readonly remotes: readonly string[]
  /** A folder on btrfs; needed for the level receives. */
  readonly scratch?: string | undefined
}

export interface VerifyReport {
  /** What was asked for. */
  readonly level: VerifyLevel
  readonly remotes: readonly RemoteVerification[]
  /** Bytes that were read from stores. */
  readonly fetchedBytes: number
  readonly durationMs: number
  /**
   * 0 only when everything was checked and right. What was found wrong decides before what could
   * not be checked: 40 corrupt or untrusted, 31 missing, 20 not to be received, 3 not checked.
   */
  readonly exitStatus: number
}

export interface RemoteVerification {
  /** Its name, or the address that was given. */
  readonly remote: string
  readonly series: readonly SeriesVerification[]
  /** Sources that the configuration sends here and of which nothing is here. */
  readonly absent: readonly string[]
  /** Series that are signed by keys nobody here trusts, and are not of our sources. */
  readonly foreignCount: number
  /** What a person should know and what is no damage. */
  readonly notes: readonly string[]
  /** Why nothing could be looked at; null when it could. */
  readonly failure: FailureReport | null
}

export interface SeriesVerification {
  readonly series: SeriesId
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  /** One for each level up to the one that was asked for. */
  readonly coverage: readonly LevelCoverage[]
  /** All that was found wrong, oldest backup first. */
  readonly damages: readonly Damage[]
  /** All that could not be looked at, each reason once. */
  readonly doubts: readonly ReportedDoubt[]
  /** Objects that no good manifest names; null when nobody looked. */
  readonly unnamed: UnnamedObjects | null
}

export interface Damage {
  /** The level that found it. */
  readonly level: VerifyLevel
  /** Id of the backup. */
  readonly backup: number
  /** The object's key; null when it concerns the backup as a whole. */
  readonly object: string | null
  /** Ids of the backups that can't be restored without this one. */
  readonly dependents: readonly number[]
  readonly failure: FailureReport
}

export interface ReportedDoubt {
  readonly level: VerifyLevel
  readonly count: number
  /** The first of its kind. */
  readonly failure: FailureReport
}

/** A store that can't be reached for so long is given up, whatever its configuration says. */
const patienceMs = 2 * 60_000

export async function verify(context: Context, options: VerifyOptions): Promise<VerifyReport> {
  await refuseUnfit(context, options)
  const begun = context.clock.now()
  // What a cache says proves nothing of the store.
  await using lookup = await Lookup.open(context, { ...options, reread: true, patienceMs })
  await using pool = new WorkerPool()
  const meter = new VerifyMeter(context)
  const session = { context, options, lookup, pool, meter }
  const remotes: RemoteVerification[] = []
  for (const remote of remotesToLookAt(lookup, options)) {
    throwIfAborted(context.signal)
    remotes.push(await verifyRemote(session, remote))
  }
  if (remotes.every(({ failure }) => failure === null)) {
    refuseUnknown('verify', options.sources, remotes)
  }
  return {
    level: options.level,
    remotes,
    fetchedBytes: meter.fetchedBytes,
    durationMs: context.clock.now() - begun,
    exitStatus: exitStatusOf(remotes),
  }
}

interface Session {
  readonly context: Context
  readonly options: VerifyOptions
  readonly lookup: Lookup
  readonly pool: WorkerPool
  readonly meter: VerifyMeter
}

async function verifyRemote(session: Session, remote: string): Promise<RemoteVerification> {
  const { lookup, options } = session
  try {
    const opened = await lookup.open(remote)
    const { chosen, absent, foreignCount } = await chooseSeries(lookup, opened, options)
    const series: SeriesVerification[] = []
    for (const one of chosen) series.push(await verifySeries(session, opened, one))
    const notes = await guideNotes(session, opened.repository)
    return { remote, series, absent, foreignCount, notes, failure: null }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    const failure = reportFailure(error)
    return { remote, series: [], absent: [], foreignCount: 0, notes: [], failure }
  }
}

async function verifySeries(
  session: Session,
  opened: OpenedRepository,
  chosen: ChosenSeries,
): Promise<SeriesVerification> {
  const { context, options, meter } = session
  const { series, source, backups, problems } = chosen
  const ledger = new SeriesLedger(backups)
  for (const problem of problems) ledger.addProblem(problem.seq, problemFailure(problem, problems))
  const wanted = verifyLevels.indexOf(options.level)
  const reached = (level: VerifyLevel) => wanted >= verifyLevels.indexOf(level)
  meter.begin(`${source ?? `series ${series.slice(0, 8)}`} on ${opened.remote}`)
  const hidden = (opened.catalog.hidden.get(series) ?? []).map(({ backup }) => backup)
  const unnamed = reached('present')
    ? await verifyPresent(opened.repository, { series, ledger, hidden }, context.signal)
    : null
  if (reached('decrypts')) await verifyStreams(session, opened.repository, ledger)
  else if (reached('bytes')) await verifyObjects(session, opened.repository, ledger)
  return {
    series,
    source,
    coverage: verifyLevels.filter(reached).map(level => ledger.coverage(level)),
    damages: ledger.findings.toSorted(bySeq).map(finding => damageOf(finding, ledger)),
    doubts: ledger.doubts.map(reportDoubt),
    unnamed,
  }
}

async function verifyObjects(
  session: Session,
  repository: Repository,
  ledger: SeriesLedger,
): Promise<void> {
  const { context, pool, meter } = session
  const places = ledger.backups.flatMap(one => [...placesIn(one)])
  const totalBytes = places.reduce((sum, { object }) => sum + object.bytes, 0)
  using moving = meter.move(totalBytes, 'fetched')
  const watch = new StoreWatch(context.signal)
  const { onFetched } = moving
  await verifyBytes(repository, places, { pool, onFetched, ...watch.parts })
}

async function verifyStreams(
  session: Session,
  repository: Repository,
  ledger: SeriesLedger,
): Promise<void> {
  const { context, options, lookup, pool, meter } = session
  const totalBytes = ledger.backups.reduce(
    (sum, { backup }) => sum + backup.manifest.stream.bytes,
    0,
  )
  using moving = meter.move(totalBytes, 'opened')
  const watch = new StoreWatch(context.signal)
  const { identities } = lookup
  const { onFetched, onOpened } = moving
  const common = { repository, ledger, identities, pool, onFetched, onOpened, ...watch.parts }
  if (options.level !== 'receives') return await verifyChains(common)
  const { btrfs, signal } = context
  const staging = join(options.scratch as string, `.btrvault-${randomHex(context, 6)}`)
  await btrfs.makeStaging(staging)
  const judge = judgeReceived(context)
  const receiver = new TrialReceiver({ btrfs, staging, signal, judge })
  try {
    await verifyChains({ ...common, receiver })
  } finally {
    await receiver.close()
    await btrfs.removeStaging(staging)
  }
}

/** A store that does not answer several times running is not asked for the rest one by one. */
class StoreWatch {
  readonly #giveUp = new AbortController()
  readonly #signal: AbortSignal
  #unanswered = 0

  constructor(signal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#giveUp.signal])
  }

  get parts() {
    const onAnswer = (failure: Failure | undefined) => {
      this.#unanswered = isFailure(failure, 'store-unavailable') ? this.#unanswered + 1 : 0
      if (this.#unanswered >= mostUnanswered) this.#giveUp.abort(failure)
    }
    return { signal: this.#signal, onAnswer }
  }
}

const mostUnanswered = 8

async function refuseUnfit({ btrfs }: Context, options: VerifyOptions): Promise<void> {
  const { level, identity, scratch, config } = options
  const isSealed = config?.remotes.some(({ encrypt }) => encrypt !== 'none') ?? false
  const opens = level === 'decrypts' || level === 'receives'
  if (opens && isSealed && identity === undefined && options.from === undefined) {
    throw new Failure('usage', `cannot verify that a backup ${level}: no identity was given`, {
      hint: 'give --identity FILE; without it, --level bytes is as far as one can go',
    })
  }
  if (level !== 'receives') return
  if (scratch === undefined) {
    throw new Failure('usage', 'cannot verify that a backup receives: no folder was given', {
      hint: 'give --scratch FOLDER on btrfs, with room for one whole restore',
    })
  }
  const found = await stat(scratch).catch(() => undefined)
  if (!found?.isDirectory()) {
    throw new Failure('usage', `cannot use scratch folder ${scratch}: it is not a folder`, {
      hint: 'make it first, on a btrfs filesystem',
    })
  }
  await btrfs.filesystemOf(scratch)
}

const problemCodes: Readonly<Record<CatalogProblem['kind'], FailureCode>> = {
  untrusted: 'untrusted',
  unreadable: 'corrupt',
  'parent-missing': 'object-missing',
  'signature-missing': 'object-missing',
  vanished: 'object-missing',
  fork: 'untrusted',
  replaced: 'untrusted',
  unreachable: 'store-unavailable',
  'tombstone-untrusted': 'untrusted',
}

function problemFailure(problem: CatalogProblem, others: readonly CatalogProblem[]): Failure {
  // A parent that only could not be read is not known to be missing.
  const isUnsure =
    problem.kind === 'parent-missing' && others.some(({ kind }) => kind === 'unreachable')
  return new Failure(problemCodes[isUnsure ? 'unreachable' : problem.kind], problem.text)
}

function bySeq(one: Finding, other: Finding): number {
  return one.seq - other.seq
}

function damageOf(finding: Finding, ledger: SeriesLedger): Damage {
  const { level, seq, key, failure } = finding
  const dependents = ledger.dependentsOf(seq)
  return { level, backup: seq, object: key, dependents, failure: reportFailure(failure) }
}

function reportDoubt({ level, count, failure }: Doubt): ReportedDoubt {
  return { level, count, failure: reportFailure(failure) }
}

/** No signature covers the guide, and people follow it: that it differs is worth a word. */
async function guideNotes({ context }: Session, { store }: Repository): Promise<string[]> {
  const found = await getIfPresent(store, restoreGuideKey, { signal: context.signal })
  if (found === undefined) {
    return [`${restoreGuideKey} is not there; the next backup writes it`]
  }
  if (Buffer.from(found).toString('utf8') === restoreGuide()) return []
  return [
    `${restoreGuideKey} is not what this version of btrvault writes (${formatBytes(found.length)}): do not follow it before you know why; the next backup writes it anew`,
  ]
}

function exitStatusOf(remotes: readonly RemoteVerification[]): number {
  const series = remotes.flatMap(remote => remote.series)
  const lost = remotes.flatMap(({ failure }) => failure ?? [])
  const wrong = [
    ...series.flatMap(({ damages }) => damages.map(({ failure }) => failure)),
    ...lost.filter(failure => !isDoubt(failure)),
  ].map(({ exitStatus }) => exitStatus)
  if (wrong.length > 0) return Math.max(...wrong)
  const [first] = lost
  if (first !== undefined && lost.length === remotes.length) return first.exitStatus
  const isWhole =
    lost.length === 0 &&
    series.length > 0 &&
    remotes.every(({ absent }) => absent.length === 0) &&
    series.every(({ coverage, doubts }) => doubts.length === 0 && coverage.every(isProven))
  return isWhole ? 0 : incompleteStatus
}

function isProven({ backups, objects }: LevelCoverage): boolean {
  return [backups, ...(objects ? [objects] : [])].every(({ total, proven }) => proven === total)
}
