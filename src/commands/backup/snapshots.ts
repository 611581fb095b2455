// The snapshots that a source's backups are made from: ours, or those that others made (L11).

import { access } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { Failure, isFailure, systemCodeOf } from '../../base/failure.ts'
import type { AdoptedSnapshots, SnapshotsConfig, SourceConfig } from '../../config/config.ts'
import type { Uuid } from '../../model/ids.ts'
import { patternFolder } from '../../model/snapshot-pattern.ts'
import type { NestedSubvolume, Subvolume } from '../../model/subvolume.ts'
import { type FoundSnapshot, nameInBackup, sortFound } from '../../plan/adopted.ts'
import { isNameOfOurs } from '../../plan/plan-backup.ts'
import type { AdoptedSituation, SourceSituation } from '../../plan/situation.ts'
import type { Context } from '../shared/context.ts'

type Look = Pick<Context, 'btrfs' | 'signal'>

export type SourceSnapshots = Pick<SourceSituation, 'snapshots' | 'adopted' | 'otherNames'> & {
  /** Subvolumes inside the source that are no part of it: the snapshots that others keep there. */
  readonly isApart: (nested: Pick<NestedSubvolume, 'uuid' | 'path'>) => boolean
}

/** What is known of a source before its snapshots are looked for. */
export interface KnownOf {
  readonly source: SourceConfig
  readonly subvolume: Subvolume
  /** Recorded as made by us. */
  readonly made: ReadonlySet<Uuid>
  /** In manifests. */
  readonly backedUp: ReadonlySet<Uuid>
}

export async function lookForSnapshots(look: Look, known: KnownOf): Promise<SourceSnapshots> {
  const { source, made, backedUp } = known
  if (source.snapshots.kind === 'adopted') {
    return await lookForAdopted(look, { ...known, place: source.snapshots })
  }
  const present = await snapshotsAt(look, source.snapshots)
  // L11: manifests tell of ours when the record of them is lost; but others' may have been sent from
  // this folder when it was theirs.
  const isOurs = ({ uuid, name }: Subvolume) =>
    made.has(uuid) || (backedUp.has(uuid) && isNameOfOurs(source.name, name))
  return {
    snapshots: present.filter(isOurs),
    otherNames: present.filter(one => !isOurs(one)).map(({ name }) => name),
    adopted: null,
    isApart: () => false,
  }
}

async function lookForAdopted(
  look: Look,
  { source, subvolume, place }: KnownOf & { readonly place: AdoptedSnapshots },
): Promise<SourceSnapshots> {
  const found = await findAdopted(look, place)
  const { usable, skipped } = sortFound(found, subvolume)
  const nameOf = (one: Subvolume) => nameInBackup(source.name, place.pattern, one)
  const names: AdoptedSituation['names'] = new Map(usable.map(one => [one.uuid, nameOf(one)]))
  const readOnly = found.flatMap(one => (one.subvolume?.readOnly ? [one.subvolume.uuid] : []))
  const apart = new Set(readOnly)
  const inside = relative(source.path, patternFolder(place.pattern))
  return {
    snapshots: usable,
    otherNames: [],
    adopted: { names, skipped },
    isApart: ({ uuid, path }) =>
      apart.has(uuid) ||
      (inside !== '' && path === inside) ||
      (place.by === 'snapper' && path.startsWith(`${inside}/`)),
  }
}

/** All that lies where the snapshots of others are, whatever it is. */
async function findAdopted(
  { btrfs, signal }: Look,
  place: AdoptedSnapshots,
): Promise<FoundSnapshot[]> {
  const matched = await btrfs.listMatching(place.pattern, { signal })
  const theirs = matched.filter(({ path }) => isTheirs(place, path))
  return await Promise.all(
    theirs.map(async one => ({ ...one, isFinished: await isFinished(place, one.path) })),
  )
}

const btrbkName = /\.\d{8}(T\d{4}(\d\d[+-]\d{4})?)?(_\d+)?$/

/** What else lies in the folder is not worth a word. */
function isTheirs({ by }: AdoptedSnapshots, path: string): boolean {
  switch (by) {
    case 'snapper':
      return /\/\d+\/snapshot$/.test(path)
    case 'btrbk':
      return btrbkName.test(path)
    case 'anyone':
      return true
  }
}

/** Snapper writes `info.xml` beside a snapshot when it has made it; others make them in one step. */
async function isFinished({ by }: AdoptedSnapshots, path: string): Promise<boolean> {
  if (by !== 'snapper') return true
  const file = join(dirname(path), 'info.xml')
  try {
    await access(file)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return false
    throw new Failure('btrfs-failed', `cannot read ${file}: ${systemCodeOf(error) ?? 'unknown'}`, {
      hint: 'run as root',
      cause: error,
    })
  }
}

/** Every subvolume where a source's snapshots are, whoever made it. */
export async function snapshotsAt(
  { btrfs, signal }: Look,
  place: SnapshotsConfig,
): Promise<readonly Subvolume[]> {
  if (place.kind === 'adopted') {
    const matched = await btrfs.listMatching(place.pattern, { signal })
    return matched.flatMap(({ subvolume }) => subvolume ?? [])
  }
  return await btrfs.listIn(place.folder, { signal }).catch((error: unknown) => {
    // L9: only a folder that is not there has no snapshots; the first backup makes it.
    if (isFailure(error) && systemCodeOf(error.cause) === 'ENOENT') return []
    throw error
  })
}
