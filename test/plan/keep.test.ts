import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import { keepEverything, type Policy, parseKeepRule } from '../../src/model/policy.ts'
import { keepBackups } from '../../src/plan/keep.ts'
import { anyHistory, backupAt, kept, type Made } from './histories.ts'

const zone = 'UTC'

function policy(keep: string, more: Partial<Policy> = {}): Policy {
  const rule = parseKeepRule(keep)
  assert.ok(rule, keep)
  return { ...keepEverything, keep: rule, shape: 'tree', ...more }
}

/** The numbers that are kept of backups made at these times, all full unless said. */
function keptOf(keep: string, made: readonly Made[], now: string): number[] {
  const backups = made.map((one, index) => backupAt(index + 1, one))
  return kept(keepBackups(backups, policy(keep), { now: new Date(now), timeZone: zone }))
}

describe('keepBackups() keeps what btrfs2s3 keeps', () => {
  const v1: Made[] = [
    ['2024-01-01T00:00Z', 0],
    ['2024-02-01T00:10Z', 1],
    ['2024-03-01T00:05Z', 1],
    ['2024-03-14T00:01Z', 3],
    ['2024-03-14T13:00Z', 4],
    ['2024-03-15T00:02Z', 3],
    ['2024-03-15T11:00Z', 6],
    ['2024-03-15T11:30Z', 7],
    ['2024-03-15T11:45Z', 7],
  ]
  test('vector 1: the first of each span, and the newest', () => {
    assert.deepEqual(keptOf('1y 3m 30d 24h', v1, '2024-03-15T12:00Z'), [1, 2, 3, 4, 5, 6, 7, 9])
  })

  test('vector 2: last year is kept for as long as a month is built on it', () => {
    const made: Made[] = [
      ['2023-01-01T00:00Z', 0],
      ['2023-11-01T00:00Z', 1],
      ['2023-12-01T00:00Z', 1],
      ['2024-01-01T00:00Z', 0],
    ]
    assert.deepEqual(keptOf('1y 3m', made, '2024-01-01T00:01Z'), [1, 2, 3, 4])
    assert.deepEqual(keptOf('1y 3m', made, '2024-03-01T00:01Z'), [4])
  })

  test('vector 3: a week may begin in the month before', () => {
    const made: Made[] = [
      ['2023-01-01T00:00Z', 0],
      ['2023-01-30T00:00Z', 1],
      ['2023-02-01T00:00Z', 1],
      ['2023-02-02T00:00Z', 2],
    ]
    assert.deepEqual(keptOf('1y 2m 3w 7d', made, '2023-02-02T12:00Z'), [1, 2, 3, 4])
  })

  test('vector 4: what is first of no span goes unless it is the newest', () => {
    const made: Made[] = [
      ['2024-07-05T00:00Z', 0],
      ['2024-07-09T00:00Z', 1],
      ['2024-07-10T00:00Z', 1],
    ]
    assert.deepEqual(keptOf('1y 3m', made, '2024-07-10T10:00Z'), [1, 3])
  })

  test('vector 5: without a rule the newest is kept', () => {
    const made: Made[] = [
      ['2024-07-05T00:00Z', 0],
      ['2024-07-09T00:00Z', 0],
    ]
    assert.deepEqual(keptOf('', made, '2024-07-10T10:00Z'), [2])
  })

  test('vectors 6 and 7: the older of two is the first of the year', () => {
    const made: Made[] = [
      ['2024-01-01T00:00Z', 0],
      ['2024-01-05T00:00Z', 0],
      ['2024-01-20T00:00Z', 2],
    ]
    assert.deepEqual(keptOf('1y 30d', made, '2024-01-20T12:00Z'), [1, 2, 3])
    assert.deepEqual(keptOf('1y', made.slice(0, 2), '2024-01-20T00:00Z'), [1, 2])
  })
})

describe('keepBackups() gives reasons', () => {
  test('of span, age, number, need and clock', () => {
    const backups = [
      backupAt(1, ['2026-01-01T00:00Z', 0]),
      backupAt(2, ['2026-11-20T00:00Z', 1]),
      backupAt(3, ['2026-11-21T00:00Z', 1]),
      backupAt(4, ['2027-11-21T00:00Z', 1]),
    ]
    const at = { now: new Date('2026-11-21T12:00Z'), timeZone: zone }
    const found = keepBackups(backups, policy('1d last 1', { minAgeMs: 36e5 * 48 }), at)
    assert.deepEqual(
      found.map(({ reasons }) => reasons.map(({ kind }) => kind)),
      [['needed'], ['min-age'], ['min-age', 'span', 'last', 'newest'], ['future', 'newest']],
    )
  })

  test('a date in the future takes the place of nothing', () => {
    const made: Made[] = [
      ['2026-11-20T00:00Z', 0],
      ['2099-01-01T00:00Z', 0],
    ]
    assert.deepEqual(keptOf('last 1', made, '2026-11-21T00:00Z'), [1, 2])
  })

  test('* keeps everything', () => {
    assert.deepEqual(
      keptOf(
        '*',
        [
          ['2001-01-01T00:00Z', 0],
          ['2002-01-01T00:00Z', 0],
        ],
        '2026-01-01T00:00Z',
      ),
      [1, 2],
    )
  })

  test('*m keeps a month each, however long ago', () => {
    const made: Made[] = [
      ['1999-01-05T00:00Z', 0],
      ['1999-01-06T00:00Z', 0],
      ['2026-01-01T00:00Z', 0],
    ]
    assert.deepEqual(keptOf('*m', made, '2026-01-01T00:00Z'), [1, 3])
  })

  test('first is what was made first, though its clock said otherwise', () => {
    const made: Made[] = [
      ['2026-03-02T00:00Z', 0],
      ['2026-03-01T00:00Z', 0],
      ['2026-03-03T00:00Z', 0],
    ]
    assert.deepEqual(keptOf('1m', made, '2026-03-03T00:00Z'), [1, 3])
  })
})

describe('over 50,000 random histories', () => {
  const runs = { numRuns: 50_000 }

  test('L3: whatever a kept backup needs is kept, and so is the newest', () => {
    fc.assert(
      fc.property(anyHistory, ({ backups, policy, at }) => {
        const left = kept(keepBackups(backups, policy, at))
        const all = new Map(backups.map(one => [one.manifest.seq, one]))
        for (const seq of left) {
          const parent = all.get(seq)?.manifest.parent?.seq
          assert.ok(parent === undefined || left.includes(parent))
        }
        assert.ok(backups.length === 0 || left.includes(Math.max(...all.keys())))
      }),
      runs,
    )
  })

  test('to keep more never deletes more', () => {
    const more = fc.record({
      spans: fc.integer({ min: 0, max: 5 }),
      last: fc.integer({ min: 0, max: 5 }),
      age: fc.integer({ min: 0, max: 4e9 }),
    })
    fc.assert(
      fc.property(anyHistory, more, ({ backups, policy, at }, add) => {
        const wider: Policy = {
          ...policy,
          minAgeMs: policy.minAgeMs + add.age,
          keep: {
            spans: policy.keep.spans.map(({ unit, count }) => ({ unit, count: count + add.spans })),
            last: policy.keep.last + add.last,
          },
        }
        const wide = kept(keepBackups(backups, wider, at))
        for (const seq of kept(keepBackups(backups, policy, at))) assert.ok(wide.includes(seq))
      }),
      runs,
    )
  })

  test('the order of the list never matters', () => {
    fc.assert(
      fc.property(anyHistory, ({ backups, policy, at }) => {
        const reversed: Backup[] = backups.toReversed()
        assert.deepEqual(
          kept(keepBackups(reversed, policy, at)),
          kept(keepBackups(backups, policy, at)),
        )
      }),
      runs,
    )
  })

  test('what is dated in the future never lets anything else go', () => {
    fc.assert(
      fc.property(anyHistory, ({ backups, policy, at }) => {
        const isPast = ({ manifest }: Backup) => manifest.snapshot.createdAt <= at.now
        const parents = new Set(backups.map(one => one.manifest.parent?.seq))
        const leaves = backups.filter(one => isPast(one) || parents.has(one.manifest.seq))
        const with_ = kept(keepBackups(backups, policy, at))
        for (const seq of kept(keepBackups(leaves, policy, at))) {
          // Only that it was the newest of fewer is no reason any more.
          const isNewest = seq === Math.max(...leaves.map(one => one.manifest.seq))
          assert.ok(with_.includes(seq) || isNewest)
        }
      }),
      runs,
    )
  })
})
