// Snapshots that others made: which can be sent, what they are called in their backups, and which of
// them a remote is to have. Pure.

import type { Backup } from '../model/backup.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import type { SkippedSnapshot, SkipReason } from '../model/plan.ts'
import { isOneFolder, wildParts } from '../model/snapshot-pattern.ts'
import type { Subvolume } from '../model/subvolume.ts'
import type { EpochSituation } from './epochs.ts'
import { type At, type KeepReason, keepMoments } from './keep.ts'
import { inOrderOfMaking, momentOf, snapshotMoment } from './moments.ts'

export interface FoundSnapshot {
  readonly path: string
  /** Null: no subvolume, or none whose name can be passed on. */
  readonly subvolume: Subvolume | null
  /** Who makes it has said that it is whole. */
  readonly isFinished: boolean
}

export interface SortedSnapshots {
  readonly usable: readonly Subvolume[]
  readonly skipped: readonly SkippedSnapshot[]
}

/** By identity: names and places say nothing about what a snapshot is of. */
export function sortFound(
  found: readonly FoundSnapshot[],
  source: Pick<Subvolume, 'uuid'>,
): SortedSnapshots {
  const usable = new Map<Uuid, Subvolume>()
  const skipped: SkippedSnapshot[] = []
  for (const one of found) {
    const reason = skipReason(one, source.uuid)
    if (reason !== undefined) skipped.push({ path: one.path, reason })
    // Seen through two mounts, it is still one.
    else if (one.subvolume && !usable.has(one.subvolume.uuid))
      usable.set(one.subvolume.uuid, one.subvolume)
  }
  return { usable: [...usable.values()], skipped }
}

function skipReason(
  { path, subvolume, isFinished }: FoundSnapshot,
  sourceUuid: Uuid,
): SkipReason | undefined {
  if (path.includes('\uFFFD')) return 'name'
  if (subvolume === null) return 'no-subvolume'
  // Sent under the uuid of what it was received from, it would pass for that.
  if (subvolume.receivedUuid !== null) return 'received'
  if (subvolume.sourceUuid !== sourceUuid) return 'other-source'
  if (!subvolume.readOnly) return 'writable'
  return isFinished ? undefined : 'unfinished'
}

/**
 * Its own where one folder holds them all; else `home.20261121T093000Z.42`, from when it was made
 * and from what tells it apart in the pattern, for the last part of all those paths may be one word.
 */
export function nameInBackup(
  source: SourceName,
  pattern: string,
  { path, createdAt }: Subvolume,
): string {
  if (isOneFolder(pattern)) return path.slice(path.lastIndexOf('/') + 1)
  const time = createdAt.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')
  return `${source}.${time}Z.${wildParts(pattern, path).join('.').slice(0, 80)}`
}

/**
 * What the remote lacks of what its rule would keep of backups and snapshots together, oldest first:
 * so nothing is sent that the rule would forget again. A first backup is made in any case.
 */
export function adoptedToSend(
  { rules, backups }: EpochSituation,
  { snapshots, forgotten, isRoot, wantsNewest }: AdoptedChoice,
  at: At,
): Subvolume[] {
  const { keep } = rules.policy
  const there = new Set(backups.map(({ manifest }) => manifest.snapshot.uuid))
  const here = new Set(snapshots.map(({ uuid }) => uuid))
  const gone = backups.filter(({ manifest }) => !here.has(manifest.snapshot.uuid))
  const makingOf = (one: Subvolume | Backup) =>
    'manifest' in one ? momentOf(one) : snapshotMoment(one)
  const ordered = inOrderOfMaking<Subvolume | Backup>([...gone, ...snapshots], makingOf)
  const reasons = keepMoments(ordered, { keep, minAgeMs: 0 }, at)
  const keepsNewest = wantsNewest || (keep.spans.length === 0 && keep.last === 0)
  const isWanted = (one: Subvolume) =>
    !!reasons.get(one)?.some(({ kind }) => isRule(kind) || (kind === 'newest' && keepsNewest))
  const inOrder = inOrderOfMaking(snapshots, snapshotMoment).map(({ item }) => item)
  const lacking = inOrder.filter(({ uuid }) => !there.has(uuid) && !forgotten.has(uuid))
  const wanted = lacking.filter(isWanted)
  return wanted.length === 0 && there.size === 0 && isRoot ? lacking.slice(-1) : wanted
}

export interface AdoptedChoice {
  readonly snapshots: readonly Subvolume[]
  /** Whose backups were forgotten, and wait for their end: somebody, or the rule, wants none of them. */
  readonly forgotten: ReadonlySet<Uuid>
  /** The epoch branches from none whose first backup counts for it too. */
  readonly isRoot: boolean
  /** Whether it is due or not. */
  readonly wantsNewest: boolean
}

function isRule(kind: KeepReason['kind']): boolean {
  return kind === 'everything' || kind === 'span' || kind === 'last'
}
