// What the rule for snapshots on this machine (`snapshots.keep`) keeps, besides what later sends need.

import type { Subvolume } from '../model/subvolume.ts'
import { type KeepReason, keepMoments } from './keep.ts'
import { inOrderOfMaking, type Making, snapshotMoment } from './moments.ts'
import type { SourceSituation } from './situation.ts'

/** Each with its reasons, which may be none. Null: the snapshot that the run makes. */
export function keepLocally(
  { snapshots, subvolume, localKeep, timeZone }: SourceSituation,
  now: Date,
  makesNew = false,
): Map<Subvolume | null, KeepReason[]> {
  if (localKeep === null) return new Map()
  const { uuid: sourceUuid } = subvolume
  const made = { timeMs: now.getTime(), generation: Number.MAX_SAFE_INTEGER, sourceUuid, tie: '' }
  const makingOf = (one: Subvolume | null): Making => (one === null ? made : snapshotMoment(one))
  const readOnly = snapshots.filter(one => one.readOnly)
  // What is of the subvolume that stands there now was made last, whatever the clock said.
  const before = readOnly.filter(one => one.sourceUuid !== sourceUuid)
  const since = readOnly.filter(one => one.sourceUuid === sourceUuid)
  const ordered = [
    ...inOrderOfMaking<Subvolume | null>(before, makingOf),
    ...inOrderOfMaking(makesNew ? [...since, null] : since, makingOf),
  ]
  return keepMoments(ordered, { keep: localKeep, minAgeMs: 0 }, { now, timeZone })
}
