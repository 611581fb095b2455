// Which snapshots of ours a run that goes well deletes at its end. Pure.

import type { Uuid } from '../model/ids.ts'
import type { ReleaseStep, SendStep, Step } from '../model/plan.ts'
import { newestSnapshot } from './plan-backup.ts'
import { futureParents, type PoolItem, poolOf, sentOf } from './pool.ts'
import type { RemoteSituation, SourceSituation } from './situation.ts'

/**
 * Expected, not promised: a run decides again when its sends are done (L7), and deletes nothing when
 * one of them failed or a remote could not be asked (L9).
 */
export function expectedReleases(
  situation: SourceSituation,
  { steps, now }: { readonly steps: readonly Step[]; readonly now: Date },
): ReleaseStep[] {
  const makesNew = steps.some(step => step.kind === 'snapshot')
  const held = new Set<Uuid | null | undefined>(
    situation.remotes.flatMap(remote => heldAfter(situation, remote, { steps, now })),
  )
  if (!makesNew) held.add(newestSnapshot(situation)?.uuid)
  const needless = situation.snapshots.filter(one => one.readOnly && !held.has(one.uuid))
  return needless.map(({ uuid, path }) => ({
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
  { steps, now }: { readonly steps: readonly Step[]; readonly now: Date },
): (Uuid | null)[] {
  const before = poolOf(remote.backups, snapshots, subvolume.uuid)
  const made = { snapshot: null, timeMs: now.getTime(), generation: Number.MAX_SAFE_INTEGER }
  const sent = steps.flatMap((step, index): PoolItem[] => {
    if (step.kind !== 'send' || step.remote !== remote.remote) return []
    const here = snapshots.find(({ uuid }) => uuid === step.snapshot)
    if (step.snapshot !== null && here?.sourceUuid !== subvolume.uuid) return []
    const facts = here === undefined ? made : sentOf(here)
    // Numbers and depths only have to be in order here.
    return [{ ...facts, seq: Number.MAX_SAFE_INTEGER - steps.length + index, depth: depthOf(step) }]
  })
  const again = new Set(sent.map(({ snapshot }) => snapshot))
  const pool = [...sent.toReversed(), ...before.filter(({ snapshot }) => !again.has(snapshot))]
  const at = { now, timeZone }
  return futureParents({ ...remote, pool, timeZone }, at).map(({ snapshot }) => snapshot)
}

function depthOf({ makes }: SendStep): number {
  return makes === 'full' ? 1 : 2
}
