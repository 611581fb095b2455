// btrvault prune: deletes what was forgotten long enough ago, and what cut runs left.

import { formatBytes, plural } from '../../base/units.ts'
import type { PruneReport, RemotePruning, SeriesPruning } from '../../commands/prune.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { localTime } from '../local-time.ts'
import { seriesHeading } from '../series-heading.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { hang } from '../width.ts'
import { yesFlag } from './shared-flags.ts'

export const pruneVerb: Verb = {
  name: 'prune',
  summary: 'delete forgotten backups whose grace is over',
  description:
    'Delete the objects of backups that were forgotten and whose grace is over, and segments and indexes that no manifest names and that are older than any run that can still be going (14 days, or the grace where that is longer). Everything is read anew before, and what a backup that stays needs is checked twice, by independent code; when anything is in doubt nothing is deleted. A run that was cut is gone on with by the next one.\n\nIt needs no identity, and may run on another machine, with credentials of its own. What is under an object lock stays until its time, and is told; where the bucket keeps versions for locks, every version of what goes is removed.',
  examples: [
    { does: 'what would be deleted?', line: 'btrvault prune --dry-run' },
    { does: 'one remote, as a timer does', line: 'btrvault prune aws --yes' },
  ],
  arguments: [{ name: 'remote...', doc: 'names of remotes; all when none is given' }],
  flags: [yesFlag],
  mutates: true,
  exits: [3, 4, 10, 30, 40],
  run: runPrune,
}

async function runPrune(call: Call): Promise<Outcome> {
  const { prune } = await import('../../commands/prune.ts')
  const report = await prune(call.context, {
    config: await call.config(),
    remotes: call.arguments,
    dryRun: call.flags.is('dryRun'),
    agree: async ({ deleted, objectCount, orphanCount }) => {
      const objects = plural(objectCount + orphanCount, 'object')
      const question = `Delete ${plural(deleted.length, 'forgotten backup')} and ${objects} for good?`
      await call.agree('prune', question)
    },
  })
  return { report, exit: report.exitStatus, lines: view => pruneLines(report, view) }
}

export function pruneLines(report: PruneReport, view: View): string[] {
  return report.remotes
    .flatMap(remote => remoteLines(remote, report, view))
    .flatMap(line => hang(line, view.width))
}

function remoteLines(
  { remote, series, failure }: RemotePruning,
  report: PruneReport,
  view: View,
): string[] {
  const { paint } = view
  const place = escapeControls(remote)
  if (failure !== null) {
    const lines = failureLines(failure, paint, remote).map(line => `  ${line}`)
    return [`${paint('bad', '✗')} ${place}:`, ...lines]
  }
  if (series.length === 0) return [`${paint('good', '✓')} ${place}: there is nothing to prune`]
  return series.flatMap(one => [
    seriesHeading(one, place, paint),
    ...seriesLines(one, report, view).map(line => `  ${line}`),
  ])
}

function seriesLines(one: SeriesPruning, { dryRun, timezone }: PruneReport, view: View): string[] {
  const { paint } = view
  const { deleted, revived, waiting, objectCount, orphanCount } = one
  const would = dryRun ? 'would be ' : ''
  const list = (ids: readonly number[]) => ids.join(', ')
  const done = [
    ...(deleted.length > 0 ? [`backups ${would}deleted: ${list(deleted)}`] : []),
    ...(objectCount > 0
      ? [`${plural(objectCount, 'object')} of theirs ${would}deleted, ${formatBytes(one.bytes)}`]
      : []),
    ...(orphanCount > 0
      ? [`${plural(orphanCount, 'orphan')} ${would}deleted, ${formatBytes(one.orphanBytes)}`]
      : []),
    ...(revived.length > 0 ? [`${would}shown again, as others need them: ${list(revived)}`] : []),
  ].map(line => `${paint('good', '✓')} ${line}`)
  const next = one.nextAt === null ? '' : `; the first may go at ${localTime(one.nextAt, timezone)}`
  const notes = [
    ...(waiting.length === 0 ? [] : [`still hidden: ${list(waiting)}${next}`]),
    ...lockedNotes(one, timezone),
  ]
  const failed = one.failure === null ? [] : failureLines(one.failure, paint)
  const idle =
    done.length + failed.length === 0 ? [`${paint('good', '✓')} there is nothing to delete`] : []
  return [...done, ...idle, ...notes.map(note => `${paint('quiet', '·')} ${note}`), ...failed]
}

function lockedNotes(
  { locked, lockedOrphanCount, lockedUntil }: SeriesPruning,
  timezone: string,
): string[] {
  if (lockedUntil === null) return []
  const what = [
    ...(locked.length > 0 ? [`backups ${locked.join(', ')}`] : []),
    ...(lockedOrphanCount > 0 ? [plural(lockedOrphanCount, 'orphan')] : []),
  ]
  const words = what.length === 0 ? 'what is left of deleted ones' : what.join(' and ')
  return [`still locked: ${words}; the first may go at ${localTime(lockedUntil, timezone)}`]
}
