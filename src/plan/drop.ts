// Why a keep rule does not keep a backup: the counterpart of keep.ts, for people who ask before it goes.

import type { Backup } from '../model/backup.ts'
import type { DropReason } from '../model/plan.ts'
import type { RuleSet } from '../model/policy.ts'
import { judgedBy } from './epochs.ts'
import { type At, nominalItems } from './keep.ts'
import { inOrderOfMaking, type Moment, momentOf } from './moments.ts'
import type { SeriesRules } from './situation.ts'
import { Spans } from './spans.ts'

/** Each part of each rule that speaks of one of `dropped` gives a reason. */
export function dropReasons(
  series: SeriesRules,
  dropped: readonly Backup[],
  at: At,
): ReadonlyMap<Backup, readonly DropReason[]> {
  const reasons = new Map<Backup, DropReason[]>(dropped.map(backup => [backup, []]))
  if (dropped.length === 0) return reasons
  const nowMs = at.now.getTime()
  for (const rules of series.ruleSets) {
    const { own, counted } = judgedBy(rules, series)
    const past = inOrderOfMaking(counted, momentOf).filter(({ timeMs }) => timeMs <= nowMs)
    const whyOf = dropsBy(rules, past, at)
    const epoch = series.ruleSets.length > 1 && rules.epoch !== null ? { epoch: rules.epoch } : {}
    for (const backup of own) {
      reasons.get(backup)?.push(...whyOf(backup).map(reason => ({ ...reason, ...epoch })))
    }
  }
  return reasons
}

function dropsBy(
  { policy: { keep } }: RuleSet,
  past: readonly Moment<Backup>[],
  at: At,
): (backup: Backup) => DropReason[] {
  const parts = keep.spans.map(({ unit, count }) => {
    const spans = new Spans(unit, at.timeZone)
    const fromMs = spans.windowStart(at.now.getTime(), count)
    const nominal = nominalItems(past, { unit, count }, at)
    const firsts = new Map(nominal.map(({ item, startMs }) => [startMs, item.manifest.seq]))
    return (timeMs: number): DropReason[] => {
      const { startMs } = spans.at(timeMs)
      const first = firsts.get(startMs)
      if (timeMs < fromMs) return [{ kind: 'before', unit, count, startMs: fromMs }]
      return first === undefined ? [] : [{ kind: 'not-first', unit, startMs, first }]
    }
  })
  const rest: DropReason[] =
    keep.last > 0
      ? [{ kind: 'not-last', count: keep.last }]
      : parts.length === 0
        ? [{ kind: 'not-newest' }]
        : []
  return ({ manifest }) => {
    const timeMs = manifest.snapshot.createdAt.getTime()
    return [...parts.flatMap(part => part(timeMs)), ...rest]
  }
}
