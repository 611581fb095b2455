// Until when what a send makes would be locked: as the run itself decides it, if it ran now.

import type { Retention } from '../../model/lock.ts'
import type { SendStep } from '../../model/plan.ts'
import { epochSituations } from '../../plan/epochs.ts'
import type { At } from '../../plan/keep.ts'
import { lockUntil } from '../../plan/lock.ts'
import { type Making, snapshotMoment } from '../../plan/moments.ts'
import type { Situation } from './situation.ts'

/** Undefined where nothing is locked. */
export function plannedLock(situation: Situation, step: SendStep, at: At): Retention | undefined {
  const rule = situation.views.get(step.remote)?.opened.config.lock
  const series = situation.remotes.find(({ remote }) => remote === step.remote)
  if (rule === undefined || series === undefined) return undefined
  const isOfStep = (epoch: string | null) => epoch === (step.epoch ?? null)
  const found = epochSituations(series).find(({ rules }) => isOfStep(rules.epoch))
  if (found === undefined) return undefined
  const { policy } = found.rules
  const snapshot = situation.snapshots.find(({ uuid }) => uuid === step.snapshot)
  const made = snapshot ? snapshotMoment(snapshot) : newOf(situation, at.now)
  const until = lockUntil(rule, { policy, made, backups: found.backups }, at)
  return { mode: rule.mode, until }
}

/** The snapshot that the run makes. */
function newOf({ subvolume }: Situation, now: Date): Making {
  const generation = Number.MAX_SAFE_INTEGER
  return { timeMs: now.getTime(), generation, sourceUuid: subvolume.uuid, tie: '' }
}
