// btrvault du: what the remotes hold, by what it is for.

import { formatBytes, plural } from '../../base/units.ts'
import type { DuReport, RemoteUsage, SeriesUsageReport } from '../../commands/du.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { seriesHeading } from '../series-heading.ts'
import { formatTable } from '../table.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { identityFlag } from './shared-flags.ts'

export const duVerb: Verb = {
  name: 'du',
  summary: 'show how much the remotes hold, and what of it is forgotten',
  description:
    'List all objects on the remotes and add up what they take: live backups, hidden ones (forgotten, and deleted by `btrvault prune` once their grace is over), and orphans: segments and indexes that no manifest names, left by runs that were cut, or part of a run that is going on.',
  examples: [{ does: 'one remote', line: 'btrvault du aws' }],
  arguments: [{ name: 'remote...', doc: 'names of remotes; all when none is given' }],
  flags: [identityFlag],
  exits: [3, 4, 10, 12, 30, 40],
  run: runDu,
}

async function runDu(call: Call): Promise<Outcome> {
  const { du } = await import('../../commands/du.ts')
  const report = await du(call.context, {
    config: await call.config(),
    remotes: call.arguments,
    identity: call.flags.text('identity'),
    passphrase: async () => call.secret('passphrase of the identity'),
  })
  return { report, exit: report.exitStatus, lines: view => duLines(report, view) }
}

export function duLines({ remotes }: DuReport, view: View): string[] {
  return remotes.flatMap(remote => remoteLines(remote, view))
}

function remoteLines({ remote, series, bytes, failure }: RemoteUsage, view: View): string[] {
  const { paint } = view
  const place = escapeControls(remote)
  if (failure !== null) {
    const lines = failureLines(failure, paint, remote).map(line => `  ${line}`)
    return [`${paint('bad', '✗')} ${place}:`, ...lines]
  }
  return [
    ...series.flatMap(one => [
      seriesHeading(one, place, paint),
      ...seriesLines(one, view).map(line => `  ${line}`),
      '',
    ]),
    `${place}: ${formatBytes(bytes)} stored`,
  ]
}

function seriesLines(one: SeriesUsageReport, { paint, width }: View): string[] {
  const { live, hidden, orphans, problemCount } = one
  const columns = [
    { heading: '' },
    { heading: 'count', align: 'right' as const },
    { heading: 'stored', align: 'right' as const },
  ]
  const rows = [
    ['live backups', String(live.backups), formatBytes(live.bytes)],
    ['hidden backups', String(hidden.backups), formatBytes(hidden.bytes)],
    ['orphaned objects', String(orphans.objects), formatBytes(orphans.bytes)],
  ]
  return [...formatTable(columns, rows, { paint, width: width - 2 }), ...note(problemCount, paint)]
}

function note(problemCount: number, paint: Paint): string[] {
  if (problemCount === 0) return []
  return [`${paint('bad', '✗')} ${plural(problemCount, 'problem')}: btrvault list tells more`]
}
