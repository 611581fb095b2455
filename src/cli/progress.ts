// What is told of one subject's progress: rate from a moving window, time left only when it can be
// known, and the words of a bar or a line. No terminal here.

import { formatBytes, formatDuration } from '../base/units.ts'
import type { ProgressEvent } from '../model/event.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'
import type { CountedWords } from './verb.ts'
import { fit, padEnd, padStart, widthOf } from './width.ts'

const windowMs = 10_000
/** Before that a rate says more about the start than about the rest. */
const leastWindowMs = 3_000

export class SubjectProgress {
  readonly startedAt: number
  #latest: ProgressEvent
  #samples: { readonly at: number; readonly bytes: number }[]

  constructor(event: ProgressEvent, now: number) {
    this.startedAt = now
    this.#latest = event
    this.#samples = [{ at: now, bytes: event.readBytes }]
  }

  add(event: ProgressEvent, now: number): void {
    // A subject that begins anew (another try) has no speed yet.
    if (event.readBytes < this.#latest.readBytes) this.#samples = []
    this.#latest = event
    const last = this.#samples.at(-1)
    if (last === undefined || now - last.at >= 200) {
      this.#samples.push({ at: now, bytes: event.readBytes })
    }
    // One sample older than the window stays, as its left edge.
    while ((this.#samples[1]?.at ?? now) < now - windowMs) this.#samples.shift()
  }

  get latest(): ProgressEvent {
    return this.#latest
  }

  /** Bytes a second over the last seconds; undefined while too little is known. */
  rate(now: number): number | undefined {
    const first = this.#samples[0]
    if (!first || now - first.at < 500) return undefined
    return ((this.#latest.readBytes - first.bytes) / (now - first.at)) * 1000
  }

  /** From 0 to 1; undefined when the whole is not known, or was known wrongly. */
  get fraction(): number | undefined {
    const { totalBytes, readBytes } = this.#latest
    if (totalBytes === undefined || totalBytes <= 0 || readBytes > totalBytes) return undefined
    return readBytes / totalBytes
  }

  /** Undefined rather than a guess. */
  timeLeftMs(now: number): number | undefined {
    const rate = this.rate(now)
    const { totalBytes, readBytes } = this.#latest
    if (this.fraction === undefined || totalBytes === undefined || !rate) return undefined
    if (now - this.startedAt < leastWindowMs) return undefined
    return ((totalBytes - readBytes) / rate) * 1000
  }
}

export interface BarLayout {
  readonly paint: Paint
  readonly width: number
  /** Columns for the subject's name, the same for all that stack. */
  readonly nameWidth: number
  /** Some subject of the stack has a bar, so that the others leave room for one. */
  readonly hasBars: boolean
  readonly words: CountedWords
  readonly now: number
}

/** One line, no wider than the layout: name, bar, read, stored, rate, time left. */
export function barLine(subject: SubjectProgress, layout: BarLayout): string {
  const { paint, width, nameWidth, hasBars } = layout
  const name = padEnd(fit(escapeControls(subject.latest.subject), nameWidth), nameWidth)
  const fields = fieldsOf(subject, layout)
  const room = width - widthOf(name)
  // What is least missed goes first when the window is narrow.
  for (const names of fieldSets) {
    const texts = names.map(field => fields[field]).filter(text => text !== '')
    const used = texts.reduce((sum, text) => sum + widthOf(text) + 2, 0)
    if (used > room) continue
    const barRoom = Math.min(30, room - used - 2)
    const bar = hasBars && barRoom >= 8 ? `  ${barText(subject.fraction, barRoom, paint)}` : ''
    return `${paint('strong', name)}${bar}${texts.map(text => `  ${text}`).join('')}`.trimEnd()
  }
  return fit(name, width)
}

/** Each always as wide as itself, so that bars which stack stay in columns. */
function fieldsOf(subject: SubjectProgress, { hasBars, words, now }: BarLayout) {
  const { readBytes, storedBytes } = subject.latest
  const fraction = subject.fraction
  const rate = subject.rate(now)
  const left = subject.timeLeftMs(now)
  const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)} %`
  const time =
    left === undefined ? elapsedText(now - subject.startedAt) : `${calmDuration(left)} left`
  return {
    percent: hasBars ? padStart(percent, 5) : '',
    read: `${padStart(formatBytes(readBytes), 8)} ${words.read}`,
    stored: `${padStart(formatBytes(storedBytes), 8)} ${words.stored}`,
    rate: padStart(rate === undefined ? '' : `${formatBytes(rate)}/s`, 10),
    time: padEnd(time, 16),
  }
}

const fieldSets = [
  ['percent', 'read', 'stored', 'rate', 'time'],
  ['percent', 'read', 'stored', 'rate'],
  ['percent', 'read', 'rate'],
  ['percent', 'read'],
  ['percent'],
  [],
] as const

/** For logs: everything in words. */
export function progressSentence(
  subject: SubjectProgress,
  { words, now }: Pick<BarLayout, 'words' | 'now'>,
): string {
  const { readBytes, storedBytes, totalBytes } = subject.latest
  const rate = subject.rate(now)
  const left = subject.timeLeftMs(now)
  const whole =
    subject.fraction === undefined || totalBytes === undefined
      ? ''
      : ` of ${formatBytes(totalBytes)}`
  return [
    `${formatBytes(readBytes)}${whole} ${words.read}`,
    `${formatBytes(storedBytes)} ${words.stored}`,
    ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]),
    ...(left === undefined ? [] : [`about ${calmDuration(left)} left`]),
  ].join(', ')
}

/** When a subject is done. */
export function finalSentence(
  subject: SubjectProgress,
  { words, now }: Pick<BarLayout, 'words' | 'now'>,
): string {
  const { readBytes, storedBytes } = subject.latest
  const elapsed = now - subject.startedAt
  const rate = elapsed < 1000 ? '' : ` (${formatBytes((readBytes / elapsed) * 1000)}/s)`
  return `${formatBytes(readBytes)} ${words.read}, ${formatBytes(storedBytes)} ${words.stored} in ${formatDuration(elapsed)}${rate}`
}

/** Seconds that jump about help nobody: steps of 5 s from a minute on. */
function calmDuration(ms: number): string {
  if (ms < 10_000) return `${Math.max(1, Math.round(ms / 1000))} s`
  return formatDuration(ms < 60_000 ? ms : Math.round(ms / 5000) * 5000)
}

function elapsedText(ms: number): string {
  if (ms < 1000) return ''
  return `for ${formatDuration(Math.floor(ms / 1000) * 1000).replace(/\.0 s$/, ' s')}`
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function barText(fraction: number | undefined, columns: number, paint: Paint): string {
  if (fraction === undefined) return ' '.repeat(columns)
  const filled = Math.min(columns * 8, Math.round(fraction * columns * 8))
  const done = '█'.repeat(filled >> 3) + (eighths[filled & 7] ?? '')
  return paint('accent', done) + paint('quiet', '░'.repeat(columns - widthOf(done)))
}
