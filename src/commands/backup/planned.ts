// All that a run would do for one source, to its end: what is made, sent, released, forgotten, pruned.

import type { Plan } from '../../model/plan.ts'
import { keepsEverything } from '../../model/policy.ts'
import { type DeletionPlace, expectedDeletions } from '../../plan/deletions.ts'
import { type PlanWishes, planBackup } from '../../plan/plan-backup.ts'
import { expectedReleases } from '../../plan/releases.ts'
import { refuseProblems } from '../shared/deletion.ts'
import { type FailureReport, reportFailure } from '../shared/report.ts'
import type { RemoteView } from './remote-view.ts'
import type { Situation } from './situation.ts'

export interface SourceWishes extends PlanWishes {
  /** False: nothing is forgotten or pruned. */
  readonly forget: boolean
}

export interface WholePlan extends Plan {
  /** Remotes on which nothing would be forgotten or pruned, because something is in doubt. */
  readonly doubts: readonly Doubt[]
}

export interface Doubt {
  readonly remote: string
  readonly failure: FailureReport
}

export function planSource(situation: Situation, now: Date, wishes: SourceWishes): WholePlan {
  const { steps, problems } = planBackup(situation, now, wishes)
  if (situation.unusable.length + problems.length > 0) return { steps, problems, doubts: [] }
  const releases = expectedReleases(situation, { steps, now })
  const views = wishes.forget ? deletableViews(situation) : []
  const looks = views.map(([remote, view]) => {
    try {
      refuseProblems('forget', `backups of ${situation.name} on ${remote}`, view.problems)
      const places = [placeOf(remote, view)]
      return { deletions: expectedDeletions(situation, places, { steps, now }), doubts: [] }
    } catch (error) {
      return { deletions: [], doubts: [{ remote, failure: reportFailure(error) }] }
    }
  })
  return {
    steps: [...steps, ...releases, ...looks.flatMap(({ deletions }) => deletions)],
    problems,
    doubts: looks.flatMap(({ doubts }) => doubts),
  }
}

/** Where a rule is written that lets anything go, and this machine may delete. */
export function deletableViews({ views, remotes }: Situation): [string, RemoteView][] {
  return [...views].filter(([name, { opened }]) => {
    const rules = remotes.find(({ remote }) => remote === name)?.ruleSets ?? []
    const forgets = rules.some(({ policy }) => !keepsEverything(policy.keep))
    return opened.config.access === 'full' && forgets
  })
}

export function placeOf(
  remote: string,
  { opened, hidden, tombstones }: Pick<RemoteView, 'opened' | 'hidden' | 'tombstones'>,
): DeletionPlace {
  const { graceMs, maxDelete } = opened.config
  return { remote, hidden, tombstones, locked: opened.locked, graceMs, maxDelete }
}
