// btrvault list: the backups that exist.

import { formatBytes, plural } from '../../base/units.ts'
import type {
  ListedBackup,
  ListedHidden,
  ListReport,
  RemoteListing,
  SeriesListing,
} from '../../commands/list.ts'
import type { Paint } from '../colour.ts'
import { epochText } from '../epoch-name.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { localTime } from '../local-time.ts'
import { seriesHeading } from '../series-heading.ts'
import { type Cell, type Column, formatTable } from '../table.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import {
  asOfFlag,
  fromFlag,
  identityFlag,
  lookInOf,
  remoteFlag,
  signersFlag,
} from './shared-flags.ts'

export const listVerb: Verb = {
  name: 'list',
  summary: 'list the backups on the remotes',
  description:
    'List the backups that exist, oldest first: when the snapshot was made, whether the backup is full or a difference, from which one, and how much it takes. Only what is signed by a key in allowed_signers is shown as a backup. Nothing but manifests is read: that the rest is there too, `btrvault verify` proves.\n\nA source is named by its name, or by the beginning of its series id (8 digits or more) where its name is not known.',
  examples: [
    { does: 'everything', line: 'btrvault list' },
    { does: 'one source on one remote', line: 'btrvault list home --remote aws' },
    {
      does: 'on a bare machine',
      line: 'btrvault list --from s3://my-backups/host-01 --identity identity.txt --signers allowed_signers',
    },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    remoteFlag,
    fromFlag,
    identityFlag,
    signersFlag,
    asOfFlag,
    { flags: '--hidden', doc: 'forgotten backups too, which undelete can bring back' },
  ],
  exits: [3, 4, 10, 12, 30, 31, 40],
  run: runList,
}

async function runList(call: Call): Promise<Outcome> {
  const { list } = await import('../../commands/list.ts')
  const report = await list(call.context, {
    ...(await lookInOf(call)),
    sources: call.arguments,
    remotes: call.flags.list('remote'),
    hidden: call.flags.is('hidden'),
  })
  return { report, exit: report.exitStatus, lines: view => listLines(report, view) }
}

export function listLines(report: ListReport, view: View): string[] {
  const { remotes, timezone } = report
  const blocks = remotes.flatMap(remote => remoteBlocks(remote, timezone, view))
  const hasBackups = remotes.some(({ backupCount }) => backupCount > 0)
  return [
    ...blocks.flatMap(block => [...block, '']),
    ...remotes.map(remote => totalLine(remote, view.paint)),
    ...(hasBackups ? [view.paint('quiet', `all times in ${timezone}`)] : []),
  ]
}

function remoteBlocks(listing: RemoteListing, timezone: string, view: View): string[][] {
  const { remote, series, absent, foreignCount, failure } = listing
  const { paint } = view
  const place = escapeControls(remote)
  if (failure !== null) {
    const [first = '', ...rest] = failureLines(failure, paint, remote)
    return [[`${paint('bad', '✗')} ${first}`, ...rest.map(line => `  ${line}`)]]
  }
  const blocks = series.map(one => seriesLines(one, { place, timezone, view }))
  const notes = absent.map(
    name =>
      `${paint('warning', '!')} ${escapeControls(name)}: there is no backup of it on ${place}`,
  )
  if (foreignCount > 0) {
    const what = foreignCount === 1 ? '1 more series is' : `${foreignCount} more series are`
    notes.push(`${paint('quiet', '·')} ${place}: ${what} signed by keys that are not trusted here`)
  }
  return notes.length === 0 ? blocks : [...blocks, notes]
}

const columns = (timezone: string, hasEpochs: boolean): readonly Column[] => [
  { heading: 'id', align: 'right' },
  { heading: `snapshot (${timezone})` },
  ...(hasEpochs ? [{ heading: 'epoch', shrinks: true } as const] : []),
  { heading: 'kind' },
  { heading: 'from', align: 'right' },
  { heading: 'read', align: 'right' },
  { heading: 'stored', align: 'right' },
  { heading: 'chain', align: 'right' },
]

interface Setting {
  readonly place: string
  readonly timezone: string
  readonly view: View
}

function seriesLines(listing: SeriesListing, { place, timezone, view }: Setting): string[] {
  const { series, source, backups, hidden, problems } = listing
  const { paint } = view
  const hasEpochs = backups.some(({ epoch }) => epoch !== null)
  const hint = `  ${paint('quiet', 'hint: give --identity FILE to learn the name of its source')}`
  const table =
    backups.length === 0
      ? []
      : formatTable(columns(timezone, hasEpochs), rowsOf(backups, { timezone, hasEpochs }), {
          paint,
          width: view.width - 2,
        })
  return [
    seriesHeading({ series, source }, place, paint),
    ...(source === null ? [hint] : []),
    ...table.map(line => `  ${line}`),
    ...hiddenLines(hidden, timezone, view),
    ...problems.map(({ text }) => `  ${paint('bad', '✗')} ${escapeControls(text)}`),
  ]
}

function hiddenLines(
  hidden: readonly ListedHidden[],
  timezone: string,
  { paint, width }: View,
): string[] {
  if (hidden.length === 0) return []
  const hasEpochs = hidden.some(({ epoch }) => epoch !== null)
  const rows = rowsOf(hidden, { timezone, hasEpochs }).map((row, index) => [
    ...row,
    localTime(hidden[index]?.notBefore ?? new Date(0), timezone),
  ])
  const table = formatTable([...columns(timezone, hasEpochs), { heading: 'goes after' }], rows, {
    paint,
    width: width - 2,
  })
  return ['', ...[paint('quiet', 'forgotten:'), ...table].map(line => `  ${line}`)]
}

function rowsOf(
  backups: readonly ListedBackup[],
  { timezone, hasEpochs }: { readonly timezone: string; readonly hasEpochs: boolean },
): Cell[][] {
  return backups.map(backup => [
    { text: String(backup.id), tone: 'strong' },
    localTime(backup.snapshotTime, timezone),
    ...(hasEpochs ? [epochText(backup.epoch)] : []),
    backup.kind,
    backup.parent === null ? '' : String(backup.parent),
    formatBytes(backup.readBytes),
    formatBytes(backup.storedBytes),
    String(backup.chainLength),
  ])
}

function totalLine({ remote, backupCount, storedBytes, failure }: RemoteListing, paint: Paint) {
  const name = escapeControls(remote)
  if (failure !== null) return paint('bad', `${name}: not known`)
  const stored = storedBytes === 0 ? '' : `, ${formatBytes(storedBytes)} stored`
  return `${name}: ${backupCount === 0 ? 'no backups' : plural(backupCount, 'backup')}${stored}`
}
