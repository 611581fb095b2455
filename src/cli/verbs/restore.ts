// btrvault restore: a subvolume as it was.

import { resolve } from 'node:path'
import { Failure, systemCodeOf } from '../../base/failure.ts'
import { formatBytes, formatDuration, plural } from '../../base/units.ts'
import type { Comparison } from '../../commands/restore/compare-restored.ts'
import type { RestoreOptions, RestoreReport } from '../../commands/restore.ts'
import { escapeControls } from '../escape.ts'
import { localTime } from '../local-time.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { wrap } from '../width.ts'
import {
  asOfFlag,
  fromFlag,
  identityFlag,
  lookInOf,
  parseTime,
  signersFlag,
} from './shared-flags.ts'

export const restoreVerb: Verb = {
  name: 'restore',
  summary: 'get a subvolume back, as it was at a point in time',
  description:
    'Get a subvolume back as it was: the newest backup, the last one at or before --at, or one by its id. It arrives as a new read-only snapshot in the folder --to, on btrfs; nothing that exists is changed. What the target already holds is not fetched again. Every byte is checked against a signed manifest before btrfs sees it, and a restore that fails leaves nothing visible.\n\nOn a bare machine, --from, --identity and --signers stand in for the configuration.',
  examples: [
    { does: 'the newest', line: 'btrvault restore home --to /mnt/new --identity identity.txt' },
    {
      does: 'as of last Monday, with a writable copy to work on',
      line: 'btrvault restore home --at 2026-11-16 --to /mnt/new --writable home -i identity.txt',
    },
    {
      does: 'on a bare machine',
      line: 'btrvault restore --from s3://my-backups/host-01 -i identity.txt --signers allowed_signers home --to /mnt',
    },
    {
      does: 'the send stream, for a btrfs elsewhere',
      line: 'btrvault restore home --stdout -i identity.txt | ssh host btrfs receive /mnt',
    },
  ],
  arguments: [{ name: 'source', doc: 'name of the source', required: true }],
  flags: [
    { flags: '-t, --to <folder>', doc: 'folder on btrfs in which the snapshot will appear' },
    {
      flags: '--at <time>',
      doc: 'the last backup at or before this time: 2026-11-20, 2026-11-20T08:00Z, or a span before now such as 3d',
      parse: text => parseTime(Date.now())(text),
      wants: 'a time, such as 2026-11-20, 2026-11-20T08:00Z or 3d',
    },
    {
      flags: '--backup <id>',
      doc: 'this backup, by the id that `btrvault list` shows',
      parse: text => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined),
      wants: 'an id, such as 12',
    },
    { flags: '--writable <name>', doc: 'also make a writable snapshot of it under this name' },
    { flags: '--latest-only', doc: 'drop each ancestor as soon as it is no longer needed' },
    {
      flags: '--verify <how-much>',
      doc: 'compare what was restored with the source snapshot, where that still is',
      choices: ['full', 'sample', 'none'],
      defaultText: 'sample',
    },
    { flags: '--stdout', doc: 'write the verified send stream to standard output instead' },
    {
      flags: '-r, --remote <name>',
      doc: 'from this remote',
      defaultText: 'the first that has it',
    },
    fromFlag,
    identityFlag,
    signersFlag,
    asOfFlag,
    {
      flags: '--no-mend',
      doc: 'pass streams on as they are: what btrfs receive loses of them is then told, not mended',
    },
    { flags: '--ignore-space', doc: 'begin although the target seems too small' },
  ],
  mutates: true,
  exits: [3, 4, 10, 12, 20, 30, 31, 32, 40],
  counted: { read: 'received', stored: 'fetched' },
  run: runRestore,
}

async function runRestore(call: Call): Promise<Outcome> {
  const { flags } = call
  const to = targetOf(call)
  const { restore } = await import('../../commands/restore.ts')
  const at = flags.value('at')
  const options: RestoreOptions = {
    ...(await lookInOf(call)),
    source: call.arguments[0] ?? '',
    remote: flags.text('remote'),
    at: at instanceof Date ? at : undefined,
    id: flags.number('backup'),
    to,
    writable: flags.text('writable'),
    latestOnly: flags.is('latestOnly'),
    verify: 'stream' in to ? 'none' : howMuch(flags.text('verify')),
    mend: flags.is('mend'),
    ignoreSpace: flags.is('ignoreSpace'),
    dryRun: flags.is('dryRun'),
  }
  const report = await restore(call.context, options).catch((error: unknown) => {
    if ('stream' in to) refuseBrokenOutput(error)
    throw error
  })
  // Standard output holds the stream: not a word may follow.
  if ('stream' in to && !report.dryRun) return { report, lines: () => [], isDocument: true }
  return { report, exit: report.exitStatus, lines: view => restoreLines(report, view) }
}

/** Standard output is the one stream whose errors nobody below knows about. */
function refuseBrokenOutput(error: unknown): void {
  const code = systemCodeOf(error)
  if (code !== 'EPIPE' && code !== 'ENOSPC') return
  const why = code === 'EPIPE' ? 'its reader has gone away' : 'there is no space left'
  throw new Failure('failed', `cannot write the send stream to standard output: ${why}`, {
    cause: error,
  })
}

function targetOf({ flags, stdout }: Call): RestoreOptions['to'] {
  const folder = flags.text('to')
  if (!flags.is('stdout')) {
    // btrfs programs run elsewhere: what a person typed is relative to where they stand.
    if (folder !== undefined) return { folder: resolve(folder) }
    throw new Failure('usage', 'cannot restore: no target was named', {
      hint: 'give --to FOLDER, a folder on btrfs, or --stdout',
    })
  }
  if (folder !== undefined || flags.is('json')) {
    const other = folder === undefined ? '--json' : '--to'
    throw new Failure('usage', `cannot restore: --stdout and ${other} exclude each other`)
  }
  if (stdout.isTTY && !flags.is('dryRun')) {
    throw new Failure('usage', 'cannot write a send stream to a terminal', {
      hint: 'redirect it: --stdout > FILE, or --stdout | btrfs receive FOLDER',
    })
  }
  return { stream: stdout }
}

function howMuch(text: string | undefined): RestoreOptions['verify'] {
  return text === 'full' || text === 'none' ? text : 'sample'
}

export function restoreLines(report: RestoreReport, view: View): string[] {
  const { paint } = view
  const { source, id, chain, present, published, writable, comparison, remote } = report
  const name = paint('strong', escapeControls(source))
  const time = `${localTime(report.snapshotTime, report.timezone)} (${report.timezone})`
  const what = `${name} as of ${time}, backup ${id} on ${escapeControls(remote)}`
  const needed = chain.filter(seq => present === null || seq > present)
  const way = paint('quiet', `chain ${chain.join(' → ')}`)
  if (report.dryRun) {
    const missing = needed.length === 0 ? 'nothing, the target holds it' : needed.join(' → ')
    return [`would restore ${what}  ${way}`, `to be received: ${missing}`]
  }
  const cost = `${formatBytes(report.receivedBytes)} received, ${formatBytes(report.fetchedBytes)} fetched in ${formatDuration(report.durationMs)}`
  return [
    `${paint('good', '✓')} ${what}  ${way}`,
    ...(report.receivedBytes === 0 ? [] : [`  ${paint('quiet', cost)}`]),
    ...published.map(path => `  snapshot  ${paint('strong', escapeControls(path))}`),
    ...(writable === null ? [] : [`  writable  ${paint('strong', escapeControls(writable))}`]),
    ...(comparison === null ? [] : comparisonLines(comparison, view)),
  ]
}

function comparisonLines(comparison: Comparison, { paint, width }: View): string[] {
  const { namesCompared, filesCompared, source, differenceCount, differences } = comparison
  const names = plural(namesCompared, 'name')
  const compared =
    source === null
      ? `compared ${names} with the index; contents were checked by their hashes`
      : `compared ${names}, and the contents of ${plural(filesCompared, 'file')}, with the source`
  const different = comparison.contentDifferences
  if (differenceCount === 0 && different.length === 0) {
    return wrap(`${compared}: all equal`, width - 2).map(
      (line, n) => `${n === 0 ? paint('good', '✓') : ' '} ${line}`,
    )
  }
  const count = plural(Math.max(differenceCount, different.length), 'difference')
  const more = differenceCount - differences.length
  return [
    `${paint('bad', '✗')} ${compared}: ${count}`,
    ...differences.map(({ path, what }) => `  ${what}  ${pathText(path)}`),
    ...different.map(path => `  contents  ${pathText(path)}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ]
}

/** Paths come as one character a byte. */
function pathText(path: string): string {
  return path === ''
    ? '(the top folder)'
    : escapeControls(Buffer.from(path, 'latin1').toString('utf8'))
}
