// Which snapshots of ours a run that goes well leaves, and why, and which it deletes at its end. Pure.

import type { Uuid } from '../model/ids.ts'
import type { ReleaseStep, SendStep, Step } from '../model/plan.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { epochSituations } from './epochs.ts'
import type { KeepReason } from './keep.ts'
import { keepLocally } from './local-keep.ts'
import { newestSnapshot } from './plan-backup.ts'
import { futureParents, type PoolItem, poolOf, sentOf } from './pool.ts'
import type { RemoteSituation, SourceSituation } from './situation.ts'

export type SnapshotReason =
  | KeepReason
  /** The remote's next backups will be differences from it. */
  | { readonly kind: 'parent'; readonly remote: string }
  | { readonly kind: 'writable' }

export interface KeptSnapshot {
  readonly snapshot: Subvolume
  /** Empty: not kept. */
  readonly reasons: readonly SnapshotReason[]
}

export interface Foresight {
  readonly steps: readonly Step[]
  readonly now: Date
}

/**
 * Expected, not promised: a run decides again when its sends are done (L7), and deletes nothing when
 * one of them failed or a remote could not be asked (L9).
 */
export function expectedSnapshots(
  situation: SourceSituation,
  foresight: Foresight,
): KeptSnapshot[] {
  if (situation.adopted !== null) return []
  const { snapshots, remotes } = situation
  const makesNew = foresight.steps.some(step => step.kind === 'snapshot')
  const newest = makesNew ? undefined : newestSnapshot(situation)
  const byRule = keepLocally(situation, foresight.now, makesNew)
  const parents = remotes.map(remote => ({
    remote: remote.remote,
    held: new Set(heldAfter(situation, remote, foresight)),
  }))
  return snapshots.map(snapshot => {
    const reasons: SnapshotReason[] = [...(byRule.get(snapshot) ?? [])]
    const isNewest = snapshot === newest && reasons.every(({ kind }) => kind !== 'newest')
    if (isNewest) reasons.push({ kind: 'newest' })
    for (const { remote, held } of parents) {
      if (held.has(snapshot.uuid)) reasons.push({ kind: 'parent', remote })
    }
    if (!snapshot.readOnly) reasons.push({ kind: 'writable' })
    return { snapshot, reasons }
  })
}

export function expectedReleases(situation: SourceSituation, foresight: Foresight): ReleaseStep[] {
  return expectedSnapshots(situation, foresight)
    .filter(({ reasons }) => reasons.length === 0)
    .map(({ snapshot: { uuid, path } }) => ({
      kind: 'release',
      source: situation.name,
      snapshot: uuid,
      path,
      reason: 'superseded',
    }))
}

/** Null for the snapshot that the run makes. */
function heldAfter(
  { snapshots, subvolume, timeZone }: SourceSituation,
  remote: RemoteSituation,
  { steps, now }: Foresight,
): (Uuid | null)[] {
  const before = poolOf(remote, snapshots, subvolume.uuid)
  const made = { snapshot: null, timeMs: now.getTime(), generation: Number.MAX_SAFE_INTEGER }
  const sent = steps.flatMap((step, index): PoolItem[] => {
    if (step.kind !== 'send' || step.remote !== remote.remote) return []
    const here = snapshots.find(({ uuid }) => uuid === step.snapshot)
    if (step.snapshot !== null && here?.sourceUuid !== subvolume.uuid) return []
    const facts = here === undefined ? made : sentOf(here)
    // Numbers and depths only have to be in order here.
    const seq = Number.MAX_SAFE_INTEGER - steps.length + index
    return [{ ...facts, seq, depth: depthOf(step), epoch: step.epoch ?? null }]
  })
  const pool = [...sent.toReversed(), ...before]
  const at = { now, timeZone }
  return epochSituations(remote).flatMap(epoch =>
    futureParents({ ...epoch, pool, timeZone }, at).map(({ snapshot }) => snapshot),
  )
}

function depthOf({ makes }: SendStep): number {
  return makes === 'full' ? 1 : 2
}
