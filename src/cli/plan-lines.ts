// A plan's steps in lines, each with its reason.

import { basename } from 'node:path'
import { reasonInWords } from '../commands/shared/words.ts'
import type { Plan, Step } from '../model/plan.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'

export function planLines(plan: Plan, timeZone: string, paint: Paint): string[] {
  if (plan.steps.length === 0 && plan.problems.length === 0)
    return [`  ${paint('quiet', 'nothing to do')}`]
  return plan.steps.map(step => {
    const why = paint('quiet', `because ${reasonInWords(step, timeZone)}`)
    return `  ${stepText(step, paint)}  ${why}`
  })
}

export function stepText(step: Step, paint: Paint): string {
  switch (step.kind) {
    case 'snapshot':
      return `take snapshot ${escapeControls(step.name)}`
    case 'release':
      return `delete snapshot ${escapeControls(basename(step.path))}`
    case 'forget':
      return `forget backup ${step.seq} on ${paint('strong', escapeControls(step.remote))}`
    case 'prune':
      return `prune backup ${step.seq} on ${paint('strong', escapeControls(step.remote))}`
    case 'send': {
      const [parent] = step.parents
      const from = parent === undefined ? '' : ` from backup ${parent.seq}`
      const of = step.epoch === undefined ? '' : ` for ${escapeControls(step.epoch)}`
      const what = step.name === undefined ? '' : `${escapeControls(step.name)} `
      return `send ${what}to ${paint('strong', escapeControls(step.remote))}: ${step.makes} backup${from}${of}`
    }
  }
}
