// A plan's steps in lines, each with its reason.

import { reasonInWords } from '../commands/shared/words.ts'
import type { Plan, Step } from '../model/plan.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'

export function planLines(plan: Plan, paint: Paint): string[] {
  if (plan.steps.length === 0 && plan.problems.length === 0)
    return [`  ${paint('quiet', 'nothing to do')}`]
  return plan.steps.map(
    step => `  ${stepText(step)}  ${paint('quiet', `because ${reasonInWords(step)}`)}`,
  )
}

function stepText(step: Step): string {
  if (step.kind === 'snapshot') return `take snapshot ${escapeControls(step.name)}`
  if (step.kind === 'release') return `delete snapshot ${escapeControls(step.path)}`
  const [parent] = step.parents
  const from = parent === undefined ? '' : ` from backup ${parent.seq}`
  return `send to ${escapeControls(step.remote)}: ${step.makes}${from}`
}
