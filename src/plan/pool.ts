// What a new backup can be a difference from: snapshots that are here and committed on the remote, or
// will be by then, because the same run sends them before.

import type { Backup, BackupKind } from '../model/backup.ts'
import type { Uuid } from '../model/ids.ts'
import type { Policy } from '../model/policy.ts'
import type { Subvolume } from '../model/subvolume.ts'
import type { At } from './keep.ts'
import { parentCandidates } from './parents.ts'
import { Spans, spansBetween } from './spans.ts'

export interface PoolItem {
  /** Expected, for what is not committed yet. */
  readonly seq: number
  /** Null: the snapshot that the run makes. */
  readonly snapshot: Uuid | null
  readonly timeMs: number
  readonly generation: number
  /** Backups in the chain up to and with this one. */
  readonly depth: number
}

/** What is to be sent. */
export type Sent = Pick<PoolItem, 'snapshot' | 'timeMs' | 'generation'>

export interface ParentWish {
  /** In the order in which they are to be tried. */
  readonly parents: readonly PoolItem[]
  /** A full is what the rules want here, or the first; else it is the last resort. */
  readonly wantsFull: boolean
}

export function sentOf(snapshot: Subvolume): Sent {
  const { uuid, createdAt, creationGeneration: generation } = snapshot
  return { snapshot: uuid, timeMs: createdAt.getTime(), generation }
}

/** Newest first. */
export function poolOf(
  backups: readonly Backup[],
  snapshots: readonly Subvolume[],
  sourceUuid: Uuid | null,
): PoolItem[] {
  const depths = depthsOf(backups)
  return parentCandidates(backups, snapshots, sourceUuid).map(({ backup, snapshot }) => ({
    seq: backup.manifest.seq,
    ...sentOf(snapshot),
    depth: depths.get(backup.manifest.seq) ?? 1,
  }))
}

export function kindBelow(parent: PoolItem | undefined): BackupKind {
  if (parent === undefined) return 'full'
  return parent.depth === 1 ? 'differential' : 'incremental'
}

export interface Place {
  readonly policy: Policy
  /** All of the series, whether their snapshots are here or not. */
  readonly backups: readonly Backup[]
  /** Newest first. */
  readonly pool: readonly PoolItem[]
  readonly timeZone: string
}

export function wishParents(place: Place, sent: Sent): ParentWish {
  const { backups, policy } = place
  const pool = place.pool.filter(({ snapshot }) => snapshot === null || snapshot !== sent.snapshot)
  const wish = policy.shape === 'tree' ? wishInTree : wishInChain
  const { parents, wantsFull } = wish({ ...place, pool }, sent)
  return { parents, wantsFull: wantsFull || backups.length + pool.length === 0 }
}

function wishInChain(place: Place, sent: Sent): ParentWish {
  const { policy, pool } = place
  const isLongest = policy.maxChain !== null && (pool[0]?.depth ?? 0) >= policy.maxChain
  const wantsFull = isLongest || (policy.fullEvery !== null && isFullDue(place, sent))
  return { parents: wantsFull ? [] : pool, wantsFull }
}

/**
 * From the longest unit to the shortest, the first of the span that this one lies in; no further
 * than to the unit of whose span this one is itself the first.
 */
function wishInTree(place: Place, sent: Sent): ParentWish {
  const { policy, pool, timeZone } = place
  const older = pool.filter(({ generation }) => generation < sent.generation)
  let parent: PoolItem | undefined
  for (const { unit } of policy.keep.spans) {
    const first = firstOfSpan(older, new Spans(unit, timeZone).at(sent.timeMs))
    if (first === undefined) break
    parent = first
  }
  if (parent === undefined && policy.fullEvery !== null && !isFullDue(place, sent)) {
    parent = older.find(({ depth }) => depth === 1)
  }
  if (parent !== undefined) {
    return { parents: [parent, ...older.filter(one => one !== parent)], wantsFull: false }
  }
  return lostParent(place, sent) ? { parents: older, wantsFull: false } : fullByRule
}

const fullByRule: ParentWish = { parents: [], wantsFull: true }

/** The remote has the first of the span, and its snapshot is not here any more. */
function lostParent({ policy, backups, timeZone }: Place, sent: Sent): boolean {
  const [longest] = policy.keep.spans
  if (longest === undefined) return false
  const { startMs } = new Spans(longest.unit, timeZone).at(sent.timeMs)
  return backups.some(({ manifest }) => {
    const { uuid, createdAt } = manifest.snapshot
    const timeMs = createdAt.getTime()
    return uuid !== sent.snapshot && timeMs >= startMs && timeMs < sent.timeMs
  })
}

function isFullDue({ policy, backups, timeZone }: Place, sent: Sent): boolean {
  const last = backups.findLast(({ manifest }) => manifest.parent === null)
  if (last === undefined || policy.fullEvery === null) return true
  const earlierMs = last.manifest.snapshot.createdAt.getTime()
  const passed = spansBetween(policy.fullEvery, { earlierMs, laterMs: sent.timeMs, timeZone })
  return passed >= policy.fullEvery.count
}

/** L7: what later sends will want as their parents. */
export function futureParents({ policy, pool, timeZone }: Place, { now }: At): PoolItem[] {
  const [newest] = pool
  const held = newest === undefined ? [] : [newest]
  if (policy.fullEvery !== null) held.push(...pool.filter(({ depth }) => depth === 1).slice(0, 1))
  if (policy.shape === 'chain') return held
  for (const { unit } of policy.keep.spans) {
    const first = firstOfSpan(pool, new Spans(unit, timeZone).at(now.getTime()))
    if (first !== undefined) held.push(first)
  }
  return held
}

function firstOfSpan(
  pool: readonly PoolItem[],
  span: { readonly startMs: number; readonly endMs: number },
): PoolItem | undefined {
  return pool
    .filter(({ timeMs }) => timeMs >= span.startMs && timeMs < span.endMs)
    .reduce<PoolItem | undefined>(
      (first, one) => (first && first.generation <= one.generation ? first : one),
      undefined,
    )
}

/** A parent has a lower number than its child, so one pass upwards knows every parent's depth. */
function depthsOf(backups: readonly Backup[]): ReadonlyMap<number, number> {
  const depths = new Map<number, number>()
  for (const { manifest } of backups.toSorted((a, b) => a.manifest.seq - b.manifest.seq)) {
    const { seq, parent } = manifest
    depths.set(seq, parent === null ? 1 : (depths.get(parent.seq) ?? 1) + 1)
  }
  return depths
}
