import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  keepEverything,
  type MaxDelete,
  type Policy,
  parseKeepRule,
  soleRuleSet,
} from '../../src/model/policy.ts'
import { forecast, mostRuns } from '../../src/plan/forecast.ts'
import type { SourceSituation } from '../../src/plan/situation.ts'
import { Spans } from '../../src/plan/spans.ts'
import { Simulator } from './simulator.ts'
import { situationOf } from './situations.ts'

const day = 86_400_000
const from = new Date('2026-11-21T09:30:00Z')

function policyOf(keep: string, more: Partial<Policy> = {}): Policy {
  return { ...keepEverything, keep: parseKeepRule(keep) ?? assert.fail(), shape: 'tree', ...more }
}

function situationWith(policy: Policy, timeZone = 'Europe/Paris'): SourceSituation {
  const rules = { ruleSets: [soleRuleSet(policy)], epochNames: new Map() }
  const remotes = [{ remote: 'nas', backups: [], unfinished: undefined, ...rules }]
  return { ...situationOf({ remotes }), timeZone }
}

function ahead(
  policy: Policy,
  days: number,
  more: { forget?: boolean; maxDelete?: MaxDelete } = {},
) {
  const { forget = true, maxDelete = { percent: 100 } } = more
  const place = { remote: 'nas', hidden: [], tombstones: [], graceMs: 7 * day, maxDelete }
  const found = forecast(situationWith(policy), { from, days, forget, places: [place] })
  const [remote] = found.remotes
  assert.ok(remote)
  return { ...found, ...remote }
}

describe('forecast()', () => {
  test('is what the planner does in as many runs, on another clock', () => {
    const policy = policyOf('1y 3m 7d 6h')
    const { end, runCount } = ahead(policy, 20)
    const world = new Simulator({ nas: policy }, 'Europe/Paris')
    const hours = new Spans('h', 'Europe/Paris')
    let timeMs = from.getTime()
    for (let n = 0; n < runCount; n += 1) {
      world.run(new Date(timeMs), { changed: true, forget: true })
      timeMs = hours.at(timeMs).endMs
    }
    const times = (all: readonly Date[]) => all.map(time => time.toISOString())
    assert.deepEqual(
      times(end.backups.map(({ snapshotTime }) => snapshotTime)),
      times(world.backups('nas').map(({ manifest }) => manifest.snapshot.createdAt)),
    )
    assert.equal(world.mostSnapshots >= 4, true)
  })

  test('tells each day: the first full, then a differential a day and incrementals', () => {
    const { days, end, mostSnapshots, runCount } = ahead(policyOf('1y 3m 30d 24h'), 60)
    assert.deepEqual(days[0], {
      date: '2026-11-21',
      full: 1,
      differential: 13,
      incremental: 0,
      forgotten: 0,
      pruned: 0,
    })
    assert.deepEqual(
      days.filter(({ full }) => full > 0).map(({ date }) => date),
      ['2026-11-21', '2027-01-01'],
    )
    assert.equal(runCount, 60 * 24 + 1)
    assert.equal(end.longestChain, 3)
    assert.equal(end.hiddenCount, 7 * 24)
    assert.ok(mostSnapshots <= 5)
    const made = days.reduce((sum, one) => sum + one.full + one.differential + one.incremental, 0)
    const gone = days.reduce((sum, one) => sum + one.forgotten, 0)
    assert.equal(made - gone, end.backups.length)
  })

  test('follows the calendar where no rule has days', () => {
    const { days } = ahead(policyOf('2y 9w'), 45)
    assert.deepEqual(
      days.map(({ date }) => date),
      [
        '2026-11-21',
        '2026-11-23',
        '2026-11-30',
        '2026-12-07',
        '2026-12-14',
        '2026-12-21',
        '2026-12-28',
        '2027-01-01',
        '2027-01-04',
      ],
    )
  })

  test('takes one run a day for a rule without spans', () => {
    const chain = policyOf('last 5', { shape: 'chain', maxChain: 3 })
    const { end, runCount } = ahead(chain, 30)
    assert.equal(runCount, 31)
    assert.equal(end.longestChain, 3)
    assert.ok(end.backups.length <= 7)
  })

  test('knows max_delete, and that nothing goes without forget', () => {
    const policy = policyOf('3d 24h')
    const slow = ahead(policy, 9, { maxDelete: { count: 0 } })
    assert.equal(slow.end.hiddenCount, 0)
    const kept = ahead(policy, 9, { forget: false })
    assert.deepEqual([kept.end.backups.length, kept.end.hiddenCount], [9 * 24 + 1, 0])
    assert.ok(ahead(policy, 9).end.backups.length < 30)
  })

  test('ends early rather than never', { timeout: 120_000 }, () => {
    const { runCount, until, isWhole } = ahead(policyOf('3h'), 3660)
    assert.deepEqual([runCount, isWhole], [mostRuns, false])
    assert.ok(until.getTime() < from.getTime() + 3660 * day)
  })

  test('goes on with what is there', () => {
    const policy = policyOf('2d')
    const situation = situationWith(policy)
    const plain = { from, days: 3, forget: true, places: [] }
    const first = forecast(situation, plain)
    assert.deepEqual(first.remotes[0]?.days[0]?.full, 1)
    assert.equal(first.remotes[0]?.end.backups.length, 4)
  })
})
