// What is due: a remote whose rule has spans gets a backup only when a span lacks its own, so that a
// timer may run as often as it likes.

import type { Policy } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { type EpochSituation, epochSituations, isLeaf, withoutCovered } from './epochs.ts'
import type { At } from './keep.ts'
import { nominalItems } from './keep.ts'
import { inOrderOfMaking, snapshotMoment } from './moments.ts'
import type { SeriesRules } from './situation.ts'
import { Spans } from './spans.ts'

export interface DueWishes {
  readonly at: At
  /** Also where nothing is due yet. */
  readonly regardless: boolean
}

/** Those of a remote for which a snapshot made now is to be sent: one that counts for two, for one. */
export function dueEpochs(
  series: SeriesRules,
  snapshots: readonly Subvolume[],
  { at, regardless }: DueWishes,
): EpochSituation[] {
  const all = epochSituations(series)
  return withoutCovered(
    all.filter(one => isDue(one, snapshots, at) || (regardless && isLeaf(one, all))),
  )
}

export interface Behind {
  readonly snapshot: Subvolume
  readonly epoch: EpochSituation
}

export interface BehindWishes {
  readonly at: At
  /** Also this one, to these; where nothing changed since it was made. */
  readonly last?: { readonly snapshot: Subvolume; readonly due: readonly EpochSituation[] }
}

/** What a remote lacks of older snapshots, and for which epoch; oldest first. */
export function behindOn(
  series: SeriesRules,
  snapshots: readonly Subvolume[],
  { at, last }: BehindWishes,
): readonly Behind[] {
  const wantsLast = new Set(last?.due.map(({ rules }) => rules.epoch))
  return behindBy(series, epoch => {
    const lacksLast = last && wantsLast.has(epoch.rules.epoch) && !hasSnapshot(epoch, last.snapshot)
    return [...snapshotsToSend(epoch, snapshots, at), ...(lacksLast ? [last.snapshot] : [])]
  })
}

/** The same for what `lacking` says of each epoch. */
export function behindBy(
  series: SeriesRules,
  lacking: (epoch: EpochSituation) => readonly Subvolume[],
): readonly Behind[] {
  const wanted = new Map<Subvolume, Set<EpochSituation>>()
  for (const epoch of epochSituations(series)) {
    for (const snapshot of lacking(epoch))
      wanted.set(snapshot, (wanted.get(snapshot) ?? new Set()).add(epoch))
  }
  return inOrderOfMaking([...wanted.keys()], snapshotMoment).flatMap(({ item }) =>
    withoutCovered([...(wanted.get(item) ?? [])]).map(epoch => ({ snapshot: item, epoch })),
  )
}

function hasSnapshot({ backups }: EpochSituation, { uuid }: Subvolume): boolean {
  return backups.some(({ manifest }) => manifest.snapshot.uuid === uuid)
}

/** Whether the span of some unit that holds now has neither a backup nor a snapshot to make one of. */
function isDue(
  { rules: { policy }, backups }: EpochSituation,
  snapshots: readonly Subvolume[],
  at: At,
): boolean {
  if (!isCalendar(policy)) return true
  const nowMs = at.now.getTime()
  const times = [
    ...backups.map(({ manifest }) => manifest.snapshot.createdAt.getTime()),
    ...snapshots.map(({ createdAt }) => createdAt.getTime()),
  ]
  return policy.keep.spans.some(({ unit }) => {
    const { startMs } = new Spans(unit, at.timeZone).at(nowMs)
    return !times.some(timeMs => timeMs >= startMs && timeMs <= nowMs)
  })
}

/** When the rule wants another backup after one of that time: when the first of its spans is over. */
export function dueFrom({ rules }: EpochSituation, newest: Date, timeZone: string): Date {
  const ends = rules.policy.keep.spans.map(
    ({ unit }) => new Spans(unit, timeZone).at(newest.getTime()).endMs,
  )
  return ends.length === 0 ? newest : new Date(Math.min(...ends))
}

/** The first snapshots of spans of which the remote has no backup that is as old; oldest first. */
function snapshotsToSend(
  { rules: { policy }, backups }: EpochSituation,
  snapshots: readonly Subvolume[],
  at: At,
): Subvolume[] {
  if (!isCalendar(policy)) return []
  const nowMs = at.now.getTime()
  const past = inOrderOfMaking(snapshots, snapshotMoment).filter(({ timeMs }) => timeMs <= nowMs)
  const there = new Set(backups.map(({ manifest }) => manifest.snapshot.uuid))
  const times = backups.map(({ manifest }) => manifest.snapshot.createdAt.getTime())
  const inOrder = times.sort((a, b) => a - b)
  const wanted = new Set<Subvolume>()
  for (const span of policy.keep.spans) {
    const spans = new Spans(span.unit, at.timeZone)
    const oldest = new Map<number, number>()
    for (const timeMs of inOrder.toReversed()) oldest.set(spans.at(timeMs).startMs, timeMs)
    for (const { item, startMs } of nominalItems(past, span, at)) {
      const hasOlder = (oldest.get(startMs) ?? Infinity) <= item.createdAt.getTime()
      if (!hasOlder && !there.has(item.uuid)) wanted.add(item)
    }
  }
  return past.map(({ item }) => item).filter(item => wanted.has(item))
}

function isCalendar({ keep }: Policy): boolean {
  return keep.spans.length > 0
}
