// What a run of backup should do for one source, and why. Pure: the situation in, a plan out.
//
// Every run that finds changes makes one backup, as a difference from the newest committed one
// whose snapshot is still on this machine.

import type { Backup } from '../model/backup.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import type { ParentChoice, Plan, Problem, SendStep, Step } from '../model/plan.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { kindOf, parentCandidates } from './parents.ts'

export interface SourceSituation {
  readonly name: SourceName
  /** After a sync: its generation tells of every change. */
  readonly subvolume: Subvolume
  /** Subvolumes inside that nobody said to ignore. */
  readonly nested: readonly string[]
  /** Of this source, made by us, in our folder. */
  readonly snapshots: readonly Subvolume[]
  readonly remotes: readonly RemoteSituation[]
}

export interface RemoteSituation {
  readonly remote: string
  /** The series of this source there. */
  readonly backups: readonly Backup[]
  /** The snapshot of a run that was cut short and can go on. */
  readonly unfinished: Uuid | undefined
}

export function planBackup(situation: SourceSituation, now: Date): Plan {
  const problems = problemsOf(situation)
  if (problems.length > 0) return { steps: [], problems }
  const newest = newestSnapshot(situation)
  const unfinished = situation.remotes.flatMap(remote => unfinishedStep(situation, remote))
  const changed = newest === undefined || hasChanged(situation.subvolume, newest)
  const name = snapshotName(situation, now)
  const rest: Step[] = changed
    ? [
        { kind: 'snapshot', source: situation.name, name, reason: newest ? 'changed' : 'first' },
        ...situation.remotes.map(remote => sendNew(situation, remote, unfinished)),
      ]
    : situation.remotes.flatMap(remote => catchUp(situation, remote, { newest, unfinished }))
  return { steps: [...unfinished, ...rest], problems }
}

/**
 * L7, L11: snapshots of ours that no later send needs: all but the newest, those that some remote
 * has as its newest backup, and those of unfinished runs.
 */
export function releasableSnapshots(situation: SourceSituation): Subvolume[] {
  const { uuid } = situation.subvolume
  const held = new Set<Uuid | undefined>([newestSnapshot(situation)?.uuid])
  for (const { backups, unfinished } of situation.remotes) {
    held.add(unfinished)
    held.add(parentCandidates(backups, situation.snapshots, uuid)[0]?.snapshot.uuid)
  }
  // One that somebody made writable is in use by somebody.
  return situation.snapshots.filter(snapshot => snapshot.readOnly && !held.has(snapshot.uuid))
}

/**
 * A snapshot raises the source's generation to its own creation generation, and any later change
 * raises it further.
 */
export function hasChanged(source: Subvolume, newest: Subvolume): boolean {
  return source.generation > newest.creationGeneration
}

/** `home.20261121T093000Z`; a number is appended while the name is taken. */
export function snapshotName({ name, snapshots }: SourceSituation, now: Date): string {
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const taken = new Set(snapshots.map(snapshot => snapshot.name))
  for (let again = 1; ; again += 1) {
    const candidate = again === 1 ? `${name}.${time}` : `${name}.${time}.${again}`
    if (!taken.has(candidate)) return candidate
  }
}

function problemsOf({ name, subvolume, nested }: SourceSituation): Problem[] {
  const problems: Problem[] = []
  if (nested.length > 0) problems.push({ kind: 'nested', source: name, names: nested })
  // Its snapshots would all be sent under one and the same uuid, which nobody could tell apart.
  if (subvolume.receivedUuid !== null) {
    problems.push({ kind: 'received-source', source: name, names: [] })
  }
  return problems
}

/** Of the subvolume that stands there now; by generation, for clocks are set wrong. */
export function newestSnapshot({ subvolume, snapshots }: SourceSituation): Subvolume | undefined {
  return snapshots
    .filter(snapshot => snapshot.sourceUuid === subvolume.uuid && snapshot.readOnly)
    .sort((a, b) => b.creationGeneration - a.creationGeneration || b.id - a.id)[0]
}

function unfinishedStep(situation: SourceSituation, remote: RemoteSituation): SendStep[] {
  const { unfinished } = remote
  const isHere = situation.snapshots.some(one => one.uuid === unfinished && one.readOnly)
  if (unfinished === undefined || !isHere) return []
  return [sendStep(situation, remote, { snapshot: unfinished, reason: 'unfinished' })]
}

function sendNew(
  situation: SourceSituation,
  remote: RemoteSituation,
  unfinished: readonly SendStep[],
): SendStep {
  const first = unfinished.find(step => step.remote === remote.remote)
  const reason = remote.backups.length === 0 && first === undefined ? 'first' : 'changed'
  const step = sendStep(situation, remote, { snapshot: null, reason })
  return first === undefined ? step : afterUnfinished(situation, remote, { step, first })
}

/** By then the unfinished one is committed, and is the newest that there is on the remote. */
function afterUnfinished(
  { snapshots, subvolume }: SourceSituation,
  { backups }: RemoteSituation,
  { step, first }: { readonly step: SendStep; readonly first: SendStep },
): SendStep {
  const snapshot = snapshots.find(({ uuid }) => uuid === first.snapshot)
  const isThere = backups.some(({ manifest }) => manifest.snapshot.uuid === first.snapshot)
  if (snapshot?.sourceUuid !== subvolume.uuid || isThere) return step
  const seq = backups.reduce((most, { manifest }) => Math.max(most, manifest.seq), 0) + 1
  const parents = [{ seq, snapshot: snapshot.uuid }, ...step.parents]
  return { ...step, parents, makes: first.makes === 'full' ? 'differential' : 'incremental' }
}

function catchUp(
  situation: SourceSituation,
  remote: RemoteSituation,
  known: { newest: Subvolume | undefined; unfinished: readonly SendStep[] },
): SendStep[] {
  const uuid = known.newest?.uuid
  if (uuid === undefined) return []
  const first = known.unfinished.find(step => step.remote === remote.remote)
  const isThere = remote.backups.some(({ manifest }) => manifest.snapshot.uuid === uuid)
  if (isThere || first?.snapshot === uuid) return []
  const reason = remote.backups.length === 0 && first === undefined ? 'first' : 'behind'
  const step = sendStep(situation, remote, { snapshot: uuid, reason })
  return [first === undefined ? step : afterUnfinished(situation, remote, { step, first })]
}

function sendStep(
  situation: SourceSituation,
  remote: RemoteSituation,
  what: Pick<SendStep, 'snapshot' | 'reason'>,
): SendStep {
  const { snapshots, subvolume } = situation
  const sent = snapshots.find(({ uuid }) => uuid === what.snapshot)
  // An unfinished one may be of a subvolume that another has taken the place of since.
  const sourceUuid = sent === undefined ? subvolume.uuid : sent.sourceUuid
  const candidates = parentCandidates(remote.backups, snapshots, sourceUuid).filter(
    ({ snapshot }) => snapshot.uuid !== what.snapshot,
  )
  const parents: ParentChoice[] = candidates.map(({ backup, snapshot }) => {
    return { seq: backup.manifest.seq, snapshot: snapshot.uuid }
  })
  const makes = kindOf(candidates[0]?.backup)
  return { kind: 'send', source: situation.name, remote: remote.remote, parents, makes, ...what }
}
