// What of a plan of prune is still locked: it stays, with all that it is built on, and is told. A
// later run takes it.

import type { Eraser } from '../../catalog/erase.ts'
import { manifestKey } from '../../format/object-key.ts'
import type { RunId, Sha256 } from '../../model/ids.ts'
import type { PrunePlan, Removal, RunObject } from '../../plan/prune.ts'
import type { StoredSeries } from '../shared/stored-runs.ts'

export interface LockedDeeds {
  /** Ids of forgotten backups that are locked, or that one of them needs; newest first. */
  readonly locked: readonly number[]
  /** Orphans that are locked, by their runs. */
  readonly lockedOrphanCount: number
  /** When the first of all these may go; null when nothing is locked. */
  readonly lockedUntil: Date | null
}

export const nothingLocked: LockedDeeds = { locked: [], lockedOrphanCount: 0, lockedUntil: null }

export interface FreePlan {
  readonly plan: PrunePlan
  readonly locked: LockedDeeds
}

export async function withoutLocked(
  plan: PrunePlan,
  { hidden }: Pick<StoredSeries, 'hidden'>,
  { eraser, now }: { readonly eraser: Eraser; readonly now: Date },
): Promise<FreePlan> {
  const times: number[] = []
  const isLocked = async (key: string) => {
    const until = await eraser.lockedUntil(key, now)
    if (until) times.push(until.getTime())
    return until !== undefined
  }
  const locked: number[] = []
  const needed = new Set<Sha256>()
  const removals: Removal[] = []
  // Newest first: a backup that stays keeps its ancestors.
  for (const removal of plan.removals) {
    const { tombstone, objects, hasManifest } = removal
    const manifest = manifestKey(tombstone.series, tombstone.seq)
    const keys = [manifest, ...objects.slice(0, 1).map(({ key }) => key)]
    const found = await Promise.all(keys.map(isLocked))
    if (!needed.has(tombstone.manifest) && !found.includes(true)) {
      removals.push(removal)
      continue
    }
    if (!hasManifest) continue
    locked.push(tombstone.seq)
    const backup = hidden.find(one => one.backup.manifestSha256 === tombstone.manifest)?.backup
    if (backup?.manifest.parent) needed.add(backup.manifest.parent.manifest)
  }
  const orphans = await freeOrphans(plan.orphans, isLocked)
  const lockedOrphanCount = plan.orphans.length - orphans.length
  const lockedUntil = times.length === 0 ? null : new Date(Math.min(...times))
  return {
    plan: { ...plan, removals, orphans },
    locked: { locked, lockedOrphanCount, lockedUntil },
  }
}

/** A run's objects are locked alike. */
async function freeOrphans(
  orphans: readonly RunObject[],
  isLocked: (key: string) => Promise<boolean>,
): Promise<RunObject[]> {
  const free: RunObject[] = []
  for (const group of Map.groupBy(orphans, ({ run }): RunId => run).values()) {
    const [first] = group
    if (first && !(await isLocked(first.key))) free.push(...group)
  }
  return free
}
