// What a new backup can be a difference from: snapshots that are here and committed on the remote, or
// will be by then, because the same run sends them before.

import type { Backup, BackupKind } from '../model/backup.ts'
import type { Uuid } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { type EpochName, type EpochSituation, epochOf } from './epochs.ts'
import type { At } from './keep.ts'
import { parentCandidates } from './parents.ts'
import type { SeriesRules } from './situation.ts'
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
  readonly epoch: EpochName
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

/** Of all epochs; newest first. */
export function poolOf(
  { backups, epochNames }: Pick<SeriesRules, 'backups' | 'epochNames'>,
  snapshots: readonly Subvolume[],
  sourceUuid: Uuid | null,
): PoolItem[] {
  const depths = depthsOf(backups)
  return parentCandidates(backups, snapshots, sourceUuid).map(({ backup, snapshot }) => ({
    seq: backup.manifest.seq,
    ...sentOf(snapshot),
    depth: depths.get(backup.manifest.seq) ?? 1,
    epoch: epochOf(backup, epochNames),
  }))
}

/** As if every backup's snapshot were still here. */
export function wholePoolOf(
  { backups, epochNames }: Pick<SeriesRules, 'backups' | 'epochNames'>,
  source: Uuid,
): PoolItem[] {
  const depths = depthsOf(backups)
  const related = backups.filter(({ manifest }) => manifest.snapshot.sourceUuid === source)
  const newestFirst = related.toSorted((a, b) => b.manifest.seq - a.manifest.seq)
  return newestFirst.map(backup => {
    const { seq, snapshot } = backup.manifest
    const { uuid, createdAt, generation } = snapshot
    const facts = { snapshot: uuid, timeMs: createdAt.getTime(), generation }
    return { seq, ...facts, depth: depths.get(seq) ?? 1, epoch: epochOf(backup, epochNames) }
  })
}

export function kindBelow(parent: PoolItem | undefined): BackupKind {
  if (parent === undefined) return 'full'
  return parent.depth === 1 ? 'differential' : 'incremental'
}

export interface Place extends EpochSituation {
  /** Of all epochs; newest first. */
  readonly pool: readonly PoolItem[]
  readonly timeZone: string
}

export function wishParents(place: Place, sent: Sent): ParentWish {
  const { backups, rules, lacksBranch } = place
  const pool = inLine(place).filter(one => one.snapshot === null || one.snapshot !== sent.snapshot)
  const wish = rules.policy.shape === 'tree' ? wishInTree : wishInChain
  const { parents, wantsFull } = wish({ ...place, pool }, sent)
  const isFirst = backups.length + pool.length === 0
  // That there is nothing to branch from may be a slip of the pen, which could cost a full.
  return { parents, wantsFull: isFirst ? !lacksBranch : wantsFull }
}

/** Newest first; a branch counts by what was made, not by what was sent, last. */
function inLine(place: Place): PoolItem[] {
  const { pool, line } = place
  const own = pool.filter(({ epoch }) => epoch !== undefined && line.includes(epoch))
  if (line.length === 1) return own
  return own.sort(
    (a, b) =>
      b.generation - a.generation ||
      Number(isAbove(place, b)) - Number(isAbove(place, a)) ||
      b.seq - a.seq,
  )
}

/** Of an epoch that this one branches from. */
function isAbove({ rules }: Place, { epoch }: PoolItem): boolean {
  return epoch !== rules.epoch
}

function wishInChain(place: Place, sent: Sent): ParentWish {
  const { pool } = place
  const { maxChain, fullEvery } = place.rules.policy
  if (fullEvery !== null && isFullDue(place, sent)) return fullByRule
  const isTooLong = ({ depth }: PoolItem) => maxChain !== null && depth >= maxChain
  const [newest] = pool
  if (newest === undefined || !isTooLong(newest)) return { parents: pool, wantsFull: false }
  // A branch begins anew from where it branches, while that is short enough.
  const anew = pool.filter(one => isAbove(place, one) && !isTooLong(one))
  return anew.length === 0 ? fullByRule : { parents: anew, wantsFull: false }
}

/**
 * From the longest unit to the shortest, the first of the span that this one lies in; no further
 * than to the unit of whose span this one is itself the first.
 */
function wishInTree(place: Place, sent: Sent): ParentWish {
  const { pool, rules, timeZone } = place
  const { keep, fullEvery } = rules.policy
  const older = pool.filter(({ generation }) => generation < sent.generation)
  const { branch, since } = sinceBranch(place, older)
  let parent: PoolItem | undefined
  for (const { unit } of keep.spans) {
    const first = firstOfSpan(since, new Spans(unit, timeZone).at(sent.timeMs))
    if (first === undefined) break
    parent = first
  }
  if (parent === undefined && (fullEvery === null || !isFullDue(place, sent))) {
    parent = branch ?? (fullEvery === null ? undefined : older.find(({ depth }) => depth === 1))
  }
  if (parent !== undefined) {
    return { parents: [parent, ...older.filter(one => one !== parent)], wantsFull: false }
  }
  return lostParent(place, sent) ? { parents: older, wantsFull: false } : fullByRule
}

/** A branch begins anew with each backup of the epoch that it branches from: `branch` is the newest. */
function sinceBranch(
  place: Place,
  pool: readonly PoolItem[],
): { readonly branch: PoolItem | undefined; readonly since: readonly PoolItem[] } {
  const branch = pool.find(one => isAbove(place, one))
  if (branch === undefined) return { branch, since: pool }
  const isSince = (one: PoolItem) => one === branch || one.generation > branch.generation
  return { branch, since: pool.filter(isSince) }
}

const fullByRule: ParentWish = { parents: [], wantsFull: true }

/** The remote has what it is to be a difference from, and its snapshot is not here any more. */
function lostParent({ rules, backups, above, timeZone }: Place, sent: Sent): boolean {
  const [longest] = rules.policy.keep.spans
  if (longest === undefined) return false
  const { startMs } = new Spans(longest.unit, timeZone).at(sent.timeMs)
  return backups.some(backup => {
    const { uuid, createdAt } = backup.manifest.snapshot
    const timeMs = createdAt.getTime()
    const isOlder = uuid !== sent.snapshot && timeMs < sent.timeMs
    return isOlder && (timeMs >= startMs || above.includes(backup))
  })
}

function isFullDue({ rules, backups, pool, timeZone }: Place, sent: Sent): boolean {
  const { fullEvery } = rules.policy
  const last = backups.findLast(({ manifest }) => manifest.parent === null)
  // Or one that the same run sends before.
  const sentBefore = pool.find(({ depth, seq }) => depth === 1 && seq > (last?.manifest.seq ?? 0))
  const earlierMs = sentBefore?.timeMs ?? last?.manifest.snapshot.createdAt.getTime()
  if (earlierMs === undefined || fullEvery === null) return true
  const passed = spansBetween(fullEvery, { earlierMs, laterMs: sent.timeMs, timeZone })
  return passed >= fullEvery.count
}

/** L7: what later sends will want as their parents. */
export function futureParents(place: Place, { now }: At): PoolItem[] {
  const { rules, timeZone } = place
  const { shape, fullEvery, maxChain, keep } = rules.policy
  const pool = inLine(place)
  const { branch, since } = sinceBranch(place, pool)
  const [newest] = pool
  const held = newest === undefined ? [] : [newest]
  if (fullEvery !== null) held.push(...pool.filter(({ depth }) => depth === 1).slice(0, 1))
  if (branch !== undefined && (shape === 'tree' || maxChain !== null)) held.push(branch)
  if (shape === 'chain') return held
  for (const { unit } of keep.spans) {
    const first = firstOfSpan(since, new Spans(unit, timeZone).at(now.getTime()))
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
