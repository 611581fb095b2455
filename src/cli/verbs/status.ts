// btrvault status: what is safe, since when, and what is not.

import { formatBytes, plural } from '../../base/units.ts'
import type { EpochStatus } from '../../commands/status/epochs.ts'
import type { PlaceStatus, Safety, SourceStatus, StatusReport } from '../../commands/status.ts'
import { parseDuration } from '../../config/values.ts'
import { escapeControls } from '../escape.ts'
import { ageText, localTime } from '../local-time.ts'
import { type Cell, type Column, formatTable } from '../table.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { wrap } from '../width.ts'

const defaultMaxAgeMs = 36 * 3_600_000

export const statusVerb: Verb = {
  name: 'status',
  summary: 'say what is safe, since when, and what is not',
  description:
    'Say in one screen what is safe, since when, and what is not: for each source and remote the newest backup, whether the source changed since, and what an interrupted run has left to finish. Nothing is changed.\n\nA source is safe on a remote when its newest backup there holds all that is in it now, or is younger than --max-age, and nothing about its backups is wrong. Where it has several epochs there, each has a line of its own and is held to its own keep rule: a monthly one is too old when the source changed, and its month is over for longer than --max-age. The exit status is 0 only when every source is safe on every remote that it names; what cannot be looked at is not safe.',
  examples: [
    { does: 'one screen', line: 'btrvault status' },
    { does: 'for a monitor', line: 'btrvault status --json --max-age 2d' },
  ],
  flags: [
    {
      flags: '--max-age <span>',
      doc: 'how old the newest backup of a source that changed since may be',
      defaultText: '36h',
      parse: text => {
        const span = parseDuration(text)
        return 'value' in span ? span.value : undefined
      },
      wants: 'a span, such as 36h or 2d',
    },
  ],
  exits: [3],
  run: runStatus,
}

async function runStatus(call: Call): Promise<Outcome> {
  const { status } = await import('../../commands/status.ts')
  const maxAgeMs = call.flags.number('maxAge') ?? defaultMaxAgeMs
  const report = await status(call.context, { config: await call.config(), maxAgeMs })
  return { report, exit: report.exitStatus, lines: view => statusLines(report, view) }
}

export function statusLines(report: StatusReport, view: View): string[] {
  const notes = notesOf(report).flatMap(note => noteLines(note, view))
  const { timezone } = report
  return [
    ...verdictLines(report, view),
    '',
    ...formatTable(columns, rowsOf(report), view),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
    view.paint('quiet', `${localTime(report.now, timezone)}, all times in ${timezone}`),
  ]
}

/** One line: may a person sleep well? */
function verdictLines(report: StatusReport, { paint, width }: View): string[] {
  const places = report.sources.flatMap(source => source.places)
  if (report.safe) {
    const oldest = Math.max(0, ...places.map(({ newest }) => newest?.ageMs ?? 0))
    const age = oldest < 60_000 ? 'from just now' : `at most ${ageText(oldest)} old`
    const what = places.length === 1 ? 'the newest backup is' : 'the newest backups are'
    return [`${paint('good', '✓ Everything is safe:')} ${what} ${age}`]
  }
  const count = (...safeties: Safety[]) =>
    places.filter(({ safety }) => safeties.includes(safety)).length
  const sources = report.sources.filter(({ failure }) => failure !== null).length
  const counted = [
    [count('none'), 'without a backup'],
    [count('stale'), 'too old'],
    [count('damaged'), 'with problems'],
    [count('unknown'), 'could not be looked at'],
    [sources, sources === 1 ? 'source out of reach' : 'sources out of reach'],
  ] as const
  const words = counted.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`)
  const safe = count('safe')
  const rest = safe === 0 ? '' : `; ${safe} safe`
  const verdict = '✗ Not everything is safe:'
  const [first = '', ...more] = wrap(`${verdict} ${words.join(', ')}${rest}`, width)
  return [
    `${paint('bad', verdict)}${first.slice(verdict.length)}`,
    ...more.map(line => `  ${line}`),
  ]
}

const columns: readonly Column[] = [
  { heading: '' },
  { heading: 'source', shrinks: true },
  { heading: 'remote', shrinks: true },
  { heading: 'safe as of' },
  { heading: 'age', align: 'right' },
  { heading: 'since' },
  { heading: 'backups', align: 'right' },
  { heading: 'chain', align: 'right' },
  { heading: 'stored', align: 'right' },
]

const marks: Readonly<Record<Safety, Cell>> = {
  safe: { text: '✓', tone: 'good' },
  stale: { text: '✗', tone: 'bad' },
  none: { text: '✗', tone: 'bad' },
  damaged: { text: '✗', tone: 'bad' },
  unknown: { text: '?', tone: 'bad' },
}

function rowsOf({ sources, timezone }: StatusReport): readonly (readonly Cell[])[] {
  return sources.flatMap(({ source, places }) =>
    places.flatMap(place => placeRows(place, source, timezone)),
  )
}

/** All of its backups there; below, each epoch where it has several. */
function placeRows(place: PlaceStatus, source: string, timezone: string): readonly Cell[][] {
  const { remote, safety, epochs } = place
  const absent = safety === 'unknown' ? 'unknown' : 'no backup'
  const name: Cell = { text: source, tone: 'strong' }
  return [
    [marks[safety], name, remote, ...standing(place, { timezone, absent })],
    ...epochs.map(epoch => [
      marks[epoch.safety],
      '',
      `  ${nameOf(epoch)}`,
      ...standing(epoch, { timezone, absent: 'no backup' }),
    ]),
  ]
}

function standing(
  one: PlaceStatus | EpochStatus,
  { timezone, absent }: { readonly timezone: string; readonly absent: string },
): readonly Cell[] {
  const { newest, safety, backupCount } = one
  if (newest === null) return [{ text: absent, tone: 'bad' }]
  return [
    localTime(newest.snapshotTime, timezone),
    { text: ageText(newest.ageMs), tone: safety === 'stale' ? 'bad' : 'plain' },
    sinceCell(one),
    String(backupCount),
    String(newest.chainLength),
    formatBytes(one.storedBytes),
  ]
}

function nameOf({ name }: EpochStatus): string {
  return name ?? '(without one)'
}

function sinceCell({ changedSince }: PlaceStatus | EpochStatus): Cell {
  if (changedSince === null) return { text: 'unknown', tone: 'warning' }
  return changedSince ? 'changed' : { text: 'nothing', tone: 'quiet' }
}

interface Note {
  readonly tone: 'bad' | 'warning' | 'accent' | 'quiet'
  readonly about: string
  readonly message: string
  readonly hint?: string
}

/** What the table can't say, worst first. */
function notesOf(report: StatusReport): readonly Note[] {
  const { sources, remotes } = report
  const notes: Note[] = []
  for (const { remote, failure } of remotes) {
    if (failure !== null) notes.push({ tone: 'bad', about: remote, ...failure })
  }
  for (const { source, failure, places } of sources) {
    if (failure !== null) notes.push({ tone: 'bad', about: source, ...failure })
    for (const place of places) {
      const fromLedger = remotes.find(({ remote }) => remote === place.remote)?.fromLedger ?? false
      notes.push(...placeNotes(place, { source, fromLedger, report }))
    }
  }
  for (const { remote, encrypted, provenAt, failure } of remotes) {
    if (!encrypted || provenAt !== null || failure !== null) continue
    const message = 'nobody has shown yet that an identity can open what is stored there'
    const hint = `run once: btrvault init --remote ${remote} --identity FILE`
    notes.push({ tone: 'warning', about: remote, message, hint })
  }
  const unseen = remotes.filter(({ fromLedger, failure }) => fromLedger && failure === null)
  for (const { remote: about } of unseen) {
    const message = 'this machine only writes there: told from its ledger, nobody looked'
    notes.push({ tone: 'quiet', about, message })
  }
  return [...notes, ...sources.flatMap(source => quietNotes(source, report))]
}

function placeNotes(
  place: PlaceStatus,
  {
    source,
    fromLedger,
    report,
  }: { readonly source: string; readonly fromLedger: boolean; readonly report: StatusReport },
): readonly Note[] {
  const { newest } = place
  const about = `${source} on ${place.remote}`
  const notes: Note[] = place.problems.map(({ text: message }) => {
    const where = fromLedger ? 'on a machine that may read there' : 'run'
    return { tone: 'bad', about, message, hint: `${where}: btrvault verify ${source}` }
  })
  const hint = `run: btrvault backup ${source}`
  const late = place.epochs.flatMap(epoch => lateText(epoch, report))
  if (newest === null && place.safety === 'none') {
    notes.push({ tone: 'bad', about, message: 'there is no backup of it yet', hint })
  } else if (late.length > 0) {
    notes.push(...late.map((message): Note => ({ tone: 'bad', about, message, hint })))
  } else if (newest !== null && place.safety === 'stale') {
    const may = place.changedSince === null ? 'may have changed' : 'changed'
    const message = `the newest backup is ${ageText(newest.ageMs)} old, and the source ${may} since`
    notes.push({ tone: 'bad', about, message, hint })
  }
  if (place.nextIsFull) {
    const message = 'no snapshot of an earlier backup is left here: the next backup will be full'
    notes.push({ tone: 'warning', about, message })
  }
  return notes
}

function lateText(epoch: EpochStatus, { timezone }: StatusReport): readonly string[] {
  const { safety, newest, dueSince, changedSince } = epoch
  if (safety === 'none') return [`there is no backup for the epoch ${nameOf(epoch)} yet`]
  if (safety === 'safe' || newest === null || dueSince === null) return []
  const may = changedSince === null ? 'may have changed' : 'changed'
  return [
    `the newest backup for the epoch ${nameOf(epoch)} is ${ageText(newest.ageMs)} old, the next one is due since ${localTime(dueSince, timezone)}, and the source ${may}`,
  ]
}

function quietNotes(status: SourceStatus, { timezone }: StatusReport): readonly Note[] {
  const { source, running, adopted, held, places } = status
  const notes: Note[] = []
  if (running !== null) {
    const message = `a backup is running since ${localTime(running.since, timezone)} (pid ${running.pid})`
    notes.push({ tone: 'accent', about: source, message })
  }
  for (const { remote, unfinished } of places) {
    if (unfinished === null) continue
    const stored = `${formatBytes(unfinished.storedBytes)} (${plural(unfinished.segmentCount, 'segment')})`
    const message = running
      ? `${stored} of the next backup are stored so far`
      : `an interrupted run has stored ${stored}; the next one goes on from there`
    notes.push({ tone: 'accent', about: `${source} on ${remote}`, message })
  }
  const [oldest] = held ?? []
  if (held !== null && oldest !== undefined) {
    const which = held.length === 1 ? 'of' : 'the oldest of'
    const count = plural(held.length, 'snapshot')
    const whose = adopted ? 'that others made are here' : 'held here for the next backup'
    const message = `${count} ${whose}, ${which} ${localTime(oldest.createdAt, timezone)}`
    notes.push({ tone: 'quiet', about: source, message })
  }
  return notes
}

const noteMarks = { bad: '✗', warning: '!', accent: '·', quiet: '·' } as const

function noteLines({ tone, about, message, hint }: Note, { paint, width }: View): string[] {
  const quietly = (text: string) => paint('quiet', text)
  const words = wrap(`${escapeControls(about)}: ${escapeControls(message)}`, width - 2)
  const more = hint === undefined ? [] : wrap(`hint: ${escapeControls(hint)}`, width - 2)
  return [
    ...words.map((line, n) => {
      const start = n === 0 ? paint(tone, noteMarks[tone]) : ' '
      return `${start} ${tone === 'quiet' ? quietly(line) : line}`
    }),
    ...more.map(line => `  ${quietly(line)}`),
  ]
}
