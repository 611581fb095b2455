// The story of a status: what is safe, since when, and what is not. It only looks; what it can't look
// at is told as such and never passes for empty or for safe (L9).

import { isFailure, throwIfAborted } from '../base/failure.ts'
import { lockHolder } from '../base/file-lock.ts'
import type { CatalogProblem } from '../catalog/catalog.ts'
import { loadJournal } from '../catalog/journal.ts'
import { journalPath, loadMadeSnapshots, lockPath } from '../catalog/local-state.ts'
import { seriesSecretOf } from '../catalog/signing.ts'
import type { Config, RemoteConfig, SourceConfig } from '../config/config.ts'
import type { Backup } from '../model/backup.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import { describeRemote } from '../model/remote.ts'
import { epochSituations } from '../plan/epochs.ts'
import { newestOf } from '../plan/moments.ts'
import { parentCandidates } from '../plan/parents.ts'
import type { SeriesRules } from '../plan/situation.ts'
import { type RemoteView, remoteView } from './backup/remote-view.ts'
import type { LookSession } from './backup/send.ts'
import { lookForSnapshots } from './backup/snapshots.ts'
import { type Context, nowOf } from './shared/context.ts'
import { epochNamesOf } from './shared/epoch-names.ts'
import { readSigningPair } from './shared/keys.ts'
import { lookPatienceMs, type OpenedRemote, Remotes } from './shared/remotes.ts'
import { type FailureReport, incompleteStatus, reportObstacle } from './shared/report.ts'
import { bytesOf, type EpochStatus, epochStatuses } from './status/epochs.ts'
import { changed, type Here, type NewestBackup, newestBackup } from './status/newest.ts'

export interface StatusOptions {
  readonly config: Config
  /** A source that changed since a backup older than this is not safe. */
  readonly maxAgeMs: number
}

export interface StatusReport {
  readonly now: Date
  /** Of the configuration, for showing times. */
  readonly timezone: string
  readonly safe: boolean
  readonly sources: readonly SourceStatus[]
  readonly remotes: readonly RemoteStatus[]
  /** 0 when everything is safe, else 3. */
  readonly exitStatus: number
}

export interface SourceStatus {
  readonly source: SourceName
  readonly path: string
  /** Others make its snapshots: they are not ours to keep. */
  readonly adopted: boolean
  /** Snapshots here that a later send can build on, oldest first; null when unknown. */
  readonly held: readonly { readonly path: string; readonly createdAt: Date }[] | null
  /** A run that is going on now. */
  readonly running: { readonly pid: number; readonly since: Date } | null
  /** Why the source itself could not be looked at. */
  readonly failure: FailureReport | null
  readonly places: readonly PlaceStatus[]
}

/**
 * - safe: the newest backup holds what is there, or is young enough.
 * - stale: the source changed since, or may have, and the newest backup is too old, or that of an epoch.
 * - none: there is no backup, or none that counts for one of its epochs.
 * - damaged: something about the backups is not as it should be, whatever their age.
 * - unknown: nobody could look.
 */
export type Safety = 'safe' | 'stale' | 'none' | 'damaged' | 'unknown'

/** One source on one remote. */
export interface PlaceStatus {
  readonly remote: string
  readonly safety: Safety
  readonly newest: NewestBackup | null
  /** Each by its own rule, as the configuration has them; empty where it has one set of rules. */
  readonly epochs: readonly EpochStatus[]
  readonly backupCount: number
  /** Of all its backups there. */
  readonly storedBytes: number
  /** Null when the source could not be looked at. */
  readonly changedSince: boolean | null
  /** No snapshot is left here that a backup could be a difference from: the next one is full. */
  readonly nextIsFull: boolean
  readonly unfinished: { readonly segmentCount: number; readonly storedBytes: number } | null
  readonly problems: readonly Omit<CatalogProblem, 'series'>[]
  readonly failure: FailureReport | null
}

export interface RemoteStatus {
  readonly remote: string
  readonly address: string
  /** When an identity was last shown to open what is stored there; null: never, as far as known. */
  readonly provenAt: Date | null
  readonly encrypted: boolean
  /** Nobody looked: this machine only writes there, and its ledger says what it wrote. */
  readonly fromLedger: boolean
  readonly failure: FailureReport | null
}

export async function status(context: Context, options: StatusOptions): Promise<StatusReport> {
  const { config } = options
  await using remotes = new Remotes(context, config, {
    remember: false,
    patienceMs: lookPatienceMs,
    ledgers: true,
  })
  const looks = await lookAtRemotes(context, config, remotes)
  const sources: SourceStatus[] = []
  for (const source of config.sources) {
    sources.push(await sourceStatus({ context, options, looks }, source))
  }
  const safe = sources.every(
    ({ failure, places }) => failure === null && places.every(place => place.safety === 'safe'),
  )
  return {
    now: nowOf(context),
    timezone: config.timezone,
    safe,
    sources,
    remotes: config.remotes.map(remote => remoteStatus(remote, looks.get(remote.name))),
    exitStatus: safe ? 0 : incompleteStatus,
  }
}

/** What was found at a remote, or why nothing was. */
type RemoteLook =
  | { readonly opened: OpenedRemote; readonly session: LookSession }
  | { readonly failure: FailureReport; readonly opened?: OpenedRemote }

type Looks = ReadonlyMap<string, RemoteLook>

interface Look {
  readonly context: Context
  readonly options: StatusOptions
  readonly looks: Looks
}

async function lookAtRemotes(context: Context, config: Config, remotes: Remotes): Promise<Looks> {
  const keys = await attempt(() => readSigningPair(config.keys))
  const looks = config.remotes.map(async ({ name }): Promise<[string, RemoteLook]> => {
    const opened = await attempt(() => remotes.open(name))
    if ('failure' in opened) return [name, opened]
    if ('failure' in keys) return [name, { ...keys, opened: opened.value }]
    const session = { context, config, remotes, ...keys.value }
    const look = { opened: opened.value, session }
    if (opened.value.isWriteOnly) return [name, look]
    const catalog = await attempt(() => remotes.catalog(name, keys.value.signers))
    return [name, 'failure' in catalog ? { ...catalog, opened: opened.value } : look]
  })
  return new Map(await Promise.all(looks))
}

function remoteStatus(remote: RemoteConfig, look: RemoteLook | undefined): RemoteStatus {
  return {
    remote: remote.name,
    address: describeRemote(remote.address),
    provenAt: look?.opened?.memory.provenAt ?? null,
    encrypted: remote.encrypt !== 'none',
    fromLedger: remote.access === 'write-only',
    failure: look !== undefined && 'failure' in look ? look.failure : null,
  }
}

async function sourceStatus(look: Look, source: SourceConfig): Promise<SourceStatus> {
  const { context, options } = look
  const { state } = options.config
  const views = await viewsOf(look, source)
  const here = await attempt(() => lookHere(look, source, views))
  const running = await attempt(() => lockHolder(lockPath(state, source.name)))
  const places: PlaceStatus[] = []
  for (const { remote } of source.remotes) {
    throwIfAborted(context.signal)
    const view = views.get(remote) ?? { failure: null }
    places.push(await placeStatus(look, { source, remote, view, here: orNull(here) }))
  }
  return {
    source: source.name,
    path: source.path,
    adopted: source.snapshots.kind === 'adopted',
    held: orNull(here)?.snapshots.map(({ path, createdAt }) => ({ path, createdAt })) ?? null,
    running: orNull(running) ?? null,
    failure: 'failure' in here ? here.failure : null,
    places,
  }
}

async function lookHere(
  { context, options }: Look,
  source: SourceConfig,
  views: Views,
): Promise<Here> {
  const { signal, btrfs } = context
  await btrfs.sync(source.path, { signal })
  const subvolume = await btrfs.show(source.path, { signal })
  const made = await loadMadeSnapshots(options.config.state, source.name)
  const backedUp = new Set<Uuid>()
  for (const view of views.values()) {
    for (const { manifest } of orNull(view)?.backups ?? []) backedUp.add(manifest.snapshot.uuid)
  }
  const known = { source, subvolume, made, backedUp }
  const { snapshots } = await lookForSnapshots(context, known)
  return { subvolume, snapshots: snapshots.toSorted((a, b) => a.id - b.id) }
}

type Views = ReadonlyMap<string, Seen>

/** By remote. */
async function viewsOf({ looks }: Look, source: SourceConfig): Promise<Views> {
  const views = source.remotes.map(async ({ remote }): Promise<[string, Seen]> => {
    const look = looks.get(remote)
    if (look === undefined || 'failure' in look) return [remote, { failure: look?.failure ?? null }]
    return [remote, await attempt(() => namedView(look.session, source, remote))]
  })
  return new Map(await Promise.all(views))
}

type Seen = { readonly value: NamedView } | { readonly failure: FailureReport | null }
type NamedView = RemoteView & Pick<SeriesRules, 'epochNames'>

async function namedView(
  session: LookSession,
  source: SourceConfig,
  remote: string,
): Promise<NamedView> {
  const view = await remoteView(session, { source, remote, fresh: false })
  const secret = seriesSecretOf(session.signingKey)
  return { ...view, epochNames: epochNamesOf(source, { secret, series: view.series }) }
}

interface Place {
  readonly source: SourceConfig
  readonly remote: string
  readonly view: Seen
  readonly here: Here | null
}

async function placeStatus(look: Look, place: Place): Promise<PlaceStatus> {
  const { source, remote, here, view } = place
  if ('failure' in view) return { ...nothing(remote), safety: 'unknown', failure: view.failure }
  const { backups, problems, epochNames } = view.value
  const newest = newestOf(backups)
  const changedSince = here && newest ? changed(here, newest) : null
  const unfinished = await attempt(() => unfinishedRun(look, place, backups))
  const ruleSets = source.remotes.find(one => one.remote === remote)?.ruleSets ?? []
  const series = { backups, ruleSets, epochNames }
  const { config, maxAgeMs } = look.options
  const now = nowOf(look.context)
  const told = newest ? newestBackup(newest, series, now) : null
  const epochs = epochStatuses(series, { here, now, timeZone: config.timezone, maxAgeMs })
  return {
    remote,
    safety: safetyOf(look, { problems, newest: told, changedSince, epochs }),
    newest: told,
    epochs,
    backupCount: backups.length,
    storedBytes: bytesOf(backups),
    changedSince,
    nextIsFull: here !== null && isFullNext(here, series),
    unfinished: orNull(unfinished) ?? null,
    problems: problems.map(({ kind, seq, text }) => ({ kind, seq, text })),
    failure: 'failure' in unfinished ? unfinished.failure : null,
  }
}

/** Of what is there already: that an epoch begins in full is no surprise. */
function isFullNext({ snapshots, subvolume }: Here, series: SeriesRules): boolean {
  return epochSituations(series).some(
    ({ backups }) =>
      backups.length > 0 && parentCandidates(backups, snapshots, subvolume.uuid).length === 0,
  )
}

function nothing(remote: string): PlaceStatus {
  return {
    remote,
    safety: 'unknown',
    newest: null,
    epochs: [],
    backupCount: 0,
    storedBytes: 0,
    changedSince: null,
    nextIsFull: false,
    unfinished: null,
    problems: [],
    failure: null,
  }
}

type Facts = Pick<PlaceStatus, 'problems' | 'newest' | 'changedSince' | 'epochs'>

function safetyOf({ options }: Look, { problems, newest, changedSince, epochs }: Facts): Safety {
  if (problems.length > 0) return 'damaged'
  if (newest === null || epochs.some(({ safety }) => safety === 'none')) return 'none'
  if (epochs.some(({ safety }) => safety === 'stale')) return 'stale'
  return changedSince === false || newest.ageMs <= options.maxAgeMs ? 'safe' : 'stale'
}

async function unfinishedRun(
  { options }: Look,
  { source, remote }: Place,
  backups: readonly Backup[],
): Promise<PlaceStatus['unfinished']> {
  const unfinished = await loadJournal(journalPath(options.config.state, source.name, remote))
  if (unfinished === undefined) return null
  if (backups.some(({ manifest }) => manifest.run === unfinished.run.run)) return null
  const segments = [...unfinished.segments.values()]
  const stored = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  return { segmentCount: segments.length, storedBytes: stored }
}

/** What was asked, or why it could not be had; an interruption is neither. */
async function attempt<T>(
  ask: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly failure: FailureReport }> {
  try {
    return { value: await ask() }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return { failure: reportObstacle(error) }
  }
}

function orNull<T>(found: { readonly value: T } | { readonly failure: unknown }): T | null {
  return 'value' in found ? found.value : null
}
