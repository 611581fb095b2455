// Until when a new backup is locked. Pure. Its ancestors are then locked at least as long: the lock
// of a chain is that of the newest backup in it, or longer.

import type { Backup } from '../model/backup.ts'
import type { LockRule, Retention } from '../model/lock.ts'
import { type Policy, unlimited } from '../model/policy.ts'
import { type At, nominalItems } from './keep.ts'
import { inOrderOfMaking, type Making, momentOf } from './moments.ts'
import { Spans } from './spans.ts'

export interface LockItem {
  readonly policy: Policy
  /** Of the snapshot that is backed up. */
  readonly made: Making
  /** The series as it is; the new one not among them. */
  readonly backups: readonly Backup[]
}

/** In whole seconds, after `now`. */
export function lockUntil({ until }: LockRule, item: LockItem, at: At): Date {
  const nowMs = at.now.getTime()
  if (until === 'expiry') return wholeSeconds(Math.max(expiryOf(item, at), nowMs + 1000))
  // A chain is locked anew with each child. In steps of a tenth, that is seldom.
  const stepMs = Math.max(1000, until.ms / 10)
  return wholeSeconds(Math.ceil((nowMs + until.ms) / stepMs) * stepMs)
}

/**
 * An upload can go on longer than what is locked from its beginning: what is put late is locked a
 * while from then, at least.
 */
export function lockFrom(retention: Retention, { until }: LockRule, now: Date): Retention {
  const leastMs = until === 'expiry' ? hourMs : Math.min(hourMs, until.ms / 2)
  const least = wholeSeconds(now.getTime() + leastMs)
  return least <= retention.until ? retention : { ...retention, until: least }
}

const hourMs = 3_600_000

/**
 * When the rule may let it go at the earliest. As the newest it stays until another one is due, so
 * the shortest span that holds now counts in any case.
 */
function expiryOf({ policy, made, backups }: LockItem, at: At): number {
  const ends = [made.timeMs + policy.minAgeMs]
  const { spans } = policy.keep
  const items = [
    { ...made, isNew: true },
    ...backups.map(one => ({ ...momentOf(one), isNew: false })),
  ]
  const ordered = inOrderOfMaking(items, item => item)
  for (const { unit, count } of spans) {
    const firsts = nominalItems(ordered, { unit, count: unlimited }, at)
    if (!firsts.some(({ item }) => item.isNew)) continue
    ends.push(new Spans(unit, at.timeZone).windowEnd(made.timeMs, count))
  }
  const shortest = spans.at(-1)
  if (shortest) ends.push(new Spans(shortest.unit, at.timeZone).windowEnd(at.now.getTime(), 1))
  return Math.max(...ends)
}

function wholeSeconds(ms: number): Date {
  return new Date(Math.ceil(ms / 1000) * 1000)
}
