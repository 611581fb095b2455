// One send step: which parent, and what to do when it fails. Losing a parent never stops backups:
// the next older one is tried, then a full.

import { type Budget } from '../../base/concurrency.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import { formatBytes } from '../../base/units.ts'
import type { BtrfsVersions } from '../../btrfs/filesystem.ts'
import type { AllowedSigner } from '../../catalog/allowed-signers.ts'
import { epochIdOf } from '../../catalog/epoch-id.ts'
import { journalTouchedAt, loadJournal, type UnfinishedRun } from '../../catalog/journal.ts'
import type { Ledger } from '../../catalog/ledger.ts'
import { journalPath } from '../../catalog/local-state.ts'
import { seriesIdOf } from '../../catalog/series-id.ts'
import { type SigningKey, seriesSecretOf } from '../../catalog/signing.ts'
import type { Config, SourceConfig } from '../../config/config.ts'
import { nextSeq } from '../../format/object-key.ts'
import type { Backup } from '../../model/backup.ts'
import type { EpochId, SeriesId, Sha256 } from '../../model/ids.ts'
import type { SendStep } from '../../model/plan.ts'
import { type Policy, unlimited } from '../../model/policy.ts'
import type { Subvolume } from '../../model/subvolume.ts'
import type { WorkerPool } from '../../pack/worker-pool.ts'
import { epochSituations } from '../../plan/epochs.ts'
import { newestOf } from '../../plan/moments.ts'
import { type ParentCandidate, parentCandidates } from '../../plan/parents.ts'
import type { Context } from '../shared/context.ts'
import { epochNamesOf } from '../shared/epoch-names.ts'
import type { OpenedRemote, Remotes } from '../shared/remotes.ts'
import { lockOfRun, type RunLock } from './lock.ts'
import { canResume, runBackup } from './run.ts'
import { trustedMs } from './store-unseen.ts'
import type { RunOutcome, RunTask } from './task.ts'

/** What is needed to see what there is. */
export interface LookSession {
  readonly context: Context
  readonly config: Config
  readonly remotes: Remotes
  readonly signingKey: SigningKey
  readonly signers: readonly AllowedSigner[]
  /** Not only a look: ledgers are begun and settled. */
  readonly settles?: boolean
}

/** What all sends of a backup command share. */
export interface BackupSession extends LookSession {
  readonly pool: WorkerPool
  readonly budget: Budget
  readonly recipients: readonly string[]
  readonly versions: BtrfsVersions
  readonly check: boolean
  readonly estimate: boolean
}

export interface SendTask {
  readonly source: SourceConfig
  readonly remote: OpenedRemote
  readonly snapshot: Subvolume
  /** Which parents, and what of a full. */
  readonly step: Pick<
    SendStep,
    'epoch' | 'parents' | 'wantsFull' | 'fullLimitBytes' | 'name' | 'lost'
  >
  /** All of this source's snapshots on this machine. */
  readonly snapshots: readonly Subvolume[]
  readonly series: SeriesId
  /** The series on the remote, as it is now. */
  readonly backups: readonly Backup[]
  readonly highestSeq: number
  /** SHA-256 of its newest manifest. */
  readonly newest: Sha256 | null
  readonly ledger?: Ledger | undefined
}

export function seriesOf(
  session: Pick<LookSession, 'signingKey'>,
  source: SourceConfig,
  remote: Pick<OpenedRemote, 'repository'>,
): SeriesId {
  return seriesIdOf(seriesSecretOf(session.signingKey), remote.repository.id, source.name)
}

/** Sends one snapshot to one remote and commits it; tries the next parent when one fails. */
export async function sendBackup(session: BackupSession, task: SendTask): Promise<RunOutcome> {
  const path = journalPath(session.config.state, task.source.name, task.remote.config.name)
  const epoch = epochOfSend(session, task)
  const unfinished = await unfinishedRun(session, task, path)
  const tries = parentsToTry(
    { ...task, backups: epoch.backups },
    unfinishedHere(unfinished, { task, epoch }),
  )
  if (unfinished === undefined && !task.step.wantsFull) tellLostParent(session, task, epoch)
  for (const [index, parent] of tries.entries()) {
    if (parent === null && !isBegunFull(unfinishedHere(unfinished, { task, epoch })))
      await refuseLargeFull(session, task)
    try {
      const lock = await lockOfRun(session, {
        remote: task.remote,
        snapshot: task.snapshot,
        ...epoch,
        parent: parent?.backup,
        series: task.backups,
      })
      const choice = { parent, unfinished, epoch, journalPath: path, lock }
      const run = runTask(session, task, choice)
      return await runBackup(run)
    } catch (error) {
      if (isFailure(error, 'send-failed')) await refuseDeleted(session, task)
      const next = tries[index + 1]
      if (next === undefined || !isFailure(error, 'send-failed')) throw error
      const instead =
        next === null ? 'sending in full' : `trying backup ${next.backup.manifest.seq}`
      session.context.emit({
        kind: 'warning',
        source: task.source.name,
        text: `${error.message}: ${instead} instead of parent ${parent?.backup.manifest.seq}`,
        ...(error.hint !== undefined && { hint: error.hint }),
      })
    }
  }
  throw new Error('a full send is always the last to be tried')
}

async function unfinishedRun(
  { context }: BackupSession,
  { backups, ledger }: SendTask,
  path: string,
): Promise<UnfinishedRun | undefined> {
  const unfinished = unfinishedOf(await loadJournal(path), backups)
  if (unfinished === undefined || ledger === undefined) return unfinished
  // Nobody may look whether a pruner took for orphans what it stored.
  const touchedAt = (await journalTouchedAt(path)) ?? 0
  return Math.abs(context.clock.now() - touchedAt) > trustedMs ? undefined : unfinished
}

/** Without it, no other parent helps. */
async function refuseDeleted({ context }: BackupSession, { snapshot }: SendTask): Promise<void> {
  const { btrfs, signal } = context
  const found = await btrfs.find(snapshot.path, { signal }).catch(() => snapshot)
  if (found?.uuid === snapshot.uuid) return
  throw new Failure('send-failed', `cannot send snapshot ${snapshot.path}: somebody deleted it`, {
    hint: 'nothing of it was committed; the next run goes on with the snapshots that are there',
  })
}

/** What is built on something older than it should be takes longer and costs more. */
function tellLostParent(
  { context }: BackupSession,
  { source, remote, snapshots, snapshot, step }: SendTask,
  { backups, lacksBranch }: SendEpoch,
): void {
  if (lacksBranch !== null) {
    context.emit({
      kind: 'warning',
      source: source.name,
      text: `there is no backup of epoch ${lacksBranch} on ${remote.config.name} to branch from: sending in full`,
      hint: 'is branch_from what the configuration called that epoch?',
    })
  }
  if (step.lost !== undefined) return tellLost(context, { source, remote, step, seq: step.lost })
  const newest = newestOf(backups)?.manifest
  if (newest === undefined || step.parents.some(one => one.snapshot === newest.snapshot.uuid))
    return
  const candidates = parentCandidates(backups, snapshots, snapshot.sourceUuid)
  if (candidates.some(({ backup }) => backup.manifest.seq === newest.seq)) return
  tellLost(context, { source, remote, step, seq: newest.seq })
}

function tellLost(
  { emit }: Context,
  { source, remote, step, seq }: Pick<SendTask, 'source' | 'remote' | 'step'> & { seq: number },
): void {
  const [first] = step.parents
  const instead = first === undefined ? 'sending in full' : `using backup ${first.seq}`
  emit({
    kind: 'warning',
    source: source.name,
    text: `nothing can be built on backup ${seq} on ${remote.config.name}, for its snapshot is no longer here as it was: ${instead}`,
    hint: 'was it deleted or made writable, or is the source another subvolume than before?',
  })
}

function isBegunFull(unfinished: UnfinishedRun | undefined): boolean {
  return unfinished !== undefined && unfinished.run.parent === null
}

/** Undefined when what was cut short is the backup of another snapshot, or for another epoch. */
function unfinishedHere(
  unfinished: UnfinishedRun | undefined,
  { task, epoch }: { readonly task: SendTask; readonly epoch: SendEpoch },
): UnfinishedRun | undefined {
  const isSame =
    unfinished?.run.snapshot === task.snapshot.uuid && unfinished.run.epoch === epoch.named?.id
  return isSame ? unfinished : undefined
}

/** The epoch that a backup is made for. */
interface SendEpoch {
  readonly named: { readonly id: EpochId; readonly name: string } | null
  readonly policy: Policy
  readonly storageClass: string | null
  /** What it may be a difference from, by its epoch. */
  readonly backups: readonly Backup[]
  /** Name of the epoch that it is to branch from, and of which there is nothing. */
  readonly lacksBranch: string | null
}

function epochOfSend(session: LookSession, task: SendTask): SendEpoch {
  const { source, remote, series, backups, step } = task
  const place = source.remotes.find(one => one.remote === remote.config.name)
  const secret = seriesSecretOf(session.signingKey)
  const epochNames = epochNamesOf(source, { secret, series })
  const found = epochSituations({ backups, ruleSets: place?.ruleSets ?? [], epochNames }).find(
    ({ rules }) => rules.epoch === (step.epoch ?? null),
  )
  if (found === undefined) throw new Error('a send step is of an epoch that has no rules')
  const { epoch: name, storageClass, branchFrom, policy } = found.rules
  return {
    named: name === null ? null : { id: epochIdOf(secret, series, name), name },
    policy,
    storageClass,
    backups: found.backups,
    lacksBranch: found.lacksBranch ? branchFrom : null,
  }
}

/** As planned, a full last; but what an unfinished run began with goes before. */
function parentsToTry(
  { backups, snapshots, snapshot, step }: SendTask,
  unfinished: UnfinishedRun | undefined,
): readonly (ParentCandidate | null)[] {
  const candidates = parentCandidates(backups, snapshots, snapshot.sourceUuid)
  const planned = step.parents.flatMap(({ seq, snapshot: uuid }) => {
    const same = candidates.filter(one => one.snapshot.uuid === uuid)
    return same.find(({ backup }) => backup.manifest.seq === seq) ?? same[0] ?? []
  })
  if (unfinished === undefined) return [...planned, null]
  const begun = unfinished.run.parent
  if (begun === null) return [null]
  const isBegun = ({ backup }: ParentCandidate) => backup.manifest.seq === begun.seq
  return [...candidates.filter(isBegun), ...planned.filter(one => !isBegun(one)), null]
}

/** A full that no rule asks for can be more than a connection or a purse bears. */
async function refuseLargeFull(
  { context }: BackupSession,
  { source, remote, snapshot, step }: SendTask,
): Promise<void> {
  if (step.fullLimitBytes >= unlimited) return
  const { signal } = context
  const limit = step.fullLimitBytes
  const bytes = await context.btrfs.writtenSince(snapshot.path, 0, { signal })
  if (limit > 0 && bytes <= limit) return
  throw new Failure(
    'refused',
    `cannot back up ${source.name} to ${remote.config.name}: nothing is left that a difference could be built on, and a full backup of about ${formatBytes(bytes)} is not allowed`,
    { hint: `raise sources.${source.name}.remotes.${remote.config.name}.allow_full` },
  )
}

function runTask(
  session: BackupSession,
  task: SendTask,
  choice: {
    readonly parent: ParentCandidate | null
    readonly unfinished: UnfinishedRun | undefined
    readonly epoch: SendEpoch
    readonly journalPath: string
    readonly lock: RunLock | undefined
  },
): RunTask {
  const { context, pool, budget, signingKey, recipients, versions, check, estimate } = session
  const { source, remote, snapshot, series, ledger, highestSeq } = task
  const { parent, unfinished, epoch } = choice
  const run = {
    context,
    pool,
    budget,
    remote,
    source: source.name,
    sourcePath: source.path,
    series,
    seq: nextSeq([highestSeq]),
    epoch: epoch.named,
    storageClass: epoch.storageClass,
    previous: task.newest,
    ledger,
    snapshot,
    name: task.step.name ?? snapshot.name,
    parent,
    protocol: versions.protocol,
    versions: { kernel: versions.kernel, progs: versions.progs },
    signingKey,
    recipients,
    journalPath: choice.journalPath,
    lock: choice.lock,
    check,
    estimate,
  }
  if (unfinished === undefined) return { ...run, unfinished }
  // A run that was cut between signature and manifest has its number, and keeps it.
  const isSigned = unfinished.commit !== undefined && unfinished.run.seq >= highestSeq
  const resumed = isSigned ? { ...run, seq: unfinished.run.seq } : run
  return canResume(unfinished, resumed)
    ? { ...resumed, unfinished }
    : { ...run, unfinished: undefined }
}

/** A run that was cut after its manifest stood is finished; only its journal is still there. */
export function unfinishedOf(
  journal: UnfinishedRun | undefined,
  backups: readonly Backup[],
): UnfinishedRun | undefined {
  const isCommitted = backups.some(({ manifest }) => manifest.run === journal?.run.run)
  return isCommitted ? undefined : journal
}
