// What a run of backup should do for one source, and why. Pure: the situation in, a plan out.
//
// A run that finds changes makes one snapshot, for the remotes on which one is due, and sends with it
// what they lack of older ones. plan/due.ts says when, plan/pool.ts what each is a difference from.

import type { SourceName, Uuid } from '../model/ids.ts'
import type { Plan, Problem, SendStep, Step } from '../model/plan.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { adoptedToSend } from './adopted.ts'
import { behindBy, behindOn, dueEpochs } from './due.ts'
import { epochSituations, isLeaf, withoutCovered } from './epochs.ts'
import { keepLocally } from './local-keep.ts'
import { futureParents, poolOf } from './pool.ts'
import { sendsTo, unfinishedEpoch } from './sends.ts'
import type { SourceSituation } from './situation.ts'

export interface PlanWishes {
  /** Also where nothing is due yet. */
  readonly regardless?: boolean
}

export function planBackup(situation: SourceSituation, now: Date, wishes: PlanWishes = {}): Plan {
  const problems = problemsOf(situation)
  if (problems.length > 0) return { steps: [], problems }
  if (situation.adopted !== null) return planAdopted(situation, now, wishes)
  const at = { now, timeZone: situation.timeZone }
  const newest = newestSnapshot(situation)
  const changed = newest === undefined || hasChanged(situation.subvolume, newest)
  const usable = usableSnapshots(situation)
  const regardless = wishes.regardless ?? false
  const due = situation.remotes.map(remote => dueEpochs(remote, usable, { at, regardless }))
  const makesNew = changed && due.some(epochs => epochs.length > 0)
  const steps = situation.remotes.flatMap((remote, index) => {
    const epochs = due[index] ?? []
    const last = changed ? {} : { last: { snapshot: newest, due: epochs } }
    const behind = behindOn(remote, usable, { at, ...last })
    return sendsTo(situation, remote, { now, behind, due: changed ? epochs : [] })
  })
  const isUnfinished = ({ reason }: SendStep) => reason === 'unfinished'
  const name = snapshotName(situation, now)
  const snapshot: Step[] = makesNew
    ? [{ kind: 'snapshot', source: situation.name, name, reason: newest ? 'changed' : 'first' }]
    : []
  return {
    steps: [
      ...steps.filter(isUnfinished),
      ...snapshot,
      ...steps.filter(step => !isUnfinished(step)),
    ],
    problems,
  }
}

/** Others make the snapshots: there is nothing to make, and nothing to wait for. */
function planAdopted(situation: SourceSituation, now: Date, wishes: PlanWishes): Plan {
  const { snapshots, remotes, timeZone } = situation
  const at = { now, timeZone }
  const steps = remotes.flatMap(remote => {
    const all = epochSituations(remote)
    const roots = new Set(withoutCovered(all).map(({ rules }) => rules.epoch))
    const forgotten = remote.forgotten ?? new Set<Uuid>()
    const behind = behindBy(remote, epoch => {
      const isRoot = roots.has(epoch.rules.epoch)
      const wantsNewest = (wishes.regardless ?? false) && isLeaf(epoch, all)
      return adoptedToSend(epoch, { snapshots, forgotten, isRoot, wantsNewest }, at)
    })
    return sendsTo(situation, remote, { now, behind, due: [] })
  })
  return { steps, problems: [] }
}

/**
 * L7, L11: snapshots of ours that no later send needs: all but the newest, those that some remote's
 * next backups will be differences from, those of unfinished runs, and what the rule for snapshots
 * keeps besides.
 */
export function releasableSnapshots(situation: SourceSituation, now: Date): Subvolume[] {
  if (situation.adopted !== null) return []
  const { timeZone, snapshots, remotes } = situation
  const { uuid } = situation.subvolume
  const at = { now, timeZone }
  const held = new Set<Uuid | null | undefined>([newestSnapshot(situation)?.uuid])
  for (const remote of remotes) {
    const pool = poolOf(remote, snapshots, uuid)
    if (unfinishedEpoch(remote) !== undefined) held.add(remote.unfinished)
    for (const epoch of epochSituations(remote)) {
      for (const one of futureParents({ ...epoch, pool, timeZone }, at)) held.add(one.snapshot)
    }
    for (const one of behindOn(remote, usableSnapshots(situation), { at }))
      held.add(one.snapshot.uuid)
  }
  for (const [one, reasons] of keepLocally(situation, now)) {
    if (reasons.length > 0) held.add(one?.uuid)
  }
  // One that somebody made writable is in use by somebody.
  return snapshots.filter(snapshot => snapshot.readOnly && !held.has(snapshot.uuid))
}

/**
 * A snapshot raises the source's generation to its own creation generation, and any later change
 * raises it further.
 */
export function hasChanged(source: Subvolume, newest: Subvolume): boolean {
  return source.generation > newest.creationGeneration
}

/** `home.20261121T093000Z`; a number is appended while the name is taken. */
export function snapshotName({ name, snapshots, otherNames }: SourceSituation, now: Date): string {
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const taken = new Set([...otherNames, ...snapshots.map(snapshot => snapshot.name)])
  for (let again = 1; ; again += 1) {
    const candidate = again === 1 ? `${name}.${time}` : `${name}.${time}.${again}`
    if (!taken.has(candidate)) return candidate
  }
}

/** Whether a snapshot has a name as ours have. */
export function isNameOfOurs(source: SourceName, name: string): boolean {
  const rest = name.startsWith(`${source}.`) ? name.slice(source.length + 1) : ''
  return /^\d{8}T\d{6}Z(\.\d+)?$/.test(rest)
}

function problemsOf(situation: SourceSituation): Problem[] {
  const { name, subvolume, nested, adopted, snapshots } = situation
  const problems: Problem[] = []
  if (nested.length > 0) problems.push({ kind: 'nested', source: name, names: nested })
  // Its snapshots would all be sent under one and the same uuid, which nobody could tell apart.
  if (subvolume.receivedUuid !== null) {
    problems.push({ kind: 'received-source', source: name, names: [] })
  } else if (adopted !== null && snapshots.length === 0) {
    const { skipped } = adopted
    problems.push({ kind: 'no-snapshots', source: name, names: [], skipped })
  }
  return problems
}

/** Of the subvolume that stands there now; by generation, for clocks are set wrong. */
export function newestSnapshot(situation: SourceSituation): Subvolume | undefined {
  return usableSnapshots(situation).sort(
    (a, b) => b.creationGeneration - a.creationGeneration || b.id - a.id,
  )[0]
}

function usableSnapshots({ subvolume, snapshots }: SourceSituation): Subvolume[] {
  return snapshots.filter(({ sourceUuid, readOnly }) => sourceUuid === subvolume.uuid && readOnly)
}
