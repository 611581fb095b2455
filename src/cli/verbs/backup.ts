// btrvault backup: snapshots of what changed, on their remotes.

import { formatBytes, formatDuration, plural } from '../../base/units.ts'
import type { RemoteDeletions } from '../../commands/backup/deletions.ts'
import type { BackupReport, SendReport, SourceReport } from '../../commands/backup.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { localTime } from '../local-time.ts'
import { planLines } from '../plan-lines.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { hang } from '../width.ts'
import { noForgetFlag } from './shared-flags.ts'

export const backupVerb: Verb = {
  name: 'backup',
  summary: 'back up what changed',
  description:
    'Back up every source that changed since its last backup, to every remote that it names and on which a backup is due by its keep rule: snapshot, send, compress, encrypt, store, sign. Where all of that went well, backups that `keep` no longer keeps are forgotten (hidden, until their grace is over), and forgotten ones whose grace is over are pruned; `btrvault plan` shows which, and a remote with `access: no-delete` loses nothing. Run it from a timer as often as you like. A run that is interrupted, by whatever, is gone on with by the next one; what was stored is not sent again. The failure of one source or remote does not stop the others.',
  examples: [
    { does: 'everything, as a timer does', line: 'btrvault backup' },
    { does: 'one source', line: 'btrvault backup home' },
    { does: 'what would be done?', line: 'btrvault backup --dry-run' },
    {
      does: 'that and nothing else, by the hash that btrvault plan printed',
      line: 'btrvault backup --plan 0f3c9a-77d0e2-1b2c3d-9e8f70',
    },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    { flags: '--now', doc: 'make a backup of what changed even where none is due yet' },
    {
      flags: '--plan <hash>',
      doc: 'do what btrvault plan showed with this hash, or refuse when that is not the plan any more',
      parse: parsePlanHash,
      wants: 'the hash that btrvault plan printed, such as 0f3c9a-77d0e2-1b2c3d-9e8f70',
    },
    noForgetFlag,
    {
      flags: '--no-check',
      doc: 'do not decrypt and compare each object before it is uploaded (faster, and trusts this machine more)',
    },
  ],
  mutates: true,
  exits: [3, 4, 10, 11, 20, 30, 31, 40],
  run: runBackup,
}

function parsePlanHash(text: string): string | undefined {
  return /^[0-9a-f]{6}(-[0-9a-f]{6}){3}$/.test(text) ? text : undefined
}

async function runBackup(call: Call): Promise<Outcome> {
  const { backup } = await import('../../commands/backup.ts')
  const report = await backup(call.context, {
    config: await call.config(),
    sources: call.arguments,
    dryRun: call.flags.is('dryRun'),
    regardless: call.flags.is('now'),
    forget: call.flags.is('forget'),
    plan: call.flags.value('plan') as string | undefined,
    check: call.flags.is('check'),
    estimate: process.stderr.isTTY,
  })
  return { report, exit: report.exitStatus, lines: view => backupLines(report, view) }
}

export function backupLines(
  { sources, dryRun, timezone }: BackupReport,
  { paint, width }: View,
): string[] {
  return sources
    .flatMap(source => sourceLines(source, { dryRun, timezone, paint }))
    .flatMap(line => hang(line, width))
}

interface Showing {
  readonly dryRun: boolean
  readonly timezone: string
  readonly paint: Paint
}

function sourceLines(report: SourceReport, { dryRun, timezone, paint }: Showing): string[] {
  const name = paint('strong', escapeControls(report.source))
  const failures = report.failures.flatMap(failure => failureLines(failure, paint, failure.remote))
  if (dryRun) {
    const steps = planLines(report.plan, timezone, paint)
    return [name, ...steps, ...failures.map(line => `  ${line}`)]
  }
  const sends = report.sends.map(send => sendLine(name, send, paint))
  const isIdle = sends.length + failures.length + report.deletions.length === 0
  const idle = isIdle ? [`${paint('good', '✓')} ${name}: nothing is due, nothing to do`] : []
  const failed =
    failures.length === 0
      ? []
      : [`${paint('bad', '✗')} ${name}:`, ...failures.map(line => `  ${line}`)]
  const deletions = report.deletions.flatMap(one => deletionLines(name, one, { timezone, paint }))
  return [...idle, ...sends, ...failed, ...deletions]
}

function deletionLines(
  name: string,
  { remote, forgotten, postponedCount, notBefore, pruned, failure }: RemoteDeletions,
  { timezone, paint }: Pick<Showing, 'timezone' | 'paint'>,
): string[] {
  const place = `${name} on ${escapeControls(remote)}`
  const until = notBefore === null ? '' : ` until ${localTime(notBefore, timezone)}`
  const later = postponedCount === 0 ? '' : `, ${postponedCount} left to later runs (max_delete)`
  const { deleted, objectCount, orphanCount, bytes, orphanBytes } = pruned
  const said = [
    ...(forgotten.length > 0
      ? [`forgot ${plural(forgotten.length, 'backup')}${until} (${ids(forgotten)})${later}`]
      : []),
    ...(deleted.length + objectCount + orphanCount > 0
      ? [`pruned ${plural(deleted.length, 'backup')}, ${formatBytes(bytes + orphanBytes)}`]
      : []),
  ].join('; ')
  if (failure === null) return [`${paint('good', '✓')} ${place}: ${said}`]
  const lines = failureLines(failure, paint, remote).map(line => `  ${line}`)
  const done = said === '' ? '' : `${said}; `
  return [`${paint('bad', '✗')} ${place}: ${done}forgetting and pruning stopped`, ...lines]
}

function ids(forgotten: RemoteDeletions['forgotten']): string {
  const shown = forgotten.slice(0, 6).map(({ id }) => id)
  return [...shown, ...(forgotten.length > 6 ? ['…'] : [])].join(', ')
}

function sendLine(name: string, send: SendReport, paint: Paint): string {
  const { remote, seq, makes, readBytes, storedBytes, resumedBytes, durationMs } = send
  const resumed =
    resumedBytes === 0 ? '' : `, ${formatBytes(resumedBytes)} of it before an interruption`
  const cost = `${formatBytes(readBytes)} read, ${formatBytes(storedBytes)} stored${resumed}, in ${formatDuration(durationMs)}`
  return `${paint('good', '✓')} ${name} → ${escapeControls(remote)}: ${makes} backup ${seq}; ${paint('quiet', cost)}`
}
