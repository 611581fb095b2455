// btrvault plan: what a backup would do now, and why.

import { basename } from 'node:path'
import { formatBytes } from '../../base/units.ts'
import type { SendEstimate } from '../../commands/plan/estimate.ts'
import type {
  PlannedStep,
  PlanReport,
  RemoteRules,
  RuledSnapshot,
  SourcePlan,
} from '../../commands/plan.ts'
import type { Paint } from '../colour.ts'
import { epochText } from '../epoch-name.ts'
import { escapeControls } from '../escape.ts'
import { forecastLines } from '../forecast-lines.ts'
import { localTime } from '../local-time.ts'
import { stepText } from '../plan-lines.ts'
import { type RemoteLinesOptions, remoteLines } from '../plan-remote-lines.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { wrap } from '../width.ts'
import { noForgetFlag, parseTime } from './shared-flags.ts'

const mostDays = 3660

export const planVerb: Verb = {
  name: 'plan',
  summary: 'show what a backup would do now, and why',
  description:
    'Show each step that `btrvault backup` would take now, with its reason: snapshots, sends and about how much file data each takes (and would take if the snapshot that it builds on were lost), and on each remote what the keep rule would forget, and what of the forgotten would be pruned; also every problem that would stop it. Nothing is changed and nothing is locked.\n\nThe hash at the end stands for the steps and for what they rest on: the backups, the snapshots, the rules. `btrvault backup --plan HASH` does that and nothing else.',
  examples: [
    { does: 'all sources', line: 'btrvault plan' },
    { does: 'what a rule comes to in half a year', line: 'btrvault plan home --days 180' },
    { does: 'one source, for a program', line: 'btrvault plan home --json' },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    {
      flags: '--at <time>',
      doc: 'plan as if it were then, and every source had changed by then',
      parse: text => parseTime(Date.now())(text),
      wants: 'a time, such as 2027-01-01 or 2027-01-01T04:00+01:00',
    },
    {
      flags: '--days <count>',
      doc: 'also show how backups come and go over so many days, if the source changes all the time',
      parse: text =>
        /^[1-9]\d{0,3}$/.test(text) && Number(text) <= mostDays ? Number(text) : undefined,
      wants: `a number of days from 1 to ${mostDays}`,
    },
    { flags: '--now', doc: 'plan what backup --now would do' },
    noForgetFlag,
    {
      flags: '--rules',
      doc: 'show every backup and snapshot with the reasons for which it is kept, or none',
    },
  ],
  exits: [3, 4, 10, 20, 30, 40],
  run: runPlan,
}

async function runPlan(call: Call): Promise<Outcome> {
  const { plan } = await import('../../commands/plan.ts')
  const report = await plan(call.context, {
    config: await call.config(),
    sources: call.arguments,
    days: call.flags.number('days'),
    at: call.flags.value('at') as Date | undefined,
    regardless: call.flags.is('now'),
    forget: call.flags.is('forget'),
  })
  return {
    report,
    exit: report.exitStatus,
    lines: view => planReportLines(report, view, call.flags.is('rules')),
  }
}

export function planReportLines(
  { sources, timezone, hash }: PlanReport,
  view: View,
  rules = false,
): string[] {
  const options = { ...view, room: view.width - 3, timezone, all: rules }
  const lines = sources.flatMap((source, index) => [
    ...(index === 0 ? [] : ['']),
    ...sourceLines(source, options),
    ...(source.forecast === null ? [] : forecastLines(source.forecast, { ...view, timezone })),
    ...(rules ? source.remotes.flatMap(remote => ruleLines(remote, view, timezone)) : []),
    ...(rules ? snapshotLines(source.snapshots, view) : []),
  ])
  const isIdle = sources.every(({ steps }) => steps.length === 0)
  if (hash === null || isIdle) return lines
  const how = `to hold a backup to this, with the same sources and flags: --plan ${hash}`
  return [...lines, '', ...wrap(how, view.width).map(line => view.paint('quiet', line))]
}

function sourceLines(plan: SourcePlan, options: RemoteLinesOptions): string[] {
  const { paint, room } = options
  const name = paint('strong', escapeControls(plan.source))
  const steps = plan.steps
    .filter(({ kind }) => kind !== 'forget' && kind !== 'prune')
    .map(step => [
      stepText(step, paint),
      ...wrap(whyText(step, options.timezone), room).map(line => paint('quiet', line)),
    ])
  const isIdle = steps.length + plan.failures.length === 0
  const branches = [
    ...(isIdle ? [[`${paint('good', '✓')} nothing is due`]] : steps),
    ...plan.failures.map(one => failureBranch(one, { paint, room })),
    ...plan.remotes
      .map(remote => remoteLines(remote, plan.steps, options))
      .filter(({ length }) => length > 0),
  ]
  const skipped = plan.skipped.flatMap(one => wrap(`left out: ${escapeControls(one)}`, room))
  return [
    `${name}  ${paint('quiet', escapeControls(plan.path))}`,
    ...treeLines(branches, paint),
    ...skipped.map(line => `   ${paint('quiet', line)}`),
  ]
}

function ruleLines(
  { remote, backups }: RemoteRules,
  { paint, width }: View,
  timezone: string,
): string[] {
  const rows = backups.flatMap(({ seq, createdAt, makes, epoch, reasons }) => {
    const isKept = reasons.length > 0
    const head = `${isKept ? paint('good', '●') : paint('bad', '✗')} ${seq}  ${localTime(createdAt, timezone)}  ${makes}${epoch === null ? '' : `, ${epochText(epoch)}`}`
    const why = isKept ? reasons.join('; ') : 'no rule keeps it: it is to be forgotten'
    return [head, ...wrap(why, width - 7).map(line => `  ${paint('quiet', line)}`)]
  })
  const none = [paint('quiet', 'no backups yet')]
  return [
    `  on ${paint('strong', escapeControls(remote))}:`,
    ...(rows.length === 0 ? none : rows).map(line => `    ${line}`),
  ]
}

function snapshotLines(snapshots: readonly RuledSnapshot[], { paint, width }: View): string[] {
  if (snapshots.length === 0) return []
  const rows = snapshots.flatMap(({ path, reasons }) => {
    const isKept = reasons.length > 0
    const head = `${isKept ? paint('good', '●') : paint('bad', '✗')} ${escapeControls(basename(path))}`
    const why = isKept ? reasons.join('; ') : 'no later backup needs it, and no rule keeps it'
    return [head, ...wrap(escapeControls(why), width - 7).map(line => `  ${paint('quiet', line)}`)]
  })
  return ['  snapshots on this machine:', ...rows.map(line => `    ${line}`)]
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

function whyText(step: PlannedStep, timezone: string): string {
  const because = `because ${step.because}`
  if (step.kind !== 'send') return because
  const estimate = step.estimate ?? null
  return `${because}; ${estimateText(estimate)}${lostText(step, estimate)}${lockText(step, timezone)}`
}

function lockText({ lock }: PlannedStep, timezone: string): string {
  if (lock === undefined) return ''
  const strength = lock.mode === 'compliance' ? ', which nobody can undo' : ''
  return `; locked until ${localTime(lock.until, timezone)}${strength}`
}

/** What a lost parent costs: one that is gone already, or the one that is counted on. */
function lostText(
  { parents, wantsFull, fullLimitBytes }: Extract<PlannedStep, { kind: 'send' }>,
  estimate: SendEstimate | null,
): string {
  if (parents.length === 0 && !wantsFull) {
    const isTooMuch = fullLimitBytes === 0 || (estimate?.dataBytes ?? 0) > fullLimitBytes
    const limit = isTooMuch
      ? `: more than allow_full, ${formatBytes(fullLimitBytes)}, so it is refused`
      : ''
    return `; in full because nothing is left here that it could be a difference from${limit}`
  }
  const costs = (estimate?.instead ?? []).flatMap(({ parent, dataBytes }) => {
    const how = parent === null ? 'in full' : `from backup ${parent}`
    return dataBytes === null ? [] : [`${formatBytes(dataBytes)} ${how}`]
  })
  return costs.length === 0
    ? ''
    : `; if that backup's snapshot were lost here, ${costs.join(', or ')}`
}

function estimateText(estimate: SendEstimate | null): string {
  if (estimate === null) return 'how much is not known'
  const { dataBytes, storedBytes } = estimate
  const stored = storedBytes === 0 ? '' : `, ${formatBytes(storedBytes)} of it stored already`
  if (dataBytes === 0) return `names and metadata only${stored}`
  return `about ${formatBytes(dataBytes)} of file data, before compression${stored}`
}
