// Calendar spans in a named zone: left-closed, the right end is the start of the next. Weeks are
// ISO weeks, from Monday. Hours are 60 minutes, so the hour that a clock shows twice is two spans.

import { type SpanCount, type SpanUnit, unlimited } from '../model/policy.ts'

export interface Span {
  readonly startMs: number
  readonly endMs: number
}

const exactMs = { h: 3_600_000, M: 60_000, s: 1000 } as const
const dayMs = 86_400_000
const monthsOf = { y: 12, q: 3, m: 1 } as const
type DateUnit = Exclude<SpanUnit, keyof typeof exactMs>

/** Between two changes of a zone's clocks. */
interface Season {
  readonly fromMs: number
  readonly toMs: number
  readonly offsetMs: number
}

/** Spans of one unit in one zone. Remembers the last span and season, as times mostly come in order. */
export class Spans {
  readonly #unit: SpanUnit
  readonly #zone: string
  #last: Span = { startMs: 0, endMs: 0 }
  #season: Season = { fromMs: 0, toMs: 0, offsetMs: 0 }

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
    return this.#startOf(moved(unit, this.#wallOf(startMs), -steps)) ?? -Infinity
  }

  /** When the first of `count` spans passes out of them: `windowStart` is after `timeMs` from then on. */
  windowEnd(timeMs: number, count: number): number {
    if (count === unlimited) return Infinity
    const { startMs } = this.at(timeMs)
    const unit = this.#unit
    if (unit === 'h' || unit === 'M' || unit === 's')
      return this.at(startMs + count * exactMs[unit]).startMs
    return this.#startOf(moved(unit, this.#wallOf(startMs), count)) ?? Infinity
  }

  #isDate(): boolean {
    return !(this.#unit in exactMs)
  }

  #dateSpan(timeMs: number): Span {
    const unit = this.#unit as DateUnit
    const first = firstDay(unit, this.#wallOf(timeMs))
    const startMs = this.#startOf(first) ?? -Infinity
    return { startMs, endMs: this.#startOf(moved(unit, first, 1)) ?? Infinity }
  }

  #exactSpan(timeMs: number): Span {
    const length = exactMs[this.#unit as keyof typeof exactMs]
    // The grid is the zone's own: where it is half an hour off, hours begin at half past.
    const { offsetMs } = this.#seasonOf(timeMs)
    const startMs = Math.floor((timeMs + offsetMs) / length) * length - offsetMs
    return { startMs, endMs: startMs + length }
  }

  /** What a clock in the zone shows, as if it stood in UTC: arithmetic on it needs no zone. */
  #wallOf(timeMs: number): number {
    return timeMs + this.#seasonOf(timeMs).offsetMs
  }

  /**
   * A day begins at its first moment, which is not midnight where the clock skips it. Undefined: so
   * far away that no calendar has it.
   */
  #startOf(wallMs: number): number | undefined {
    if (!(Math.abs(wallMs) <= farthestMs)) return undefined
    const { fromMs, toMs, offsetMs } = this.#season
    const timeMs = wallMs - offsetMs
    // Within a season and off its edges, a clock shows each time once.
    if (timeMs >= fromMs + edgeMs && timeMs < toMs - edgeMs) return timeMs
    const date = Temporal.Instant.fromEpochMilliseconds(wallMs).toZonedDateTimeISO('UTC')
    return date.toPlainDate().toZonedDateTime(this.#zone).epochMilliseconds
  }

  #seasonOf(timeMs: number): Season {
    if (timeMs >= this.#season.fromMs && timeMs < this.#season.toMs) return this.#season
    const zoned = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(this.#zone)
    const next = zoned.getTimeZoneTransition('next')?.epochMilliseconds
    // Strictly before: a change at this very moment has begun the season already.
    const previous = zoned.add({ milliseconds: 1 }).getTimeZoneTransition('previous')
    this.#season = {
      fromMs: previous?.epochMilliseconds ?? -Infinity,
      toMs: next ?? Infinity,
      offsetMs: Math.round(zoned.offsetNanoseconds / 1e6),
    }
    return this.#season
  }
}

/** Two hundred thousand years. */
const farthestMs = 6.3e15
/** No clock is ever changed by more. */
const edgeMs = 26 * 3_600_000

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

/** Midnight of the span's first day. */
function firstDay(unit: DateUnit, wallMs: number): number {
  const date = new Date(wallMs)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  switch (unit) {
    case 'y':
      return Date.UTC(year, 0, 1)
    case 'q':
      return Date.UTC(year, month - (month % 3), 1)
    case 'm':
      return Date.UTC(year, month, 1)
    case 'w':
      return startOfDay(wallMs) - ((date.getUTCDay() + 6) % 7) * dayMs
    case 'd':
      return startOfDay(wallMs)
  }
}

/** From the first day of a span to that of the one so many spans later. */
function moved(unit: DateUnit, firstMs: number, count: number): number {
  const date = new Date(firstMs)
  switch (unit) {
    case 'y':
    case 'q':
    case 'm':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + count * monthsOf[unit], 1)
    case 'w':
      return startOfDay(firstMs) + 7 * count * dayMs
    case 'd':
      return startOfDay(firstMs) + count * dayMs
  }
}

function startOfDay(wallMs: number): number {
  return Math.floor(wallMs / dayMs) * dayMs
}
