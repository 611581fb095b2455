// Which snapshots of ours a run that goes well deletes at its end. Pure.

import type { ReleaseStep, Step } from '../model/plan.ts'
import { releasableSnapshots, type SourceSituation } from './plan-backup.ts'

/**
 * Expected, not promised: a run decides again when its sends are done (L7), and deletes nothing when
 * one of them failed or a remote could not be asked (L9).
 */
export function expectedReleases(
  situation: SourceSituation,
  steps: readonly Step[],
): ReleaseStep[] {
  const sends = steps.filter(step => step.kind === 'send')
  // Every remote has the newest by then, be it made now or be it the last that was caught up with.
  const newest = sends.at(-1)?.snapshot
  const needless =
    newest === undefined
      ? releasableSnapshots(situation)
      : situation.snapshots.filter(({ uuid }) => uuid !== newest)
  return needless.map(({ uuid, path }) => ({
    kind: 'release',
    source: situation.name,
    snapshot: uuid,
    path,
    reason: 'superseded',
  }))
}
