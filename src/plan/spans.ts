// Calendar spans in a named zone: left-closed, the right end is the start of the next. Weeks are
// ISO weeks, from Monday. Hours are 60 minutes, so the hour that a clock shows twice is two spans.

import { type SpanCount, type SpanUnit, unlimited } from '../model/policy.ts'

export interface Span {
  readonly startMs: number
  readonly endMs: number
}

const exactMs = { h: 3_600_000, M: 60_000, s: 1000 } as const
const dateStep = {
  y: { years: 1 },
  q: { months: 3 },
  m: { months: 1 },
  w: { weeks: 1 },
  d: { days: 1 },
} as const

/** Spans of one unit in one zone. Remembers the last span, as times mostly come in order. */
export class Spans {
  readonly #unit: SpanUnit
  readonly #zone: string
  #last: Span = { startMs: 0, endMs: 0 }

  constructor(unit: SpanUnit, timeZone: string) {
    this.#unit = unit
    this.#zone = timeZone
  }

  /** The span that a time lies in. */
  at(timeMs: number): Span {
    const last = this.#last
    if (timeMs >= last.startMs && timeMs < last.endMs) return last
    this.#last = this.#isDate() ? this.#dateSpan(timeMs) : this.#exactSpan(timeMs)
    return this.#last
  }

  /** Start of the first of `count` spans of which the last holds `nowMs`; -Infinity for no limit. */
  windowStart(nowMs: number, count: number): number {
    if (count === unlimited) return -Infinity
    const { startMs } = this.at(nowMs)
    const steps = count - 1
    const unit = this.#unit
    if (unit === 'h' || unit === 'M' || unit === 's')
      return this.at(startMs - steps * exactMs[unit]).startMs
    const date = Temporal.Instant.fromEpochMilliseconds(startMs)
      .toZonedDateTimeISO(this.#zone)
      .toPlainDate()
    return this.#startOf(date.subtract(times(dateStep[unit], steps)))
  }

  /** When the first of `count` spans passes out of them: `windowStart` is after `timeMs` from then on. */
  windowEnd(timeMs: number, count: number): number {
    if (count === unlimited) return Infinity
    const { startMs } = this.at(timeMs)
    const unit = this.#unit
    if (unit === 'h' || unit === 'M' || unit === 's')
      return this.at(startMs + count * exactMs[unit]).startMs
    const date = Temporal.Instant.fromEpochMilliseconds(startMs)
      .toZonedDateTimeISO(this.#zone)
      .toPlainDate()
    return this.#startOf(date.add(times(dateStep[unit], count)))
  }

  #isDate(): boolean {
    return this.#unit in dateStep
  }

  #dateSpan(timeMs: number): Span {
    const unit = this.#unit as keyof typeof dateStep
    const zoned = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(this.#zone)
    const first = firstDay(unit, zoned.toPlainDate())
    return { startMs: this.#startOf(first), endMs: this.#startOf(first.add(dateStep[unit])) }
  }

  /** A day begins at its first moment, which is not midnight where the clock skips it. */
  #startOf(date: Temporal.PlainDate): number {
    return date.toZonedDateTime(this.#zone).epochMilliseconds
  }

  #exactSpan(timeMs: number): Span {
    const length = exactMs[this.#unit as keyof typeof exactMs]
    const zoned = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(this.#zone)
    // The grid is the zone's own: where it is half an hour off, hours begin at half past.
    const offsetMs = Math.round(zoned.offsetNanoseconds / 1e6)
    const startMs = Math.floor((timeMs + offsetMs) / length) * length - offsetMs
    return { startMs, endMs: startMs + length }
  }
}

/**
 * How many spans later the one of `laterMs` begins than the one of `earlierMs`, counted no further
 * than `enough`.
 */
export function spansBetween(
  { unit, count: enough }: SpanCount,
  { earlierMs, laterMs, timeZone }: { earlierMs: number; laterMs: number; timeZone: string },
): number {
  const spans = new Spans(unit, timeZone)
  const target = spans.at(laterMs).startMs
  let passed = 0
  for (let end = spans.at(earlierMs).endMs; end <= target && passed < enough; passed += 1) {
    end = spans.at(end).endMs
  }
  return passed
}

/** `2026`, `2026-Q1`, `2026-03`, `2026-W11`, `2026-03-15`, `2026-03-15 11:00`, …: the span's name. */
export function spanLabel(unit: SpanUnit, startMs: number, timeZone: string): string {
  const zoned = Temporal.Instant.fromEpochMilliseconds(startMs).toZonedDateTimeISO(timeZone)
  const date = zoned.toPlainDate().toString()
  const year = date.slice(0, -6)
  switch (unit) {
    case 'y':
      return year
    case 'q':
      return `${year}-Q${Math.ceil(zoned.month / 3)}`
    case 'm':
      return date.slice(0, -3)
    case 'w':
      return `${zoned.yearOfWeek}-W${String(zoned.weekOfYear).padStart(2, '0')}`
    case 'd':
      return date
    case 'h':
    case 'M':
    case 's': {
      const time = zoned
        .toPlainTime()
        .toString({ smallestUnit: unit === 's' ? 'second' : 'minute' })
      return `${date} ${time}${zoned.offset}`
    }
  }
}

function firstDay(unit: keyof typeof dateStep, date: Temporal.PlainDate): Temporal.PlainDate {
  switch (unit) {
    case 'y':
      return date.with({ month: 1, day: 1 })
    case 'q':
      return date.with({ month: 3 * Math.floor((date.month - 1) / 3) + 1, day: 1 })
    case 'm':
      return date.with({ day: 1 })
    case 'w':
      return date.subtract({ days: date.dayOfWeek - 1 })
    case 'd':
      return date
  }
}

function times(step: Partial<Record<string, number>>, factor: number): Temporal.DurationLike {
  return Object.fromEntries(
    Object.entries(step).map(([name, value]) => [name, (value ?? 0) * factor]),
  )
}
