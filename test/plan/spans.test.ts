import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { SpanUnit } from '../../src/model/policy.ts'
import { Spans, spanLabel, spansBetween } from '../../src/plan/spans.ts'

function startOf(unit: SpanUnit, time: string, zone: string): string {
  return new Date(new Spans(unit, zone).at(Date.parse(time)).startMs).toISOString()
}

describe('a span', () => {
  test('begins where the calendar of the zone says', () => {
    const time = '2026-11-21T23:30:15Z'
    const paris = 'Europe/Paris'
    assert.equal(startOf('y', time, paris), '2025-12-31T23:00:00.000Z')
    assert.equal(startOf('q', time, paris), '2026-09-30T22:00:00.000Z')
    assert.equal(startOf('m', time, paris), '2026-10-31T23:00:00.000Z')
    assert.equal(startOf('w', time, paris), '2026-11-15T23:00:00.000Z')
    assert.equal(startOf('d', time, paris), '2026-11-21T23:00:00.000Z')
    assert.equal(startOf('h', time, paris), '2026-11-21T23:00:00.000Z')
    assert.equal(startOf('M', time, paris), '2026-11-21T23:30:00.000Z')
    assert.equal(startOf('s', time, paris), '2026-11-21T23:30:15.000Z')
  })

  test('of an hour begins at a quarter past where the zone is 45 minutes off', () => {
    assert.equal(startOf('h', '2026-11-21T12:20:00Z', 'Asia/Kathmandu'), '2026-11-21T12:15:00.000Z')
  })

  test('of a day begins at its first moment where the clock skips midnight', () => {
    assert.equal(
      startOf('d', '2018-11-04T12:00:00Z', 'America/Sao_Paulo'),
      '2018-11-04T03:00:00.000Z',
    )
  })

  test('has a name that people know', () => {
    const start = Date.parse('2026-12-28T00:00:00Z')
    assert.equal(spanLabel('w', start, 'UTC'), '2026-W53')
    assert.equal(spanLabel('q', start, 'UTC'), '2026-Q4')
    assert.equal(spanLabel('y', start, 'UTC'), '2026')
    assert.equal(
      spanLabel('h', Date.parse('2026-10-25T01:00Z'), 'Europe/Paris'),
      '2026-10-25 02:00+01:00',
    )
  })
})

describe('a window', () => {
  function starts(unit: SpanUnit, now: string, count: number): string {
    const spans = new Spans(unit, 'America/New_York')
    return new Date(spans.windowStart(Date.parse(now), count)).toISOString()
  }

  test('of hours is in real time when clocks go back and when they go forward', () => {
    assert.equal(starts('h', '2023-11-05T09:30:00Z', 5), '2023-11-05T05:00:00.000Z')
    assert.equal(starts('h', '2023-03-12T09:30:00Z', 5), '2023-03-12T05:00:00.000Z')
  })

  test('of months counts calendar months, whatever their length', () => {
    assert.equal(starts('m', '2024-03-31T12:00:00Z', 5), '2023-11-01T04:00:00.000Z')
  })

  test('of one is the span that holds now', () => {
    assert.equal(starts('y', '2024-03-31T12:00:00Z', 1), '2024-01-01T05:00:00.000Z')
  })
})

describe('the calendar', () => {
  const zones = ['Europe/Paris', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC']
  const step = {
    y: { years: 1 },
    q: { months: 3 },
    m: { months: 1 },
    w: { weeks: 1 },
    d: { days: 1 },
  } as const

  function startBy(unit: keyof typeof step, date: Temporal.PlainDate): Temporal.PlainDate {
    if (unit === 'd') return date
    if (unit === 'w') return date.subtract({ days: date.dayOfWeek - 1 })
    if (unit === 'm') return date.with({ day: 1 })
    const month = unit === 'y' ? 1 : date.month - ((date.month - 1) % 3)
    return date.with({ month, day: 1 })
  }

  test('is that of Temporal, around every change of clocks too', () => {
    const anyTime = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2045, 0) })
    const units = fc.constantFrom(...(Object.keys(step) as (keyof typeof step)[]))
    const near = fc.integer({ min: -3, max: 3 })
    const cases = fc.record({ unit: units, zone: fc.constantFrom(...zones), any: anyTime, near })
    fc.assert(
      fc.property(cases, one => {
        const { unit, zone, any } = one
        const zoned = Temporal.Instant.fromEpochMilliseconds(any).toZonedDateTimeISO(zone)
        const change = zoned.getTimeZoneTransition('next') ?? zoned
        const timeMs = change.epochMilliseconds + one.near * 1_800_000
        const spans = new Spans(unit, zone)
        spans.at(any)
        const here = Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(zone)
        const first = startBy(unit, here.toPlainDate())
        const [startMs, endMs, fromMs] = [
          first,
          first.add(step[unit]),
          first.subtract(step[unit]).subtract(step[unit]),
        ].map(date => date.toZonedDateTime(zone).epochMilliseconds)
        assert.deepEqual(spans.at(timeMs), { startMs, endMs })
        assert.equal(spans.windowStart(timeMs, 3), fromMs)
      }),
      { numRuns: 5000 },
    )
  })

  test('has room for any count that can be written', () => {
    const spans = new Spans('y', 'Europe/Paris')
    assert.equal(spans.windowStart(Date.UTC(2026, 1), 999_999), -Infinity)
    assert.equal(spans.windowEnd(Date.UTC(2026, 1), 999_999), Infinity)
  })
})

test('spansBetween() counts boundaries, so that a timer that is early by a second never shifts a full', () => {
  const place = { timeZone: 'UTC', earlierMs: Date.parse('2026-01-01T02:00:05Z') }
  const between = (later: string) =>
    spansBetween({ unit: 'w', count: 99 }, { ...place, laterMs: Date.parse(later) })
  assert.equal(between('2026-01-04T23:59:59Z'), 0)
  assert.equal(between('2026-01-05T00:00:00Z'), 1)
  assert.equal(between('2026-01-12T01:00:00Z'), 2)
})
