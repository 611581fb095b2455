// btrvault verify: how much of a backup is proven to be there.

import { formatBytes, formatDuration, plural } from '../../base/units.ts'
import type {
  Damage,
  RemoteVerification,
  ReportedDoubt,
  SeriesVerification,
  VerifyReport,
} from '../../commands/verify.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
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

type Level = VerifyReport['level']

export const verifyVerb: Verb = {
  name: 'verify',
  summary: 'prove that backups are there and can be read',
  description:
    'Prove that backups are there, to the level that you ask for. Each level includes those before it:\n\nlisted: the manifests are there, signed, and form whole chains. present: the store lists every object that they name, with its size. bytes: every object was read and has its hash. decrypts: every object was decrypted and decompressed, and every stream is whole and what its index says (needs --identity). receives: every stream was received by btrfs into a scratch folder, compared with what was backed up, and removed again (needs --scratch).\n\nManifests are read from the store, never from the cache. Forgotten backups are not looked at. One damaged object does not hide the rest: all are listed, with the backups that need them. The exit status is 0 only when everything was checked and right: 40 when something is corrupt, 31 when something is missing, 20 when btrfs does not take it, 3 when something could not be checked.',
  examples: [
    { does: 'a quick look every day', line: 'btrvault verify --level present' },
    {
      does: 'a real one now and then',
      line: 'btrvault verify home --level decrypts --identity identity.txt',
    },
    {
      does: 'as sure as one can be',
      line: 'btrvault verify --level receives --scratch /mnt/scratch -i identity.txt',
    },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    {
      flags: '-l, --level <level>',
      doc: 'how much to prove',
      choices: ['listed', 'present', 'bytes', 'decrypts', 'receives'],
      defaultText: 'present',
    },
    {
      flags: '--scratch <folder>',
      doc: 'folder on btrfs for the level receives; it is left as it was',
    },
    remoteFlag,
    fromFlag,
    identityFlag,
    signersFlag,
    asOfFlag,
  ],
  exits: [3, 4, 10, 12, 20, 30, 31, 32, 40],
  counted: { read: 'checked', stored: 'fetched' },
  run: runVerify,
}

async function runVerify(call: Call): Promise<Outcome> {
  const { flags } = call
  const { verify } = await import('../../commands/verify.ts')
  const report = await verify(call.context, {
    ...(await lookInOf(call)),
    level: levelOf(flags.text('level')),
    sources: call.arguments,
    remotes: flags.list('remote'),
    scratch: flags.text('scratch'),
  })
  return { report, exit: report.exitStatus, lines: view => verifyLines(report, view) }
}

function levelOf(text: string | undefined): Level {
  return text === 'listed' || text === 'bytes' || text === 'decrypts' || text === 'receives'
    ? text
    : 'present'
}

export function verifyLines(report: VerifyReport, view: View): string[] {
  const blocks = report.remotes.flatMap(remote => remoteBlocks(remote, view))
  return [...blocks.flatMap(block => [...block, '']), ...verdictLines(report, view.paint)]
}

/** What an exit status of 0 means, and what it does not. */
const proofs: Readonly<Record<Level, readonly [proven: string, open: string]>> = {
  listed: [
    'every manifest is there, signed, and has its whole chain',
    'that their objects are there too, --level present proves',
  ],
  present: [
    'every object is listed by its store, with its size',
    'that they can be read, --level bytes proves',
  ],
  bytes: [
    'every object was read and is what was stored',
    'that an identity opens them, --level decrypts proves',
  ],
  decrypts: [
    'every stream was opened, and is whole and what its index says',
    'that btrfs takes them, --level receives proves',
  ],
  receives: ['every stream was received by btrfs and compared with what was backed up', ''],
}

function verdictLines(report: VerifyReport, paint: Paint): string[] {
  const { level, exitStatus, fetchedBytes, durationMs } = report
  const [proven, open] = proofs[level]
  const fetched = fetchedBytes === 0 ? '' : `${formatBytes(fetchedBytes)} read `
  const cost = `${fetched}in ${formatDuration(durationMs)}`
  if (exitStatus === 0) {
    const more = open === '' ? cost : `${cost}; ${open}`
    return [`${paint('good', `✓ ${level}:`)} ${proven}`, `  ${paint('quiet', more)}`]
  }
  const series = report.remotes.flatMap(remote => remote.series)
  const failed = series.reduce((sum, one) => sum + (one.coverage.at(-1)?.backups.failed ?? 0), 0)
  const unchecked = series.reduce(
    (sum, one) => sum + (one.coverage.at(-1)?.backups.unchecked ?? 0),
    0,
  )
  const lost = report.remotes.filter(({ failure }) => failure !== null).length
  const words = [
    ...(failed > 0 ? [`${plural(failed, 'backup')} can't be relied on`] : []),
    ...(unchecked > 0 ? [`${plural(unchecked, 'backup')} could not be checked`] : []),
    ...(lost > 0 ? [`${plural(lost, 'remote')} could not be looked at`] : []),
  ]
  const what = words.length === 0 ? 'not everything could be checked' : words.join(', ')
  return [`${paint('bad', `✗ ${level}:`)} ${what}`, `  ${paint('quiet', cost)}`]
}

function remoteBlocks(verification: RemoteVerification, view: View): string[][] {
  const { remote, series, absent, foreignCount, notes, failure } = verification
  const { paint } = view
  const place = escapeControls(remote)
  if (failure !== null) {
    const [first = '', ...rest] = failureLines(failure, paint, remote)
    return [[`${paint('bad', '✗')} ${first}`, ...rest.map(line => `  ${line}`)]]
  }
  const remarks = [
    ...absent.map(
      name => `${paint('bad', '✗')} ${escapeControls(name)}: there is no backup of it on ${place}`,
    ),
    ...(series.length === 0 && absent.length === 0
      ? [`${paint('bad', '✗')} ${place}: there are no backups`]
      : []),
    ...notes.map(text => `${paint('warning', '!')} ${place}: ${escapeControls(text)}`),
    ...(foreignCount === 0
      ? []
      : [
          `${paint('warning', '!')} ${place}: ${foreignCount} series of keys that are not trusted here were left out`,
        ]),
  ]
  const blocks = series.map(one => seriesLines(one, place, view))
  return remarks.length === 0 ? blocks : [...blocks, remarks]
}

/** What went well everywhere needs no columns for what did not. */
function columnsFor({ coverage }: SeriesVerification): Column[] {
  const isWhole = coverage.every(({ backups }) => backups.proven === backups.total)
  return [
    { heading: '' },
    { heading: 'level' },
    { heading: 'backups', align: 'right' },
    { heading: 'objects', align: 'right' },
    { heading: 'stored', align: 'right' },
    ...(isWhole
      ? []
      : ([
          { heading: 'not right', align: 'right' },
          { heading: 'not checked', align: 'right' },
        ] as const)),
  ]
}

function seriesLines(one: SeriesVerification, place: string, view: View): string[] {
  const { paint } = view
  const table = formatTable(columnsFor(one), rowsOf(one), { paint, width: view.width - 2 })
  const { unnamed } = one
  const left =
    unnamed === null || unnamed.count === 0
      ? []
      : [
          `${paint('quiet', '·')} ${plural(unnamed.count, 'object')} (${formatBytes(unnamed.bytes)}) that no good manifest names: of a run that goes on, was cut, or lost its manifest`,
        ]
  return [
    seriesHeading(one, place, paint),
    ...[
      ...table,
      ...damageLines(one, view),
      ...one.doubts.flatMap(d => doubtLines(d, paint)),
      ...left,
    ].map(line => `  ${line}`),
  ]
}

function rowsOf({ coverage }: SeriesVerification): Cell[][] {
  return coverage.map(({ level, backups, objects, bytes }) => {
    const failed = Math.max(backups.failed, objects?.failed ?? 0)
    const unchecked = Math.max(backups.unchecked, objects?.unchecked ?? 0)
    const mark: Cell =
      failed > 0
        ? { text: '✗', tone: 'bad' }
        : unchecked > 0
          ? { text: '?', tone: 'warning' }
          : { text: '✓', tone: 'good' }
    return [
      mark,
      level,
      `${backups.proven} of ${backups.total}`,
      objects === null ? '' : `${objects.proven} of ${objects.total}`,
      bytes === null ? '' : formatBytes(bytes.proven),
      failed === 0 ? '' : { text: countText(backups.failed, objects?.failed), tone: 'bad' },
      unchecked === 0
        ? ''
        : { text: countText(backups.unchecked, objects?.unchecked), tone: 'warning' },
    ]
  })
}

/** Backups first, as in the columns before. */
function countText(backups: number, objects: number | undefined): string {
  return objects === undefined ? String(backups) : `${backups} / ${objects}`
}

const damagesTold = 20

function damageLines({ damages }: SeriesVerification, { paint, verbose }: View): string[] {
  const told = verbose ? damages : damages.slice(0, damagesTold)
  const more = damages.length - told.length
  return [
    ...told.flatMap(damage => linesOfDamage(damage, paint)),
    ...(more === 0 ? [] : [`… and ${more} more: --verbose or --json tells all`]),
  ]
}

function linesOfDamage({ backup, dependents, failure }: Damage, paint: Paint): string[] {
  const [first = '', ...rest] = failureLines(failure, paint)
  const needed = dependents.length === 0 ? '' : `, needed by ${rangesOf(dependents)}`
  return [
    `${paint('bad', '✗')} backup ${backup}${needed}`,
    `  ${first}`,
    ...rest.map(line => `  ${line}`),
  ]
}

function doubtLines({ level, count, failure }: ReportedDoubt, paint: Paint): string[] {
  const [first = '', ...rest] = failureLines(failure, paint)
  const more = count === 1 ? '' : ` (and ${count - 1} more)`
  return [
    `${paint('warning', '?')} not checked for ${level}: ${first}${more}`,
    ...rest.map(line => `  ${line}`),
  ]
}

/** `2, 4–7`. */
function rangesOf(ids: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const id of ids) {
    const last = ranges.at(-1)
    if (last?.[1] === id - 1) last[1] = id
    else ranges.push([id, id])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ')
}
