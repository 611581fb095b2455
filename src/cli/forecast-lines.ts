// How backups come and go over the next days, and the tree that stands at the end.

import { plural } from '../base/units.ts'
import type { SourceForecast } from '../commands/plan.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'
import { localTime } from './local-time.ts'
import { wrap } from './width.ts'

type Remote = SourceForecast['remotes'][number]
type Day = Remote['days'][number]
type Standing = Remote['end']['backups'][number]

interface Showing {
  readonly paint: Paint
  /** Columns of the terminal. */
  readonly width: number
  /** IANA name. */
  readonly timezone: string
}

/** Lines of the tree at most; a rule that keeps thousands is not for reading. */
const mostTreeLines = 60

export function forecastLines(forecast: SourceForecast, showing: Showing): string[] {
  const { paint, width, timezone } = showing
  const { runCount, until, isWhole, mostSnapshots, remotes } = forecast
  const runs = `${plural(runCount, 'run')}${isWhole ? '' : ', which is as far as this looks'}`
  const said = `until ${localTime(until, timezone)}, in ${runs}, if the source changes all the time and every run goes well; at most ${plural(mostSnapshots, 'snapshot')} on this machine`
  return [
    ...wrap(said, width - 2).map(line => `  ${paint('quiet', line)}`),
    ...remotes.flatMap(remote => remoteLines(remote, showing)),
  ]
}

function remoteLines({ remote, days, end }: Remote, { paint, width, timezone }: Showing): string[] {
  const { backups, longestChain, hiddenCount } = end
  const stands = `at the end ${plural(backups.length, 'backup')}, the longest chain of ${longestChain}; ${hiddenCount} hidden`
  const tree = treeLines(backups, null, timezone)
  const shown = tree.slice(0, mostTreeLines)
  const more = tree.length - shown.length
  return [
    `  on ${paint('strong', escapeControls(remote))}:`,
    ...runsOfDays(days).flatMap(run => {
      const text = daysText(run)
      return wrap(text, width - 6).map((line, n) => `${n === 0 ? '    ' : '      '}${line}`)
    }),
    ...wrap(stands, width - 4).map(line => `    ${paint('strong', line)}`),
    ...shown.map(line => `    ${paint('quiet', line)}`),
    ...(more > 0 ? [`    ${paint('quiet', `… and ${more} more lines`)}`] : []),
  ]
}

/** Days after each other on which the same happens. */
function runsOfDays(days: readonly Day[]): Day[][] {
  const runs: Day[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && countsText(last) === countsText(day))
      run.push(day)
    else runs.push([day])
  }
  return runs
}

function daysText(run: readonly Day[]): string {
  const [first, last] = [run[0], run.at(-1)]
  if (first === undefined || last === undefined) return ''
  const dates = first === last ? first.date : `${first.date} … ${last.date}`
  const times = run.length === 1 ? '' : ` on each of ${run.length} days`
  return `${dates}  ${countsText(first)}${times}`
}

function countsText({ full, differential, incremental, forgotten, pruned }: Day): string {
  const made = Object.entries({ full, differential, incremental })
  const gone = Object.entries({ forgotten, pruned })
  const listed = (all: [string, number][]) =>
    all
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')
  return [listed(made), listed(gone)].filter(text => text !== '').join('; ')
}

/** What others are built on stands alone; the rest is told together. */
function treeLines(
  backups: readonly Standing[],
  parent: number | null,
  timezone: string,
): string[] {
  const seqs = new Set(backups.map(({ parent: from }) => from))
  const here = backups.filter(one => one.parent === parent)
  const inner = here.filter(({ seq }) => seqs.has(seq))
  const leaves = here.filter(({ seq }) => !seqs.has(seq))
  const branches = [
    ...inner.map(one => [oneText(one, timezone), ...treeLines(backups, one.seq, timezone)]),
    ...(leaves.length === 0 ? [] : [[leavesText(leaves, timezone)]]),
  ]
  return branches.flatMap((lines, index) => {
    const isLast = index === branches.length - 1
    return lines.map((line, n) => {
      if (n === 0) return `${isLast ? '└─ ' : '├─ '}${line}`
      return `${isLast ? '   ' : '│  '}${line}`
    })
  })
}

function oneText({ seq, makes, snapshotTime }: Standing, timezone: string): string {
  return `${seq}  ${localTime(snapshotTime, timezone)}  ${makes}`
}

function leavesText(leaves: readonly Standing[], timezone: string): string {
  const [first, last] = [leaves[0], leaves.at(-1)]
  if (first === undefined || last === undefined || first === last) {
    return first === undefined ? '' : oneText(first, timezone)
  }
  const times = `${localTime(first.snapshotTime, timezone)} … ${localTime(last.snapshotTime, timezone)}`
  return `${leaves.length} × ${first.makes}, ${times}`
}
