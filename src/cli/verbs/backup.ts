// btrvault backup: snapshots of what changed, on their remotes.

import { formatBytes, formatDuration } from '../../base/units.ts'
import type { BackupReport, SendReport, SourceReport } from '../../commands/backup.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { planLines } from '../plan-lines.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'

export const backupVerb: Verb = {
  name: 'backup',
  summary: 'back up what changed',
  description:
    'Back up every source that changed since its last backup, to every remote that it names and on which a backup is due by its keep rule: snapshot, send, compress, encrypt, store, sign. Run it from a timer as often as you like. A run that is interrupted, by whatever, is gone on with by the next one; what was stored is not sent again. The failure of one source or remote does not stop the others.',
  examples: [
    { does: 'everything, as a timer does', line: 'btrvault backup' },
    { does: 'one source', line: 'btrvault backup home' },
    { does: 'what would be done?', line: 'btrvault backup --dry-run' },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    { flags: '--now', doc: 'make a backup of what changed even where none is due yet' },
    {
      flags: '--no-check',
      doc: 'do not decrypt and compare each object before it is uploaded (faster, and trusts this machine more)',
    },
  ],
  mutates: true,
  exits: [3, 4, 10, 11, 20, 30],
  run: runBackup,
}

async function runBackup(call: Call): Promise<Outcome> {
  const { backup } = await import('../../commands/backup.ts')
  const report = await backup(call.context, {
    config: await call.config(),
    sources: call.arguments,
    dryRun: call.flags.is('dryRun'),
    regardless: call.flags.is('now'),
    check: call.flags.is('check'),
    estimate: process.stderr.isTTY,
  })
  return { report, exit: report.exitStatus, lines: view => backupLines(report, view) }
}

export function backupLines(report: BackupReport, { paint }: View): string[] {
  return report.sources.flatMap(source => sourceLines(source, report.dryRun, paint))
}

function sourceLines(report: SourceReport, dryRun: boolean, paint: Paint): string[] {
  const name = paint('strong', escapeControls(report.source))
  const failures = report.failures.flatMap(failure => failureLines(failure, paint, failure.remote))
  if (dryRun) return [name, ...planLines(report.plan, paint), ...failures.map(line => `  ${line}`)]
  const sends = report.sends.map(send => sendLine(name, send, paint))
  const isIdle = sends.length === 0 && failures.length === 0
  const idle = isIdle ? [`${paint('good', '✓')} ${name}: nothing is due, nothing to do`] : []
  const failed =
    failures.length === 0
      ? []
      : [`${paint('bad', '✗')} ${name}:`, ...failures.map(line => `  ${line}`)]
  return [...idle, ...sends, ...failed]
}

function sendLine(name: string, send: SendReport, paint: Paint): string {
  const { remote, seq, makes, readBytes, storedBytes, resumedBytes, durationMs } = send
  const resumed =
    resumedBytes === 0 ? '' : `, ${formatBytes(resumedBytes)} of it before an interruption`
  const cost = `${formatBytes(readBytes)} read, ${formatBytes(storedBytes)} stored${resumed}, in ${formatDuration(durationMs)}`
  return `${paint('good', '✓')} ${name} → ${escapeControls(remote)}: ${makes} backup ${seq}; ${paint('quiet', cost)}`
}
