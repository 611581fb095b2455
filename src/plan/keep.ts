// Which backups a policy keeps, each with every reason. Pure, and of nothing but the backups: a
// machine without the source decides the same.
//
// Spans, nominal items and ancestors mean what they mean in btrfs2s3: of each calendar span the
// first item is kept, first by order of making and not by date.

import type { Backup } from '../model/backup.ts'
import type { Policy, SpanCount, SpanUnit } from '../model/policy.ts'
import { keepsEverything } from '../model/policy.ts'
import { inOrderOfMaking, type Moment, momentOf } from './moments.ts'
import { Spans } from './spans.ts'

export interface At {
  readonly now: Date
  /** IANA name. */
  readonly timeZone: string
}

export interface KeptBackup {
  readonly backup: Backup
  /** Empty: not kept. */
  readonly reasons: readonly KeepReason[]
}

export type KeepReason =
  /** The first of its span. */
  | { readonly kind: 'span'; readonly unit: SpanUnit; readonly startMs: number }
  | { readonly kind: 'newest' }
  /** One of the newest of `last N`. */
  | { readonly kind: 'last' }
  | { readonly kind: 'everything' }
  | { readonly kind: 'min-age' }
  /** Dated after now: one of the two clocks is wrong, so nothing is known of its age. */
  | { readonly kind: 'future' }
  /** A kept backup, `by`, is a difference from it or from what is built on it. */
  | { readonly kind: 'needed'; readonly by: number }

/** In the order of the list. L3: closed over parents. */
export function keepBackups(backups: readonly Backup[], policy: Policy, at: At): KeptBackup[] {
  const moments = inOrderOfMaking(backups, momentOf)
  const reasons = keepMoments(moments, policy, at)
  // By what they say of each other: a wrong clock changes neither.
  const newest = newestBySeq(backups)
  const ofNewest = newest && reasons.get(newest)
  if (ofNewest?.every(({ kind }) => kind !== 'newest')) ofNewest.push({ kind: 'newest' })
  addAncestors(backups, reasons)
  return backups.map(backup => ({ backup, reasons: reasons.get(backup) ?? [] }))
}

/** What a rule says of each item, whatever it is; `ordered` by making. */
export function keepMoments<Item>(
  ordered: readonly Moment<Item>[],
  { keep, minAgeMs }: Pick<Policy, 'keep' | 'minAgeMs'>,
  at: At,
): Map<Item, KeepReason[]> {
  const reasons = new Map<Item, KeepReason[]>(ordered.map(({ item }) => [item, []]))
  const because = (item: Item, reason: KeepReason) => reasons.get(item)?.push(reason)
  const nowMs = at.now.getTime()
  const past = ordered.filter(({ timeMs }) => timeMs <= nowMs)
  for (const { item, timeMs } of ordered) {
    if (keepsEverything(keep)) because(item, { kind: 'everything' })
    if (timeMs > nowMs) because(item, { kind: 'future' })
    else if (nowMs - timeMs < minAgeMs) because(item, { kind: 'min-age' })
  }
  for (const span of keep.spans) {
    for (const { item, startMs } of nominalItems(past, span, at)) {
      because(item, { kind: 'span', unit: span.unit, startMs })
    }
  }
  if (!keepsEverything(keep) && keep.last > 0) {
    for (const { item } of past.slice(-keep.last)) because(item, { kind: 'last' })
  }
  const newest = past.at(-1)
  if (newest !== undefined) because(newest.item, { kind: 'newest' })
  return reasons
}

export interface Nominal<Item> {
  readonly item: Item
  readonly startMs: number
}

/** The first item of each span of one unit that the rule covers; `past` in order of making. */
export function nominalItems<Item>(
  past: readonly Moment<Item>[],
  { unit, count }: SpanCount,
  { now, timeZone }: At,
): Nominal<Item>[] {
  const spans = new Spans(unit, timeZone)
  const from = spans.windowStart(now.getTime(), count)
  const first = new Map<number, Item>()
  for (const { item, timeMs } of past) {
    if (timeMs < from) continue
    const { startMs } = spans.at(timeMs)
    if (!first.has(startMs)) first.set(startMs, item)
  }
  return [...first].map(([startMs, item]) => ({ item, startMs }))
}

function newestBySeq(backups: readonly Backup[]): Backup | undefined {
  return backups.reduce<Backup | undefined>(
    (newest, backup) => (newest && newest.manifest.seq > backup.manifest.seq ? newest : backup),
    undefined,
  )
}

function addAncestors(backups: readonly Backup[], reasons: Map<Backup, KeepReason[]>): void {
  const bySeq = new Map(backups.map(backup => [backup.manifest.seq, backup]))
  // A parent has a lower number than its child: one pass downwards reaches every ancestor.
  for (const backup of backups.toSorted((a, b) => b.manifest.seq - a.manifest.seq)) {
    const parent = bySeq.get(backup.manifest.parent?.seq ?? 0)
    if (parent === undefined || reasons.get(backup)?.length === 0) continue
    const own = reasons.get(parent)
    if (own?.some(({ kind }) => kind === 'needed')) continue
    own?.push({ kind: 'needed', by: backup.manifest.seq })
  }
}
