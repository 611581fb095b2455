// Refusals and reasons in words; every face of the program takes them from here.

import { Failure } from '../../base/failure.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { Problem, Step } from '../../model/plan.ts'

/** A plan's problem as the failure that a person reads. */
export function refusal(problem: Problem, source: SourceConfig): Failure {
  const what = `cannot back up ${source.name}`
  switch (problem.kind) {
    case 'nested': {
      const shown = problem.names.slice(0, 5).join(', ')
      const more = problem.names.length > 5 ? ` and ${problem.names.length - 5} more` : ''
      return new Failure(
        'refused',
        `${what}: ${source.path} has subvolumes inside, which a snapshot of it leaves out: ${shown}${more}`,
        {
          hint: `make each a source of its own, then list it under sources.${source.name}.nested (or write nested: ignore)`,
        },
      )
    }
    case 'received-source':
      return new Failure(
        'refused',
        `${what}: ${source.path} was made by btrfs receive and is still marked so: all its snapshots would pass for one`,
        {
          hint: 'make a writable snapshot of it (btrfs subvolume snapshot) and back that up instead',
        },
      )
  }
}

/** Why a step is planned. */
export function reasonInWords(step: Step): string {
  switch (step.reason) {
    case 'first':
      return step.kind === 'snapshot' ? 'there is no snapshot yet' : 'there is no backup yet'
    case 'changed':
      return 'the source changed'
    case 'behind':
      return 'this remote lacks the newest snapshot'
    case 'unfinished':
      return 'an earlier run was cut short'
    case 'superseded':
      return 'no later backup needs it'
  }
}
