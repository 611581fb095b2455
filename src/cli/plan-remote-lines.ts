// What a plan says of one remote: how many backups are kept, which go and why, which are hidden.

import type { PlannedStep, RemoteRules } from '../commands/plan.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'
import { failureLines } from './failure-lines.ts'
import { localTime } from './local-time.ts'
import { wrap } from './width.ts'

export interface RemoteLinesOptions {
  readonly paint: Paint
  /** Columns that a line may have. */
  readonly room: number
  /** IANA name. */
  readonly timezone: string
  /** Every backup that goes, not only the first few. */
  readonly all: boolean
}

/** Of so many that go, each is shown with its reason. */
const mostShown = 8

/** None for a remote of which there is nothing to say. */
export function remoteLines(
  rules: RemoteRules,
  steps: readonly PlannedStep[],
  options: RemoteLinesOptions,
): string[] {
  const { paint, room } = options
  const { remote, backups, hidden, doubt } = rules
  const going = steps.filter(
    step => (step.kind === 'forget' || step.kind === 'prune') && step.remote === remote,
  )
  if (backups.length + hidden.length + going.length === 0 && doubt === null) return []
  const shown = going.slice(0, options.all ? going.length : mostShown)
  const more = going.length - shown.length
  const heading = `on ${paint('strong', escapeControls(remote))}: ${countsText(rules, going, options)}`
  return [
    ...wrap(heading, room),
    ...shown.flatMap(step => goingLines(step, options)),
    ...(more > 0 ? [`  ${paint('quiet', `… and ${more} more, which --rules shows`)}`] : []),
    ...(doubt === null
      ? []
      : failureLines(doubt, paint)
          .flatMap(line => wrap(line, room - 4))
          .map((line, n) => `  ${n === 0 ? paint('bad', '✗') : ' '} ${line}`)),
  ]
}

function countsText(
  { backups, hidden }: RemoteRules,
  going: readonly PlannedStep[],
  { timezone }: RemoteLinesOptions,
): string {
  const forgets = going.flatMap(step => (step.kind === 'forget' ? [step] : []))
  const pruned = new Set(going.flatMap(step => (step.kind === 'prune' ? [step.seq] : [])))
  const waiting = hidden.filter(({ seq }) => !pruned.has(seq))
  const first = waiting.reduce<Date | undefined>(
    (least, { notBefore }) => (least && least <= notBefore ? least : notBefore),
    undefined,
  )
  const notBefore = forgets[0]?.notBefore
  const until = notBefore === undefined ? '' : `, hidden until ${localTime(notBefore, timezone)}`
  const goes = first === undefined ? '' : ` (the first goes ${localTime(first, timezone)})`
  const kept = backups.filter(({ reasons }) => reasons.length > 0).length
  const left = backups.length - kept - forgets.length
  return [
    `${kept} kept`,
    ...(forgets.length > 0 ? [`${forgets.length} to forget${until}`] : []),
    ...(left > 0 ? [`${left} more that no rule keeps`] : []),
    ...(pruned.size > 0 ? [`${pruned.size} to prune`] : []),
    ...(waiting.length > 0 ? [`${waiting.length} hidden already${goes}`] : []),
  ].join('; ')
}

function goingLines(step: PlannedStep, { paint, room, timezone }: RemoteLinesOptions): string[] {
  if (step.kind !== 'forget' && step.kind !== 'prune') return []
  const time = step.kind === 'forget' ? `  ${localTime(step.snapshotTime, timezone)}` : ''
  const head = `  ${paint('bad', '✗')} ${step.kind} backup ${step.seq}${time}`
  return [head, ...wrap(step.because, room - 4).map(line => `    ${paint('quiet', line)}`)]
}
