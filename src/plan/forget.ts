// Which backups are forgotten in one run: what the rules don't keep, behind every guard.

import { Failure } from '../base/failure.ts'
import type { Backup } from '../model/backup.ts'
import type { Sha256 } from '../model/ids.ts'
import type { MaxDelete } from '../model/policy.ts'
import { neededOf } from './closure.ts'
import type { KeptBackup } from './keep.ts'

export interface ForgetPlan {
  /** In the order in which they are to be forgotten: children before their parents. */
  readonly forgotten: readonly Backup[]
  /** Not kept either, and left to later runs. */
  readonly postponed: readonly Backup[]
}

export interface ForgetLimits {
  readonly maxDelete: MaxDelete
  readonly now: Date
}

/** `kept`: all backups of a series that are not forgotten yet. */
export function planForget(kept: readonly KeptBackup[], limits: ForgetLimits): ForgetPlan {
  const backups = kept.map(({ backup }) => backup)
  const newest = backups.reduce<Backup | undefined>(
    (high, one) => (high && high.manifest.seq > one.manifest.seq ? high : one),
    undefined,
  )
  const candidates = new Set(
    kept
      .filter(({ reasons }) => reasons.length === 0)
      .map(({ backup }) => backup)
      // Whatever the rules said: the newest stays with its chain, and so does what has no past.
      .filter(backup => backup !== newest && !isOfTheFuture(backup, limits.now)),
  )
  for (const backup of neededOf(backups, candidates)) candidates.delete(backup)
  const forgotten = oldestLeaves(candidates, mostAtOnce(backups.length, limits.maxDelete))
  if (neededOf(backups, new Set(forgotten)).size > 0) {
    throw new Error('a backup was to be forgotten that another one needs')
  }
  const done = new Set(forgotten)
  return { forgotten, postponed: [...candidates].filter(backup => !done.has(backup)) }
}

/**
 * Those that a person names, whatever the rules say; children before their parents. Failure
 * 'refused' when another one needs one of them, or when the newest is among them.
 */
export function planForgetByIds(backups: readonly Backup[], ids: ReadonlySet<number>): Backup[] {
  const going = new Set(backups.filter(({ manifest }) => ids.has(manifest.seq)))
  const newest = Math.max(...backups.map(({ manifest }) => manifest.seq))
  if (ids.has(newest)) {
    throw new Failure('refused', `cannot forget backup ${newest}: it is the newest`, {
      hint: 'make another backup first; nothing was changed',
    })
  }
  const [needed] = neededOf(backups, going)
  if (needed !== undefined) {
    const { seq } = needed.manifest
    const by = backups.find(one => !going.has(one) && one.manifest.parent?.seq === seq)
    throw new Failure(
      'refused',
      `cannot forget backup ${seq}: backup ${by?.manifest.seq} is a difference from it`,
      { hint: `forget ${by?.manifest.seq} too, if nobody wants it; nothing was changed` },
    )
  }
  return oldestLeaves(going, going.size)
}

/** At least 1 of those in percent, so that a short series shrinks too. */
export function mostAtOnce(backupCount: number, maxDelete: MaxDelete): number {
  if ('count' in maxDelete) return maxDelete.count
  if (maxDelete.percent === 0) return 0
  return Math.max(1, Math.floor((backupCount * maxDelete.percent) / 100))
}

/** How far two clocks may be apart before nothing is deleted by either. */
export const mostDoubtMs = 5 * 60_000

/** L9: by a clock that is wrong, everything is old. Undefined: no doubt. */
export function clockDoubt(ownMs: number, storeMs: number | undefined): Failure | undefined {
  if (storeMs === undefined || Math.abs(storeMs - ownMs) <= mostDoubtMs) return undefined
  const minutes = Math.round(Math.abs(storeMs - ownMs) / 60_000)
  return new Failure(
    'refused',
    `cannot tell what is old: this machine's clock and the store's differ by ${minutes} minutes`,
    { hint: 'set this machine’s clock; nothing was changed' },
  )
}

function isOfTheFuture({ manifest }: Backup, now: Date): boolean {
  return manifest.createdAt > now || manifest.snapshot.createdAt > now
}

/** Oldest first, but a parent only after all its children: cut anywhere, what is left is whole. */
function oldestLeaves(candidates: ReadonlySet<Backup>, most: number): Backup[] {
  const left = [...candidates].sort((a, b) => a.manifest.seq - b.manifest.seq)
  const childCounts = new Map<Sha256, number>()
  const count = ({ manifest: { parent } }: Backup, step: number) => {
    if (parent) childCounts.set(parent.manifest, (childCounts.get(parent.manifest) ?? 0) + step)
  }
  for (const backup of left) count(backup, 1)
  const taken: Backup[] = []
  while (taken.length < most) {
    const at = left.findIndex(({ manifestSha256 }) => (childCounts.get(manifestSha256) ?? 0) === 0)
    const [leaf] = at < 0 ? [] : left.splice(at, 1)
    if (leaf === undefined) break
    count(leaf, -1)
    taken.push(leaf)
  }
  return taken
}
