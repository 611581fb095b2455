// What one run sends to one remote, in order, each of which can be the parent of those after it.

import type { Uuid } from '../model/ids.ts'
import type { SendStep } from '../model/plan.ts'
import { unlimited } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'
import type { Behind } from './due.ts'
import { type EpochName, type EpochSituation, epochOf, epochSituations } from './epochs.ts'
import {
  kindBelow,
  type Place,
  type PoolItem,
  poolOf,
  type Sent,
  sentOf,
  wholePoolOf,
  wishParents,
} from './pool.ts'
import { nextSeqOn, type RemoteSituation, type SourceSituation } from './situation.ts'

export interface Queue {
  readonly now: Date
  readonly behind: readonly Behind[]
  /** Epochs that are to have the snapshot that the run makes. */
  readonly due: readonly EpochSituation[]
}

export function sendsTo(
  situation: SourceSituation,
  remote: RemoteSituation,
  { now, behind, due }: Queue,
): SendStep[] {
  const draft = new SendDraft(situation, remote)
  const begun = unfinishedEpoch(remote)
  const unfinished = situation.snapshots.find(
    ({ uuid, readOnly }) => uuid === remote.unfinished && readOnly,
  )
  if (unfinished && begun) draft.send(unfinished, begun, 'unfinished')
  const lacks = situation.adopted === null ? 'behind' : 'adopted'
  for (const { snapshot, epoch } of behind) draft.send(snapshot, epoch, lacks)
  for (const epoch of due) draft.sendNew(now, epoch)
  return draft.steps
}

/** Undefined also when no rule set speaks of its epoch any more: then it is not finished. */
export function unfinishedEpoch(remote: RemoteSituation): EpochSituation | undefined {
  const id = remote.unfinishedEpoch
  const name = id === undefined ? null : remote.epochNames.get(id)
  return epochSituations(remote).find(({ rules }) => rules.epoch === name)
}

class SendDraft {
  readonly steps: SendStep[] = []
  readonly #situation: SourceSituation
  readonly #remote: RemoteSituation
  readonly #planned: (PoolItem & { readonly sourceUuid: Uuid | null })[] = []
  readonly #there = new Map<Uuid, Set<EpochName>>()
  readonly #pools = new Map<Uuid | null, readonly PoolItem[]>()

  constructor(situation: SourceSituation, remote: RemoteSituation) {
    this.#situation = situation
    this.#remote = remote
    for (const backup of remote.backups) {
      this.#add(backup.manifest.snapshot.uuid, epochOf(backup, remote.epochNames))
    }
  }

  /** An unfinished one is finished even if another run committed its snapshot meanwhile. */
  send(
    snapshot: Subvolume,
    epoch: EpochSituation,
    reason: 'behind' | 'adopted' | 'unfinished',
  ): void {
    const isThere = epoch.line.some(name => this.#there.get(snapshot.uuid)?.has(name))
    if (isThere && reason !== 'unfinished') return
    const why = reason !== 'unfinished' && this.#isFirst(epoch) ? 'first' : reason
    const { sourceUuid } = snapshot
    this.#plan(sentOf(snapshot), { reason: why, sourceUuid, isThere, epoch })
    this.#add(snapshot.uuid, epoch.rules.epoch)
  }

  sendNew(now: Date, epoch: EpochSituation): void {
    const sent = { snapshot: null, timeMs: now.getTime(), generation: Number.MAX_SAFE_INTEGER }
    const reason = this.#isFirst(epoch) ? 'first' : 'changed'
    const sourceUuid = this.#situation.subvolume.uuid
    this.#plan(sent, { reason, sourceUuid, isThere: false, epoch })
  }

  #add(snapshot: Uuid, epoch: EpochName): void {
    this.#there.set(snapshot, (this.#there.get(snapshot) ?? new Set()).add(epoch))
  }

  #isFirst({ backups, above, rules }: EpochSituation): boolean {
    const isPlanned = this.#planned.some(({ epoch }) => epoch === rules.epoch)
    return backups.length === above.length && !isPlanned
  }

  #plan(
    sent: Sent,
    what: {
      readonly reason: SendStep['reason']
      readonly sourceUuid: Uuid | null
      readonly isThere: boolean
      readonly epoch: EpochSituation
    },
  ): void {
    const { name: source, timeZone, adopted } = this.#situation
    const { remote } = this.#remote
    const { reason, sourceUuid, isThere, epoch } = what
    const { rules } = epoch
    // A difference from another subvolume's snapshot is a stream that means something else.
    const planned = this.#planned.filter(one => one.sourceUuid === sourceUuid).toReversed()
    const pool = [...planned, ...this.#committed(sourceUuid)]
    const { parents, wantsFull } = wishParents({ ...epoch, pool, timeZone }, sent)
    const name = adopted?.names.get(sent.snapshot as Uuid)
    const lost =
      adopted === null ? undefined : this.#lostParent({ ...epoch, pool: planned, timeZone }, sent)
    const isLost = lost !== undefined && lost.seq !== parents[0]?.seq
    this.steps.push({
      kind: 'send',
      source,
      remote,
      ...(rules.epoch !== null && { epoch: rules.epoch }),
      snapshot: sent.snapshot,
      ...(name !== undefined && { name }),
      ...(isLost && { lost: lost.seq }),
      parents: parents.flatMap(({ seq, snapshot }) => (snapshot ? [{ seq, snapshot }] : [])),
      makes: kindBelow(parents[0]),
      reason,
      wantsFull,
      fullLimitBytes: wantsFull ? unlimited : rules.policy.allowFullBytes,
    })
    const seq = nextSeqOn(this.#remote) + this.#planned.length
    const depth = (parents[0]?.depth ?? 0) + 1
    if (!isThere) this.#planned.push({ ...sent, seq, depth, sourceUuid, epoch: rules.epoch })
  }

  /** What it would be a difference from, were every snapshot of a backup still here. */
  #lostParent(place: Place, sent: Sent): PoolItem | undefined {
    const pool = [...place.pool, ...wholePoolOf(this.#remote, this.#situation.subvolume.uuid)]
    return wishParents({ ...place, pool }, sent).parents[0]
  }

  #committed(sourceUuid: Uuid | null): readonly PoolItem[] {
    const known = this.#pools.get(sourceUuid)
    const pool = known ?? poolOf(this.#remote, this.#situation.snapshots, sourceUuid)
    this.#pools.set(sourceUuid, pool)
    return pool
  }
}
