import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import type { Uuid } from '../../src/model/ids.ts'
import type { LockRule } from '../../src/model/lock.ts'
import { keepEverything, type Policy, parseKeepRule, spanUnits } from '../../src/model/policy.ts'
import { keepBackups } from '../../src/plan/keep.ts'
import { lockFrom, lockUntil } from '../../src/plan/lock.ts'
import { Spans } from '../../src/plan/spans.ts'
import { manifestOf } from '../catalog/sample-series.ts'

const sourceUuid = 'c8f5a7d2-0000-4000-8000-000000000001' as Uuid
const expiry: LockRule = { mode: 'governance', until: 'expiry' }

function policyOf(keep: string, changes: Partial<Policy> = {}): Policy {
  const rule = parseKeepRule(keep)
  assert.ok(rule)
  return { ...keepEverything, keep: rule, shape: 'tree', ...changes }
}

function backupAt(time: string | number, seq: number): Backup {
  const base = manifestOf(seq)
  const createdAt = new Date(time)
  const snapshot = { ...base.snapshot, createdAt, generation: seq, sourceUuid }
  const manifest = { ...base, createdAt, snapshot, parent: null }
  return { manifest, manifestSha256: `${seq}` as Backup['manifestSha256'], signer: '' }
}

function expiryOf(
  keep: string,
  time: string,
  { others = [], zone = 'UTC' }: { others?: readonly string[]; zone?: string } = {},
): string {
  const now = new Date(time)
  const made = { timeMs: now.getTime(), generation: 100, sourceUuid, tie: '' }
  const backups = others.map((other, index) => backupAt(other, index + 1))
  const item = { policy: policyOf(keep), made, backups }
  return lockUntil(expiry, item, { now, timeZone: zone }).toISOString()
}

describe('the lock of a new backup', () => {
  const rule = '1y 3m 30d 24h'
  const scenes: readonly (readonly [string, string, string, string, readonly string[]])[] = [
    [
      'the first of a year stays until the next year',
      rule,
      '2026-01-01T00:10:00Z',
      '2027-01-01T00:00:00.000Z',
      [],
    ],
    [
      'the first of a month for three months',
      rule,
      '2026-11-01T00:10:00Z',
      '2027-02-01T00:00:00.000Z',
      ['2026-01-01T00:10:00Z'],
    ],
    [
      'the first of a day for 30 days',
      rule,
      '2026-11-21T00:10:00Z',
      '2026-12-21T00:00:00.000Z',
      ['2026-01-01T00:10:00Z', '2026-11-01T00:00:00Z'],
    ],
    [
      'the first of an hour for 24 hours',
      rule,
      '2026-11-21T10:10:00Z',
      '2026-11-22T10:00:00.000Z',
      ['2026-01-01T00:00:00Z', '2026-11-01T00:00:00Z', '2026-11-21T00:00:00Z'],
    ],
    [
      'one that no span keeps until the next is due',
      rule,
      '2026-11-21T10:40:00Z',
      '2026-11-21T11:00:00.000Z',
      [
        '2026-01-01T00:00:00Z',
        '2026-11-01T00:00:00Z',
        '2026-11-21T00:00:00Z',
        '2026-11-21T10:10:00Z',
      ],
    ],
    [
      'the very first, in the middle of a year, as what it is for each span',
      '2m 5d',
      '2026-11-21T10:40:00Z',
      '2027-01-01T00:00:00.000Z',
      [],
    ],
    [
      'with the longest unit last to end',
      '1m 60d',
      '2026-11-01T10:40:00Z',
      '2026-12-31T00:00:00.000Z',
      [],
    ],
    ['of a week from Monday', '2w', '2026-11-21T10:40:00Z', '2026-11-30T00:00:00.000Z', []],
    ['of a quarter', '4q', '2026-11-21T10:40:00Z', '2027-10-01T00:00:00.000Z', []],
  ]
  for (const [title, keep, time, until, others] of scenes) {
    it(`expiry: ${title}`, () => assert.equal(expiryOf(keep, time, { others }), until))
  }

  it('expiry: ends at midnight of the zone, across a change of the clock', () => {
    const until = expiryOf('3d', '2026-10-24T10:00:00Z', { zone: 'Europe/Paris' })
    assert.equal(until, '2026-10-26T23:00:00.000Z')
  })

  it('expiry: no earlier than min_age', () => {
    const now = new Date('2026-11-21T10:00:00Z')
    const made = { timeMs: now.getTime(), generation: 1, sourceUuid, tie: '' }
    const policy = policyOf('1d', { minAgeMs: 14 * 86_400_000 })
    const until = lockUntil(expiry, { policy, made, backups: [] }, { now, timeZone: 'UTC' })
    assert.equal(until.toISOString(), '2026-12-05T10:00:00.000Z')
  })

  it('expiry: of an old snapshot that is sent late, until the next is due', () => {
    const now = new Date('2026-11-21T10:30:00Z')
    const made = { timeMs: Date.parse('2026-11-01T10:00:00Z'), generation: 1, sourceUuid, tie: '' }
    const item = { policy: policyOf('2d 5h'), made, backups: [] }
    const until = lockUntil(expiry, item, { now, timeZone: 'UTC' })
    assert.equal(until.toISOString(), '2026-11-21T11:00:00.000Z')
  })

  it('a duration: that long from now, and up to a tenth more', () => {
    const made = { timeMs: 0, generation: 1, sourceUuid, tie: '' }
    const item = { policy: keepEverything, made, backups: [] }
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2e12 }),
        fc.integer({ min: 1000, max: 3e11 }),
        (nowMs, ms) => {
          const rule: LockRule = { mode: 'governance', until: { ms } }
          const until = lockUntil(rule, item, { now: new Date(nowMs), timeZone: 'UTC' }).getTime()
          assert.ok(until >= nowMs + ms)
          assert.ok(until <= nowMs + ms * 1.1 + 2000)
          assert.equal(until % 1000, 0)
        },
      ),
    )
  })
})

describe('the end of a window', () => {
  it('is the first moment at which the rule lets go, in any zone', () => {
    const zones = ['UTC', 'Europe/Paris', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia']
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.tuple(fc.constantFrom(...spanUnits), fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: Date.parse('2000-01-01'), max: Date.parse('2040-01-01') }),
        (zone, [unit, count], timeMs) => {
          const end = new Spans(unit, zone).windowEnd(timeMs, count)
          const isKept = (nowMs: number) =>
            new Spans(unit, zone).windowStart(nowMs, count) <= timeMs
          assert.ok(isKept(end - 1), 'it was let go before')
          assert.ok(!isKept(end), 'it is still kept')
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('lock and keep rule', () => {
  it('until its lock ends, keepBackups keeps a backup whatever else is there', () => {
    const step = 1_800_000
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 }),
        fc.constantFrom('2m 3d 4h', '3d', '1y 2w 6h', '2q 2m'),
        fc.constantFrom('UTC', 'Europe/Paris'),
        (gaps, keep, timeZone) => {
          let timeMs = Date.parse('2026-03-20T00:10:00Z')
          const policy = policyOf(keep)
          const backups: Backup[] = []
          const locks: number[] = []
          for (const [index, gap] of gaps.entries()) {
            timeMs += gap * step
            const made = {
              timeMs,
              generation: index + 1,
              sourceUuid,
              tie: String(index + 1).padStart(12, '0'),
            }
            const at = { now: new Date(timeMs), timeZone }
            locks.push(lockUntil(expiry, { policy, made, backups: [...backups] }, at).getTime())
            backups.push(backupAt(timeMs, index + 1))
          }
          for (const [index, until] of locks.entries()) {
            const now = new Date(Math.min(until - 1, timeMs + 86_400_000 * 400))
            const seen = backups.filter(({ manifest }) => manifest.createdAt <= now)
            const kept = keepBackups(seen, policy, { now, timeZone })
            const found = kept.find(({ backup }) => backup === backups[index])
            // One that no span keeps stays as the newest, or until a next one is due, sooner by hand.
            const isExtra =
              found?.reasons.length === 0 &&
              until - (backups[index]?.manifest.createdAt.getTime() ?? 0) < 86_400_000 * 32
            assert.ok(isExtra || (found?.reasons.length ?? 0) > 0)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('what is put late in a long upload', () => {
  const retention = { mode: 'governance', until: new Date('2026-11-21T12:00:00Z') } as const

  it('is locked for an hour from then at least, and else as the rest', () => {
    const at = (time: string) => lockFrom(retention, expiry, new Date(time)).until.toISOString()
    assert.equal(at('2026-11-21T10:00:00Z'), '2026-11-21T12:00:00.000Z')
    assert.equal(at('2026-11-21T11:30:00.5Z'), '2026-11-21T12:30:01.000Z')
    assert.equal(at('2026-11-23T00:00:00Z'), '2026-11-23T01:00:00.000Z')
  })

  it('or for half of what the rule says, where that is less', () => {
    const rule: LockRule = { mode: 'governance', until: { ms: 60_000 } }
    const { until } = lockFrom(retention, rule, new Date('2026-11-21T12:00:00Z'))
    assert.equal(until.toISOString(), '2026-11-21T12:00:30.000Z')
  })
})
