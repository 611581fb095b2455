// btrvault plan: what a backup would do now, and why.

import { basename } from 'node:path'
import { formatBytes } from '../../base/units.ts'
import type { PlannedStep, PlanReport, SendEstimate, SourcePlan } from '../../commands/plan.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { wrap } from '../width.ts'

export const planVerb: Verb = {
  name: 'plan',
  summary: 'show what a backup would do now, and why',
  description:
    'Show each step that `btrvault backup` would take now, with its reason, about how much file data it would send, and every problem that would stop it. Nothing is changed and nothing is locked.',
  examples: [
    { does: 'all sources', line: 'btrvault plan' },
    { does: 'one source, for a program', line: 'btrvault plan home --json' },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  exits: [3, 4, 10, 20, 30],
  run: runPlan,
}

async function runPlan(call: Call): Promise<Outcome> {
  const { plan } = await import('../../commands/plan.ts')
  const report = await plan(call.context, {
    config: await call.config(),
    sources: call.arguments,
  })
  return { report, exit: report.exitStatus, lines: view => planReportLines(report, view) }
}

export function planReportLines({ sources }: PlanReport, view: View): string[] {
  return sources.flatMap((source, index) => [
    ...(index === 0 ? [] : ['']),
    ...sourceLines(source, view),
  ])
}

function sourceLines(plan: SourcePlan, { paint, width }: View): string[] {
  const room = width - 3
  const name = paint('strong', escapeControls(plan.source))
  const steps = plan.steps.map(step => [
    stepText(step, paint),
    ...wrap(whyText(step), room).map(line => paint('quiet', line)),
  ])
  const idle = [[`${paint('good', '✓')} nothing to do: every remote has what is there`]]
  const branches = [...steps, ...plan.failures.map(one => failureBranch(one, { paint, room }))]
  return [
    `${name}  ${paint('quiet', escapeControls(plan.path))}`,
    ...treeLines(branches.length === 0 ? idle : branches, paint),
  ]
}

function failureBranch(
  { remote, message, hint }: SourcePlan['failures'][number],
  { paint, room }: { paint: Paint; room: number },
): string[] {
  const where = remote === undefined ? '' : `${escapeControls(remote)}: `
  const words = wrap(`${where}${escapeControls(message)}`, room - 2)
  const more = hint === undefined ? [] : wrap(`hint: ${escapeControls(hint)}`, room - 2)
  return [
    ...words.map((line, n) => `${n === 0 ? paint('bad', '✗') : ' '} ${line}`),
    ...more.map(line => `  ${paint('quiet', line)}`),
  ]
}

/** Branches of one or more lines each. */
function treeLines(branches: readonly (readonly string[])[], paint: Paint): string[] {
  return branches.flatMap((lines, index) => {
    const isLast = index === branches.length - 1
    return lines.map((line, n) => {
      const start = n === 0 ? (isLast ? '└─ ' : '├─ ') : isLast ? '   ' : '│  '
      return `${paint('quiet', start)}${line}`
    })
  })
}

function stepText(step: PlannedStep, paint: Paint): string {
  switch (step.kind) {
    case 'snapshot':
      return `take snapshot ${escapeControls(step.name)}`
    case 'release':
      return `delete snapshot ${escapeControls(basename(step.path))}`
    case 'send': {
      const [parent] = step.parents
      const from = parent === undefined ? '' : ` from backup ${parent.seq}`
      return `send to ${paint('strong', escapeControls(step.remote))}: ${step.makes} backup${from}`
    }
  }
}

function whyText(step: PlannedStep): string {
  const because = `because ${step.because}`
  if (step.kind !== 'send') return because
  return `${because}; ${estimateText(step.estimate ?? null)}`
}

function estimateText(estimate: SendEstimate | null): string {
  if (estimate === null) return 'how much is not known'
  const { dataBytes, storedBytes } = estimate
  const stored = storedBytes === 0 ? '' : `, ${formatBytes(storedBytes)} of it stored already`
  if (dataBytes === 0) return `names and metadata only${stored}`
  return `about ${formatBytes(dataBytes)} of file data, before compression${stored}`
}
