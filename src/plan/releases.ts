// Which snapshots of ours a run that goes well deletes at its end. Pure.

import type { Uuid } from '../model/ids.ts'
import type { ReleaseStep, Step } from '../model/plan.ts'
import { parentCandidates } from './parents.ts'
import { newestSnapshot, type RemoteSituation, type SourceSituation } from './plan-backup.ts'

/**
 * Expected, not promised: a run decides again when its sends are done (L7), and deletes nothing when
 * one of them failed or a remote could not be asked (L9).
 */
export function expectedReleases(
  situation: SourceSituation,
  steps: readonly Step[],
): ReleaseStep[] {
  const makesNew = steps.some(step => step.kind === 'snapshot')
  const held = new Set(situation.remotes.map(remote => heldAfter(situation, remote, steps)))
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

/** The parent of the remote's next send; null for the snapshot that the run makes. */
function heldAfter(
  { snapshots, subvolume }: SourceSituation,
  { remote, backups }: RemoteSituation,
  steps: readonly Step[],
): Uuid | null | undefined {
  const sent = steps.flatMap(step =>
    step.kind === 'send' && step.remote === remote ? [step.snapshot] : [],
  )
  const isOfSource = (uuid: Uuid | null) =>
    uuid === null || snapshots.some(one => one.uuid === uuid && one.sourceUuid === subvolume.uuid)
  const last = sent.findLast(isOfSource)
  return last === undefined
    ? parentCandidates(backups, snapshots, subvolume.uuid)[0]?.snapshot.uuid
    : last
}
