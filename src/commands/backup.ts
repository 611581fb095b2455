// The story of a backup. Read it top to bottom: its calls are the folders of src/, in order.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Budget } from '../base/concurrency.ts'
import { isFailure, throwIfAborted } from '../base/failure.ts'
import { lockFile } from '../base/file-lock.ts'
import { lockPath, recordMadeSnapshot } from '../catalog/local-state.ts'
import type { Config, SourceConfig } from '../config/config.ts'
import type { BackupKind } from '../model/backup.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import type { Plan, SendStep } from '../model/plan.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { packBudgetBytes } from '../pack/packer.ts'
import { checkRecipients, parseRecipient } from '../pack/recipients.ts'
import { WorkerPool } from '../pack/worker-pool.ts'
import type { Marks } from '../plan/marks.ts'
import { kindOf } from '../plan/parents.ts'
import { releasableSnapshots } from '../plan/plan-backup.ts'
import { deleteAsPlanned, type RemoteDeletions } from './backup/deletions.ts'
import { keepGuide } from './backup/keep-guide.ts'
import { agreedMarks, marksOfPlan, refuseOtherPlan } from './backup/plan-hash.ts'
import { planSource, type SourceWishes } from './backup/planned.ts'
import { type BackupSession, sendBackup } from './backup/send.ts'
import { lookAt, type Situation, viewOf } from './backup/situation.ts'
import { chooseNamed } from './shared/choose-remotes.ts'
import { type Context, nowOf } from './shared/context.ts'
import { readSigningPair } from './shared/keys.ts'
import { Remotes } from './shared/remotes.ts'
import {
  combinedStatus,
  type FailureReport,
  incompleteStatus,
  reportFailure,
} from './shared/report.ts'
import { refusal } from './shared/words.ts'

export interface BackupOptions {
  readonly config: Config
  /** Names of sources; empty: all. */
  readonly sources: readonly string[]
  readonly dryRun: boolean
  /** Also what is not due yet. */
  readonly regardless?: boolean | undefined
  /** False: nothing is forgotten or pruned. */
  readonly forget?: boolean | undefined
  /** The hash of a plan that somebody read: anything else is refused. */
  readonly plan?: string | undefined
  /** Open every object again before it is uploaded. */
  readonly check: boolean
  /** Tell with the progress how much there is to send. */
  readonly estimate?: boolean | undefined
}

export interface BackupReport {
  readonly dryRun: boolean
  /** IANA name, for showing times. */
  readonly timezone: string
  readonly sources: readonly SourceReport[]
  readonly exitStatus: number
}

export interface SourceReport {
  readonly source: SourceName
  readonly plan: Plan
  readonly sends: readonly SendReport[]
  /** Paths of snapshots that were deleted because no later send needs them. */
  readonly released: readonly string[]
  /** What the keep rules forgot, and what of it was pruned; remotes on which there was something to do. */
  readonly deletions: readonly RemoteDeletions[]
  readonly failures: readonly (FailureReport & { readonly remote?: string })[]
}

export interface SendReport {
  readonly remote: string
  readonly seq: number
  readonly makes: BackupKind
  readonly snapshot: string
  readonly readBytes: number
  readonly storedBytes: number
  readonly resumedBytes: number
  readonly durationMs: number
}

export async function backup(context: Context, options: BackupOptions): Promise<BackupReport> {
  const sources = chooseSources(options.config, options.sources)
  await using remotes = new Remotes(context, options.config, { ledgers: true })
  await using pool = new WorkerPool()
  const session = await openSession(context, options, { remotes, pool })

  const { regardless = false, forget = true, plan: hash } = options
  const wishes = { regardless, forget }
  const agreed =
    hash === undefined ? hash : await agreedMarks(session, sources, { ...wishes, hash })
  const reports: SourceReport[] = []
  for (const source of sources) {
    throwIfAborted(context.signal)
    const run = { ...wishes, dryRun: options.dryRun, agreed: agreed?.get(source.name) }
    reports.push(await backupSource(session, source, run))
  }
  const failures = reports.flatMap(report => report.failures)
  const successes = reports.filter(
    report => report.failures.length === 0 || report.sends.length > 0,
  )
  const status = combinedStatus(failures, successes.length)
  const isTidy = reports.every(({ deletions }) => deletions.every(one => one.failure === null))
  const exitStatus = status === 0 && !isTidy ? incompleteStatus : status
  const { timezone } = options.config
  return { dryRun: options.dryRun, timezone, sources: reports, exitStatus }
}

interface SourceRun extends SourceWishes {
  readonly dryRun: boolean
  /** What the plan must be; undefined: whatever it is. */
  readonly agreed: Marks | undefined
}

async function backupSource(
  session: BackupSession,
  source: SourceConfig,
  { dryRun, agreed, ...wishes }: SourceRun,
): Promise<SourceReport> {
  const { context, config } = session
  const draft = new ReportDraft(source.name)
  try {
    await using _lock = await lockFile(lockPath(config.state, source.name), context)
    const situation = await lookAt(session, source)
    for (const { remote, failure } of situation.unusable) draft.failed(failure, remote)
    const { steps, problems } = planSource(situation, nowOf(context), wishes)
    const plan = { steps, problems }
    draft.plan = plan
    refuseOtherPlan(agreed, marksOfPlan(situation, plan))
    for (const problem of plan.problems) draft.failed(reportFailure(refusal(problem, source)))
    if (dryRun || plan.problems.length > 0) return draft.finish()
    await carryOut(session, { source, situation, plan }, draft)
    // Without a remote's own word on what it has, nothing is known not to be needed (L9).
    if (draft.hasFailed) return draft.finish()
    const after = draft.hasSent ? await lookAt(session, source, true) : situation
    if (after.unusable.length > 0) return draft.finish()
    await releaseSnapshots(session, { source, situation: after }, draft)
    if (wishes.forget) draft.deletions.push(...(await deleteAsPlanned(session, source, after)))
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    draft.failed(reportFailure(error))
  }
  return draft.finish()
}

interface Work {
  readonly source: SourceConfig
  readonly situation: Situation
  readonly plan: Plan
}

async function carryOut(session: BackupSession, work: Work, draft: ReportDraft): Promise<void> {
  const { source, situation, plan } = work
  const snapshots = [...situation.snapshots]
  for (const step of plan.steps) {
    throwIfAborted(session.context.signal)
    if (step.kind === 'snapshot') snapshots.push(await takeSnapshot(session, source, step.name))
    // What an unfinished run has stored would be lost to another send: there is one journal a remote.
    // And what a remote refused once it would refuse again, for each of many snapshots.
    const isNext = step.kind === 'send' && !draft.hasLeft(step.remote)
    if (isNext) await carryOutSend(session, { source, step, snapshots }, draft)
  }
}

async function takeSnapshot(
  { context, config }: BackupSession,
  source: SourceConfig,
  name: string,
): Promise<Subvolume> {
  const { signal } = context
  // L11: where others make the snapshots, we make none.
  if (source.snapshots.kind !== 'own') throw new Error('a plan to make a snapshot for others')
  const { folder } = source.snapshots
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const snapshot = await context.btrfs.snapshot(source.path, join(folder, name), { signal })
  // L11: what is not recorded as made by us will never be deleted by us: so it goes at once.
  try {
    await recordMadeSnapshot(config.state, source.name, snapshot)
  } catch (error) {
    await context.btrfs.deleteSnapshot(snapshot.path, snapshot.uuid).catch(() => {})
    throw error
  }
  context.emit({ kind: 'step', source: source.name, text: `made snapshot ${snapshot.path}` })
  return snapshot
}

async function carryOutSend(
  session: BackupSession,
  send: { source: SourceConfig; step: SendStep; snapshots: readonly Subvolume[] },
  draft: ReportDraft,
): Promise<void> {
  const { context } = session
  const { source, step, snapshots } = send
  const snapshot = findSnapshot(snapshots, step.snapshot)
  const begun = context.clock.now()
  try {
    const fresh = draft.hasSentTo(step.remote)
    const view = await viewOf(session, { source, remote: step.remote, fresh })
    const { opened: remote, backups } = view
    warnUnlessProven(session, step, remote.memory.provenAt)
    const task = { ...view, source, remote, snapshot, snapshots, step }
    const { backup: made, ...sizes } = await sendBackup(session, task)
    const { seq, parent } = made.manifest
    const makes = kindOf(backups.find(({ manifest }) => manifest.seq === parent?.seq))
    const durationMs = context.clock.now() - begun
    const name = step.name ?? snapshot.name
    draft.sent({ remote: step.remote, seq, makes, snapshot: name, ...sizes, durationMs })
    await keepGuide(session, remote)
  } catch (error) {
    // Another remote may still work; this one is behind, and the next run catches up.
    if (isFailure(error, 'interrupted')) throw error
    draft.failed(reportFailure(error), step.remote)
    const canGoOn = step.reason === 'unfinished' ? 'refused' : 'send-failed'
    if (!isFailure(error, canGoOn)) draft.leave(step.remote)
  }
}

/** L7: what a later send needs as its parent is held; the rest of our snapshots goes. */
async function releaseSnapshots(
  session: BackupSession,
  { source, situation }: Omit<Work, 'plan'>,
  draft: ReportDraft,
): Promise<void> {
  if (situation.adopted !== null) return
  for (const snapshot of releasableSnapshots(situation, nowOf(session.context))) {
    const { signal } = session.context
    await session.context.btrfs.deleteSnapshot(snapshot.path, snapshot.uuid, { signal })
    draft.released.push(snapshot.path)
  }
  for (const { path } of situation.snapshots.filter(({ readOnly }) => !readOnly)) {
    session.context.emit({
      kind: 'warning',
      source: source.name,
      text: `snapshot ${path} was made writable: nothing is built on it, and it is not deleted`,
      hint: 'delete it by hand if nobody uses it (btrfs subvolume delete)',
    })
  }
}

function warnUnlessProven({ context }: BackupSession, step: SendStep, provenAt: Date | null): void {
  if (provenAt !== null) return
  context.emit({
    kind: 'warning',
    source: step.source,
    text: `nobody has shown yet that an identity can open what goes to ${step.remote}`,
    hint: 'run btrvault init --identity FILE once, with the file that keygen made',
  })
}

async function openSession(
  context: Context,
  options: BackupOptions,
  parts: Pick<BackupSession, 'remotes' | 'pool'>,
): Promise<BackupSession> {
  const { config, check, dryRun, estimate = false } = options
  const { signingKey, signers } = await readSigningPair(config.keys)
  const recipients = checkedRecipients(config)
  const versions = await context.btrfs.versions({ signal: context.signal })
  const largest = Math.max(...config.remotes.map(remote => remote.segmentSizeBytes))
  const budget = new Budget(packBudgetBytes(largest))
  const keys = { signingKey, signers, recipients }
  const settles = !dryRun
  return { context, config, ...parts, ...keys, budget, versions, check, estimate, settles }
}

export function checkedRecipients(config: Config): readonly string[] {
  if (config.keys.recipients.length === 0) return []
  return checkRecipients(config.keys.recipients.map(parseRecipient)).map(({ text }) => text)
}

export function chooseSources(config: Config, names: readonly string[]): readonly SourceConfig[] {
  return chooseNamed(config.sources, names, 'source')
}

function findSnapshot(snapshots: readonly Subvolume[], uuid: Uuid | null): Subvolume {
  const found = uuid === null ? snapshots.at(-1) : snapshots.find(one => one.uuid === uuid)
  if (found === undefined) throw new Error('a send step names a snapshot that is not there')
  return found
}

class ReportDraft {
  readonly released: string[] = []
  readonly deletions: RemoteDeletions[] = []
  plan: Plan = { steps: [], problems: [] }
  readonly #source: SourceName
  readonly #sends: SendReport[] = []
  readonly #left = new Set<string>()
  readonly #failures: (FailureReport & { readonly remote?: string })[] = []

  constructor(source: SourceName) {
    this.#source = source
  }

  /** Nothing more goes there in this run; in a later one it may. */
  leave(remote: string): void {
    this.#left.add(remote)
  }

  hasLeft(remote: string): boolean {
    return this.#left.has(remote)
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0
  }

  get hasSent(): boolean {
    return this.#sends.length > 0
  }

  hasSentTo(remote: string): boolean {
    return this.#sends.some(send => send.remote === remote)
  }

  sent(send: SendReport): void {
    this.#sends.push(send)
  }

  failed(failure: FailureReport, remote?: string): void {
    this.#failures.push({ ...failure, ...(remote !== undefined && { remote }) })
  }

  finish(): SourceReport {
    const { plan, released, deletions } = this
    const [source, sends, failures] = [this.#source, this.#sends, this.#failures]
    return { source, plan, sends, released, deletions, failures }
  }
}
