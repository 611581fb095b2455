// What a run forgets and prunes at its end, as steps with reasons. Pure, and by the same functions
// by which it is then decided: keep.ts, forget.ts, prune.ts.

import type { Backup } from '../model/backup.ts'
import type { SourceName } from '../model/ids.ts'
import type { ForgetStep, PruneStep, Step } from '../model/plan.ts'
import { keepsEverything, type MaxDelete } from '../model/policy.ts'
import type { Tombstone } from '../model/tombstone.ts'
import { dropReasons } from './drop.ts'
import { type ForgetPlan, planForget } from './forget.ts'
import { type At, keepByRules } from './keep.ts'
import { situationAfter } from './outcome.ts'
import { type ForgottenBackup, type PrunePlan, planPrune } from './prune.ts'
import type { SeriesRules, SourceSituation } from './situation.ts'

/** A remote on which this machine may delete backups of a source that has a keep rule there. */
export interface DeletionPlace {
  readonly remote: string
  /** By seq, ascending. */
  readonly hidden: readonly ForgottenBackup[]
  /** All trusted ones of the series. */
  readonly tombstones: readonly Tombstone[]
  /** SHA-256 of manifests whose backups can't be deleted yet. */
  readonly locked?: ReadonlySet<string>
  readonly graceMs: number
  readonly maxDelete: MaxDelete
}

/** What the rule no longer keeps, behind every guard of forget. Failure 'refused' on doubt. */
export function forgetNow(series: SeriesRules, maxDelete: MaxDelete, at: At): ForgetPlan {
  if (series.ruleSets.every(({ policy }) => keepsEverything(policy.keep))) {
    return { forgotten: [], postponed: [] }
  }
  return planForget(keepByRules(series, at), { maxDelete, now: at.now })
}

/**
 * What prune finds by manifests and tombstones alone, before any object is listed: whether there is
 * something to delete. Failure 'refused' on doubt.
 */
export function pruneOutlook(
  live: readonly Backup[],
  { hidden, tombstones, locked }: Pick<DeletionPlace, 'hidden' | 'tombstones' | 'locked'>,
  now: Date,
): PrunePlan {
  const nothing = { objects: [], named: new Set<string>(), unfinished: new Set<never>() }
  const nowMs = now.getTime()
  const found = planPrune({ live, hidden, tombstones, ...nothing, orphanAgeMs: 0, nowMs })
  const removals = found.removals.filter(({ tombstone }) => !locked?.has(tombstone.manifest))
  return { ...found, removals }
}

/**
 * Expected, not promised: a run decides again when its sends are done, from what is there then, and
 * deletes nothing when one of them failed or anything is in doubt (L9).
 */
export function expectedDeletions(
  situation: SourceSituation,
  places: readonly DeletionPlace[],
  { steps, now }: { readonly steps: readonly Step[]; readonly now: Date },
): (ForgetStep | PruneStep)[] {
  const after = situationAfter(situation, { steps, now })
  const at = { now, timeZone: situation.timeZone }
  return places.flatMap(place => {
    const found = after.remotes.find(({ remote }) => remote === place.remote)
    if (found === undefined) return []
    return deletionsOn(situation.name, { ...place, ...found }, at)
  })
}

type Series = DeletionPlace & SeriesRules

function deletionsOn(source: SourceName, series: Series, at: At): (ForgetStep | PruneStep)[] {
  const { remote, backups, hidden, tombstones, graceMs } = series
  const { forgotten } = forgetNow(series, series.maxDelete, at)
  const why = dropReasons(series, forgotten, at)
  const notBefore = new Date(at.now.getTime() + graceMs)
  const buried = forgotten.map(backup => ({
    backup,
    tombstone: tombstoneFor(backup, { createdAt: at.now, notBefore, program: '' }),
  }))
  const gone = new Set(forgotten)
  const { removals } = pruneOutlook(
    backups.filter(backup => !gone.has(backup)),
    {
      hidden: [...hidden, ...buried],
      tombstones: [...tombstones, ...buried.map(({ tombstone }) => tombstone)],
      ...(series.locked && { locked: series.locked }),
    },
    at.now,
  )
  return [
    ...forgotten.map(
      (backup): ForgetStep => ({
        kind: 'forget',
        source,
        remote,
        seq: backup.manifest.seq,
        snapshotTime: backup.manifest.snapshot.createdAt,
        notBefore,
        reason: 'not-kept',
        drops: why.get(backup) ?? [],
      }),
    ),
    ...removals.map(
      ({ tombstone }): PruneStep => ({
        kind: 'prune',
        source,
        remote,
        seq: tombstone.seq,
        hiddenAt: tombstone.createdAt,
        notBefore: tombstone.notBefore,
        reason: 'grace-over',
      }),
    ),
  ]
}

export function tombstoneFor(
  { manifest, manifestSha256 }: Backup,
  facts: Pick<Tombstone, 'createdAt' | 'notBefore' | 'program'>,
): Tombstone {
  const { repository, series, seq, run } = manifest
  return { repository, series, seq, run, manifest: manifestSha256, ...facts }
}
