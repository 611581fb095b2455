// What a run of backup should do for one source, and why. Pure: the situation in, a plan out.
//
// A run that finds changes makes one snapshot, for the remotes on which one is due, and sends with it
// what they lack of older ones. plan/due.ts says when, plan/pool.ts what each is a difference from.

import type { Uuid } from '../model/ids.ts'
import type { Plan, Problem, SendStep, Step } from '../model/plan.ts'
import { unlimited } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { isDue, snapshotsToSend } from './due.ts'
import type { At } from './keep.ts'
import { keepLocally } from './local-keep.ts'
import {
  futureParents,
  kindBelow,
  type PoolItem,
  poolOf,
  type Sent,
  sentOf,
  wishParents,
} from './pool.ts'
import type { RemoteSituation, SourceSituation } from './situation.ts'

export interface PlanWishes {
  /** Also where nothing is due yet. */
  readonly regardless?: boolean
}

export function planBackup(situation: SourceSituation, now: Date, wishes: PlanWishes = {}): Plan {
  const problems = problemsOf(situation)
  if (problems.length > 0) return { steps: [], problems }
  const at = { now, timeZone: situation.timeZone }
  const newest = newestSnapshot(situation)
  const changed = newest === undefined || hasChanged(situation.subvolume, newest)
  const usable = usableSnapshots(situation)
  const isDueOn = (remote: RemoteSituation) => wishes.regardless || isDue(remote, usable, at)
  const due = new Set(situation.remotes.filter(isDueOn))
  const makesNew = changed && due.size > 0
  const queues = situation.remotes.map(remote => {
    const isNew = makesNew && due.has(remote)
    const last = !changed && due.has(remote) ? newest : undefined
    return sendsTo(situation, remote, { at, isNew, last })
  })
  const steps = queues.flat()
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

/**
 * L7, L11: snapshots of ours that no later send needs: all but the newest, those that some remote's
 * next backups will be differences from, those of unfinished runs, and what the rule for snapshots
 * keeps besides.
 */
export function releasableSnapshots(situation: SourceSituation, now: Date): Subvolume[] {
  const { timeZone, snapshots, remotes } = situation
  const { uuid } = situation.subvolume
  const at = { now, timeZone }
  const held = new Set<Uuid | null | undefined>([newestSnapshot(situation)?.uuid])
  for (const remote of remotes) {
    const pool = poolOf(remote.backups, snapshots, uuid)
    held.add(remote.unfinished)
    for (const { snapshot } of futureParents({ ...remote, pool, timeZone }, at)) held.add(snapshot)
    for (const one of snapshotsToSend(remote, usableSnapshots(situation), at)) held.add(one.uuid)
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
export function newestSnapshot(situation: SourceSituation): Subvolume | undefined {
  return usableSnapshots(situation).sort(
    (a, b) => b.creationGeneration - a.creationGeneration || b.id - a.id,
  )[0]
}

function usableSnapshots({ subvolume, snapshots }: SourceSituation): Subvolume[] {
  return snapshots.filter(({ sourceUuid, readOnly }) => sourceUuid === subvolume.uuid && readOnly)
}

interface Queue {
  readonly at: At
  /** The snapshot that the run makes goes there. */
  readonly isNew: boolean
  /** The newest snapshot, where nothing changed since and the remote may lack it. */
  readonly last: Subvolume | undefined
}

/** One remote's sends, each of which can be the parent of those after it. */
function sendsTo(situation: SourceSituation, remote: RemoteSituation, queue: Queue): SendStep[] {
  const draft = new SendDraft(situation, remote)
  const unfinished = situation.snapshots.find(
    ({ uuid, readOnly }) => uuid === remote.unfinished && readOnly,
  )
  if (unfinished) draft.send(unfinished, 'unfinished')
  const behind = snapshotsToSend(remote, usableSnapshots(situation), queue.at)
  for (const snapshot of behind) draft.send(snapshot, draft.isEmpty ? 'first' : 'behind')
  if (queue.last) draft.send(queue.last, draft.isEmpty ? 'first' : 'behind')
  if (queue.isNew) draft.sendNew(queue.at.now, draft.isEmpty ? 'first' : 'changed')
  return draft.steps
}

class SendDraft {
  readonly steps: SendStep[] = []
  readonly #situation: SourceSituation
  readonly #remote: RemoteSituation
  readonly #planned: (PoolItem & { readonly sourceUuid: Uuid | null })[] = []
  readonly #there: Set<Uuid>
  readonly #pools = new Map<Uuid | null, readonly PoolItem[]>()

  constructor(situation: SourceSituation, remote: RemoteSituation) {
    this.#situation = situation
    this.#remote = remote
    this.#there = new Set(remote.backups.map(({ manifest }) => manifest.snapshot.uuid))
  }

  get isEmpty(): boolean {
    return this.#remote.backups.length + this.steps.length === 0
  }

  /** An unfinished one is finished even if another run committed its snapshot meanwhile. */
  send(snapshot: Subvolume, reason: SendStep['reason']): void {
    const isThere = this.#there.has(snapshot.uuid)
    if (isThere && reason !== 'unfinished') return
    this.#plan(sentOf(snapshot), { reason, sourceUuid: snapshot.sourceUuid, isThere })
    this.#there.add(snapshot.uuid)
  }

  sendNew(now: Date, reason: SendStep['reason']): void {
    const sent = { snapshot: null, timeMs: now.getTime(), generation: Number.MAX_SAFE_INTEGER }
    this.#plan(sent, { reason, sourceUuid: this.#situation.subvolume.uuid, isThere: false })
  }

  #plan(
    sent: Sent,
    what: { reason: SendStep['reason']; sourceUuid: Uuid | null; isThere: boolean },
  ): void {
    const { name: source, timeZone } = this.#situation
    const { remote, policy, backups } = this.#remote
    const { reason, sourceUuid, isThere } = what
    // A difference from another subvolume's snapshot is a stream that means something else.
    const planned = this.#planned.filter(one => one.sourceUuid === sourceUuid).toReversed()
    const pool = [...planned, ...this.#committed(sourceUuid)]
    const { parents, wantsFull } = wishParents({ policy, backups, pool, timeZone }, sent)
    this.steps.push({
      kind: 'send',
      source,
      remote,
      snapshot: sent.snapshot,
      parents: parents.flatMap(({ seq, snapshot }) => (snapshot ? [{ seq, snapshot }] : [])),
      makes: kindBelow(parents[0]),
      reason,
      wantsFull,
      fullLimitBytes: wantsFull ? unlimited : policy.allowFullBytes,
    })
    const highest = backups.reduce((most, { manifest }) => Math.max(most, manifest.seq), 0)
    const seq = highest + this.#planned.length + 1
    const depth = (parents[0]?.depth ?? 0) + 1
    if (!isThere) this.#planned.push({ ...sent, seq, depth, sourceUuid })
  }
  #committed(sourceUuid: Uuid | null): readonly PoolItem[] {
    const known = this.#pools.get(sourceUuid)
    const pool = known ?? poolOf(this.#remote.backups, this.#situation.snapshots, sourceUuid)
    this.#pools.set(sourceUuid, pool)
    return pool
  }
}
