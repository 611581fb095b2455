// What prune deletes in one series: forgotten backups whose time has come, what cut runs left of
// them, and orphans. Pure; it decides on what was read just before.

import type { Backup } from '../model/backup.ts'
import type { RunId, Sha256 } from '../model/ids.ts'
import type { Tombstone } from '../model/tombstone.ts'
import { neededOf } from './closure.ts'

export interface ForgottenBackup {
  readonly backup: Backup
  readonly tombstone: Tombstone
}

/** An object below the run folders, as listed. */
export interface RunObject {
  readonly key: string
  readonly bytes: number
  readonly run: RunId
  readonly modifiedAt?: Date | undefined
}

export interface SeriesSituation {
  readonly live: readonly Backup[]
  readonly hidden: readonly ForgottenBackup[]
  /** All trusted ones of the series. */
  readonly tombstones: readonly Tombstone[]
  readonly objects: readonly RunObject[]
  /** Keys that manifests of `live` and `hidden` name. */
  readonly named: ReadonlySet<string>
  /** Of this machine's own journals. */
  readonly unfinished: ReadonlySet<RunId>
  /** Objects that nothing names are left alone until they are so old. */
  readonly orphanAgeMs: number
  /** By the slower of the clocks. */
  readonly nowMs: number
}

export interface PrunePlan {
  /** Newest first: an ancestor goes after all that is built on it. */
  readonly removals: readonly Removal[]
  /** A backup that stays needs theirs: the tombstones go instead. */
  readonly revived: readonly Tombstone[]
  /** Hidden, and not to be deleted yet. */
  readonly waiting: readonly ForgottenBackup[]
  /** Tombstones of backups that are long gone. */
  readonly retired: readonly Tombstone[]
  readonly orphans: readonly RunObject[]
}

export interface Removal {
  readonly tombstone: Tombstone
  /** Indexes first, then segments. */
  readonly objects: readonly RunObject[]
  /** False: an earlier run was cut after it. */
  readonly hasManifest: boolean
}

const dayMs = 86_400_000
/** So long a tombstone tells other machines that a backup did not vanish. */
export const memoryMs = 90 * dayMs
/** Longer than any run goes on without storing an object. */
export const longestRunMs = 14 * dayMs

export function planPrune(situation: SeriesSituation): PrunePlan {
  const { live, hidden, tombstones, nowMs } = situation
  const isDue = ({ notBefore }: Tombstone) => notBefore.getTime() <= nowMs
  const due = new Set(hidden.filter(({ tombstone }) => isDue(tombstone)).map(one => one.backup))
  const all = [...live, ...hidden.map(({ backup }) => backup)]
  // L3, from fresh facts: also what waits hidden, and may be undeleted, keeps its ancestors.
  for (const backup of neededOf(all, due)) due.delete(backup)
  const doomed = hidden.filter(({ backup }) => due.has(backup))
  const present = new Set(all.map(({ manifestSha256 }) => manifestSha256))
  const liveManifests = new Set(live.map(({ manifestSha256 }) => manifestSha256))
  const gone = tombstones.filter(({ manifest }) => !present.has(manifest))
  const rests = restsOf(gone.filter(isDue), situation)
  return {
    removals: [...doomed.map(one => removalOf(one.tombstone, situation, true)), ...rests].sort(
      (a, b) => b.tombstone.seq - a.tombstone.seq,
    ),
    revived: tombstones.filter(({ manifest }) => liveManifests.has(manifest)),
    waiting: hidden.filter(({ backup }) => !due.has(backup)),
    retired: gone
      .filter(({ notBefore }) => notBefore.getTime() + memoryMs <= nowMs)
      .filter(({ run }) => !situation.objects.some(object => object.run === run)),
    orphans: orphansOf(situation),
  }
}

/** When each may go: with the last of those that are built on it, and may be undeleted so long. */
export function timesToGo(hidden: readonly ForgottenBackup[]): ReadonlyMap<Backup, Date> {
  const byHash = new Map(hidden.map(({ backup }) => [backup.manifestSha256, backup]))
  const times = new Map<Backup, Date>()
  for (const { backup, tombstone } of hidden) {
    let needed: Backup | undefined = backup
    while (needed !== undefined) {
      const known = times.get(needed)
      if (known === undefined || known < tombstone.notBefore) {
        times.set(needed, tombstone.notBefore)
      }
      const parent: Sha256 | undefined = needed.manifest.parent?.manifest
      needed = parent === undefined ? undefined : byHash.get(parent)
    }
  }
  return times
}

/** L4: nothing of a run that a manifest names, except by the tombstone of that very manifest. */
function restsOf(gone: readonly Tombstone[], situation: SeriesSituation): Removal[] {
  const { live, hidden } = situation
  const used = new Set(
    [...live, ...hidden.map(one => one.backup)].map(({ manifest }) => manifest.run),
  )
  return gone
    .filter(({ run }) => !used.has(run))
    .map(tombstone => removalOf(tombstone, situation, false))
    .filter(({ objects }) => objects.length > 0)
}

function removalOf(
  tombstone: Tombstone,
  { objects }: SeriesSituation,
  hasManifest: boolean,
): Removal {
  const ours = objects.filter(({ run }) => run === tombstone.run)
  return { tombstone, hasManifest, objects: ours.sort((a, b) => (a.key < b.key ? -1 : 1)) }
}

/** L4: what nothing names, of runs in which nothing was stored for so long that none is still going. */
function orphansOf(situation: SeriesSituation): RunObject[] {
  const { tombstones, objects, named, unfinished, nowMs, orphanAgeMs } = situation
  const buried = new Set(tombstones.map(({ run }) => run))
  const unnamed = objects.filter(
    ({ key, run }) => !named.has(key) && !buried.has(run) && !unfinished.has(run),
  )
  const newest = new Map<RunId, number>()
  for (const { run, modifiedAt } of unnamed) {
    // A store that tells no times: nothing is known to be old.
    const timeMs = modifiedAt?.getTime() ?? Infinity
    newest.set(run, Math.max(timeMs, newest.get(run) ?? -Infinity))
  }
  return unnamed.filter(({ run }) => (newest.get(run) ?? Infinity) + orphanAgeMs <= nowMs)
}

export interface Usage {
  readonly backups: number
  readonly bytes: number
}

/** For people: what a series takes, by what it is for. */
export interface SeriesUsage {
  readonly live: Usage
  readonly hidden: Usage
  /** What no manifest names: of cut runs, or of one that is going on. */
  readonly orphans: { readonly objects: number; readonly bytes: number }
}

export function usageOf({
  live,
  hidden,
  objects,
  named,
}: Pick<SeriesSituation, 'live' | 'hidden' | 'objects' | 'named'>): SeriesUsage {
  const bytesOf = (backups: readonly Backup[]) => {
    const runs = new Set(backups.map(({ manifest }) => manifest.run))
    const theirs = objects.filter(({ key, run }) => named.has(key) && runs.has(run))
    return { backups: backups.length, bytes: sum(theirs) }
  }
  const unnamed = objects.filter(({ key }) => !named.has(key))
  return {
    live: bytesOf(live),
    hidden: bytesOf(hidden.map(({ backup }) => backup)),
    orphans: { objects: unnamed.length, bytes: sum(unnamed) },
  }
}

function sum(objects: readonly RunObject[]): number {
  return objects.reduce((total, { bytes }) => total + bytes, 0)
}
