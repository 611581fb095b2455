// Which backups a policy keeps, each with every reason. Pure, and of nothing but the backups: a
// machine without the source decides the same.
//
// Spans, nominal items and ancestors mean what they mean in btrfs2s3: of each calendar span the
// first item is kept, first by order of making and not by date.

import type { Backup } from '../model/backup.ts'
import type { Policy, SpanCount, SpanUnit } from '../model/policy.ts'
import { keepsEverything, soleRuleSet } from '../model/policy.ts'
import { judgedBy, unruled } from './epochs.ts'
import { inOrderOfMaking, type Moment, momentOf } from './moments.ts'
import type { SeriesRules } from './situation.ts'
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

/** `epoch`: of the rule set that says so, where there are several. */
export type KeepReason = Why & { readonly epoch?: string }

type Why =
  /** The first of its span. */
  | { readonly kind: 'span'; readonly unit: SpanUnit; readonly startMs: number }
  | { readonly kind: 'newest' }
  /** One of the newest of `last N`. */
  | { readonly kind: 'last' }
  | { readonly kind: 'everything' }
  | { readonly kind: 'min-age' }
  /** Dated after now: one of the two clocks is wrong, so nothing is known of its age. */
  | { readonly kind: 'future' }
  /** No rule set speaks of its epoch. */
  | { readonly kind: 'no-rules' }
  /** A kept backup, `by`, is a difference from it or from what is built on it. */
  | { readonly kind: 'needed'; readonly by: number }

/** In the order of the list. L3: closed over parents, from epoch to epoch too. */
export function keepByRules(series: SeriesRules, at: At): KeptBackup[] {
  const { backups, ruleSets } = series
  const reasons = new Map<Backup, KeepReason[]>(backups.map(backup => [backup, []]))
  for (const rules of ruleSets) {
    const { own, counted } = judgedBy(rules, series)
    const moments = {
      own: inOrderOfMaking(own, momentOf),
      counted: inOrderOfMaking(counted, momentOf),
    }
    const name = ruleSets.length === 1 ? null : rules.epoch
    for (const [backup, why] of [...whys(moments, rules.policy, at), ...newestBySeq(own)]) {
      const isTold = why.kind === 'newest' && isNewest(reasons.get(backup), name)
      if (!isTold) reasons.get(backup)?.push(name === null ? why : { ...why, epoch: name })
    }
  }
  for (const backup of unruled(series)) reasons.get(backup)?.push({ kind: 'no-rules' })
  addAncestors(backups, reasons)
  return backups.map(backup => ({ backup, reasons: reasons.get(backup) ?? [] }))
}

/** The same with one policy for all. */
export function keepBackups(backups: readonly Backup[], policy: Policy, at: At): KeptBackup[] {
  return keepByRules({ backups, ruleSets: [soleRuleSet(policy)], epochNames: new Map() }, at)
}

/** What a rule says of each item, whatever it is; `ordered` by making. */
export function keepMoments<Item>(
  ordered: readonly Moment<Item>[],
  policy: Pick<Policy, 'keep' | 'minAgeMs'>,
  at: At,
): Map<Item, KeepReason[]> {
  const reasons = new Map<Item, KeepReason[]>(ordered.map(({ item }) => [item, []]))
  for (const [item, why] of whys({ own: ordered, counted: ordered }, policy, at)) {
    reasons.get(item)?.push(why)
  }
  return reasons
}

/** Both in order of making. */
interface Moments<Item> {
  readonly own: readonly Moment<Item>[]
  /** What can be the first of a span or one of the last. */
  readonly counted: readonly Moment<Item>[]
}

function* whys<Item>(
  { own, counted }: Moments<Item>,
  { keep, minAgeMs }: Pick<Policy, 'keep' | 'minAgeMs'>,
  at: At,
): Generator<[Item, Why]> {
  const nowMs = at.now.getTime()
  for (const { item, timeMs } of own) {
    if (keepsEverything(keep)) yield [item, { kind: 'everything' }]
    if (timeMs > nowMs) yield [item, { kind: 'future' }]
    else if (nowMs - timeMs < minAgeMs) yield [item, { kind: 'min-age' }]
  }
  const past = counted.filter(({ timeMs }) => timeMs <= nowMs)
  for (const span of keep.spans) {
    for (const { item, startMs } of nominalItems(past, span, at)) {
      yield [item, { kind: 'span', unit: span.unit, startMs }]
    }
  }
  if (!keepsEverything(keep) && keep.last > 0) {
    for (const { item } of past.slice(-keep.last)) yield [item, { kind: 'last' }]
  }
  const newest = own.findLast(({ timeMs }) => timeMs <= nowMs)
  if (newest !== undefined) yield [newest.item, { kind: 'newest' }]
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

/** By what the backups say of each other: a wrong clock does not change it. */
function newestBySeq(backups: readonly Backup[]): [Backup, Why][] {
  const newest = backups.reduce<Backup | undefined>(
    (high, backup) => (high && high.manifest.seq > backup.manifest.seq ? high : backup),
    undefined,
  )
  return newest === undefined ? [] : [[newest, { kind: 'newest' }]]
}

function isNewest(reasons: readonly KeepReason[] | undefined, epoch: string | null): boolean {
  return reasons?.some(one => one.kind === 'newest' && (one.epoch ?? null) === epoch) ?? false
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
