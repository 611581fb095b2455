// By what two plans are the same: their steps, and the state that they rest on. Not the clock and
// not what a living source is up to: a plan that was read a minute ago still stands.

import type { Plan, Step } from '../model/plan.ts'
import type { ForgottenBackup } from './prune.ts'
import type { SourceSituation } from './situation.ts'

export const markNames = ['steps', 'backups', 'snapshots', 'rules'] as const
export type MarkName = (typeof markNames)[number]

/** A text for each; equal where the plans are. */
export type Marks = Readonly<Record<MarkName, string>>

export interface MarkedState {
  /** By remote. */
  readonly hidden: ReadonlyMap<string, readonly ForgottenBackup[]>
  /** What else the configuration says that decides. */
  readonly limits: unknown
  /** Remotes that can't be used now. */
  readonly unusable: readonly string[]
}

export function marksOf(situation: SourceSituation, plan: Plan, state: MarkedState): Marks {
  const { name, subvolume, snapshots, remotes, localKeep, timeZone } = situation
  const rules = remotes.map(({ remote, ruleSets }) => [remote, ruleSets])
  const backups = remotes.map(({ remote, backups: live, unfinished, unfinishedEpoch }) => [
    remote,
    live.map(({ manifestSha256 }) => manifestSha256),
    (state.hidden.get(remote) ?? []).map(({ tombstone }) => [tombstone.seq, tombstone.manifest]),
    unfinished ?? null,
    unfinishedEpoch ?? null,
  ])
  const here = snapshots.map(({ uuid, readOnly }) => `${uuid} ${readOnly}`).sort()
  return {
    steps: JSON.stringify([name, plan.steps.map(markOf), plan.problems]),
    backups: JSON.stringify([name, backups, state.unusable]),
    snapshots: JSON.stringify([name, subvolume.uuid, here]),
    rules: JSON.stringify([name, rules, localKeep, timeZone, state.limits]),
  }
}

/** Without what the time of day alone makes different. */
function markOf(step: Step): unknown {
  switch (step.kind) {
    case 'snapshot':
      return [step.kind, step.reason]
    case 'send': {
      const { kind, remote, epoch, snapshot, parents, makes, wantsFull, fullLimitBytes } = step
      const from = parents.map(parent => parent.snapshot)
      return [kind, remote, epoch ?? null, snapshot, from, makes, wantsFull, fullLimitBytes]
    }
    case 'release':
      return [step.kind, step.snapshot]
    case 'forget':
    case 'prune':
      return [step.kind, step.remote, step.seq]
  }
}
