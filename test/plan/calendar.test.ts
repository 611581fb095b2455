import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { keepEverything, type Policy, parseKeepRule } from '../../src/model/policy.ts'
import { keepBackups } from '../../src/plan/keep.ts'
import { planBackup } from '../../src/plan/plan-backup.ts'
import { kept } from './histories.ts'
import { Simulator } from './simulator.ts'

function policyOf(keep: string, more: Partial<Policy> = {}): Policy {
  const rule = parseKeepRule(keep)
  assert.ok(rule)
  return { ...keepEverything, keep: rule, shape: 'tree', ...more }
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

describe('a tree', () => {
  test('is full in the first of the longest span, and each shorter is a difference from the next longer', () => {
    const world = new Simulator({ nas: policyOf('1y 3m 30d 24h') }, 'UTC')
    const times = [
      '2024-01-01T00:00Z',
      '2024-02-01T00:10Z',
      '2024-03-01T00:05Z',
      '2024-03-14T00:01Z',
      '2024-03-14T13:00Z',
      '2024-03-15T00:02Z',
      '2024-03-15T11:00Z',
    ]
    for (const time of times) world.run(new Date(time), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 1, 3, 4, 3, 6])
  })

  test('follows the month, not the week, in a week that began in the month before', () => {
    const world = new Simulator({ nas: policyOf('1y 2m 3w 7d') }, 'UTC')
    for (const time of [
      '2023-01-01T00:00Z',
      '2023-01-30T00:00Z',
      '2023-02-01T00:00Z',
      '2023-02-02T00:00Z',
    ])
      world.run(new Date(time), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 1, 2])
  })

  test('begins the new year in full', () => {
    const world = new Simulator({ nas: policyOf('1y 3m') }, 'Europe/Paris')
    for (const time of ['2023-12-01T00:00Z', '2023-12-31T22:59Z', '2023-12-31T23:00Z'])
      world.run(new Date(time), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 0])
  })

  test('with full_every 2y begins every other year with a difference', () => {
    const world = new Simulator(
      { nas: policyOf('*y', { fullEvery: { unit: 'y', count: 2 } }) },
      'UTC',
    )
    for (const year of [2020, 2021, 2022, 2023])
      world.run(new Date(`${year}-05-01T00:00Z`), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 0, 3])
  })

  test('that lost the snapshot it would build on takes the next older one', () => {
    const world = new Simulator({ nas: policyOf('1y 3m') }, 'UTC')
    world.run(new Date('2024-01-05T00:00Z'), { changed: true })
    world.run(new Date('2024-02-05T00:00Z'), { changed: true })
    world.lose(1)
    world.run(new Date('2024-03-05T00:00Z'), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 2])
  })

  test('that lost all of them says that no rule asks for the full', () => {
    const world = new Simulator({ nas: policyOf('1y 3m', { allowFullBytes: 5 }) }, 'UTC')
    world.run(new Date('2024-01-05T00:00Z'), { changed: true })
    world.lose(1)
    const [step] = planBackup(world.situation(true), new Date('2024-02-05T00:00Z')).steps.filter(
      one => one.kind === 'send',
    )
    assert.ok(step?.kind === 'send')
    assert.deepEqual([step.makes, step.fullLimitBytes], ['full', 5])
  })
})

describe('a chain', () => {
  test('begins anew when it would be too long', () => {
    const world = new Simulator({ nas: policyOf('*', { shape: 'chain', maxChain: 3 }) }, 'UTC')
    for (let n = 0; n < 7; n += 1) world.run(new Date(n * day), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 2, 0, 4, 5, 0])
  })

  test('begins anew with full_every', () => {
    const fullEvery = { unit: 'w', count: 1 } as const
    const world = new Simulator({ nas: policyOf('7d', { shape: 'chain', fullEvery }) }, 'UTC')
    const monday = Date.parse('2026-11-16T03:00Z')
    for (let n = 0; n < 9; n += 1) world.run(new Date(monday + n * day), { changed: true })
    assert.deepEqual(world.parents('nas'), [0, 1, 2, 3, 4, 5, 6, 0, 8])
  })
})

describe('what is due', () => {
  test('is one backup an hour, though the timer runs every 15 minutes', () => {
    const world = new Simulator({ nas: policyOf('24h') }, 'UTC')
    for (let at = 0; at < 5 * hour; at += 15 * minute) world.run(new Date(at), { changed: true })
    assert.equal(world.parents('nas').length, 5)
  })

  test('is nothing for a source that stands still', () => {
    const world = new Simulator({ nas: policyOf('24h') }, 'UTC')
    for (let at = 0; at < 3 * day; at += hour) world.run(new Date(at), { changed: at === 0 })
    assert.equal(world.parents('nas').length, 1)
  })

  test('is two backups in the hour that the clock shows twice', () => {
    const world = new Simulator({ nas: policyOf('24h') }, 'America/New_York')
    const from = Date.parse('2023-11-05T05:00Z')
    for (let n = 0; n < 4; n += 1) world.run(new Date(from + n * 30 * minute), { changed: true })
    assert.equal(world.parents('nas').length, 2)
  })

  test('comes with --now in any case', () => {
    const world = new Simulator({ nas: policyOf('24h') }, 'UTC')
    for (let n = 0; n < 3; n += 1)
      world.run(new Date(n * minute), { changed: true, regardless: true })
    assert.equal(world.parents('nas').length, 3)
  })

  test('differs from remote to remote, and one snapshot serves both', () => {
    const world = new Simulator({ usb: policyOf('24h'), aws: policyOf('30d') }, 'UTC')
    for (let at = 0; at < 2 * day; at += hour) world.run(new Date(at), { changed: true })
    assert.equal(world.parents('usb').length, 48)
    assert.equal(world.parents('aws').length, 2)
  })

  test('is caught up with when a remote is back', () => {
    const world = new Simulator({ usb: policyOf('7d'), aws: policyOf('7d') }, 'UTC')
    world.run(new Date(0), { changed: true })
    world.run(new Date(day), { changed: true, away: ['aws'] })
    world.run(new Date(day + hour), { changed: true })
    assert.deepEqual(world.parents('aws').length, 2)
  })
})

describe('a year, with a timer every hour', () => {
  const policy = policyOf('2y 12m 30d 24h')
  const world = new Simulator(
    { aws: policy, usb: policyOf('last 10', { shape: 'chain', maxChain: 5 }) },
    'Europe/Paris',
  )
  const from = Date.parse('2025-11-21T00:30Z')
  const to = from + 366 * day
  // Every other hour, so that the year takes seconds.
  for (let at = from; at <= to; at += 2 * hour) {
    world.run(new Date(at), { changed: true, forget: true })
  }

  test('ends with what the rule says: 2 years, 12 months, 30 days, 12 of 24 hours', () => {
    const at = { now: new Date(to), timeZone: 'Europe/Paris' }
    const units = new Map<string, number>()
    for (const { reasons } of keepBackups(world.backups('aws'), policy, at)) {
      for (const reason of reasons) {
        const name = reason.kind === 'span' ? reason.unit : reason.kind
        units.set(name, (units.get(name) ?? 0) + 1)
      }
    }
    assert.equal(units.get('y'), 2)
    assert.equal(units.get('m'), 12)
    assert.equal(units.get('d'), 30)
    assert.equal(units.get('h'), 12)
    assert.deepEqual(
      kept(keepBackups(world.backups('aws'), policy, at)).length,
      world.backups('aws').length,
    )
  })

  test('never has a chain longer than the rule has units', () => {
    assert.ok(world.depths('aws').every(depth => depth <= 4))
    assert.ok(world.depths('usb').every(depth => depth <= 5))
  })

  test('never lacks the parent of what it has', () => {
    for (const remote of ['aws', 'usb']) {
      const there = new Set(world.backups(remote).map(({ manifest }) => manifest.seq))
      for (const parent of world.parents(remote)) assert.ok(parent === 0 || there.has(parent))
    }
  })

  test('holds no more snapshots here than later sends need', () => {
    assert.ok(world.mostSnapshots <= 6, `${world.mostSnapshots}`)
  })
})

test('10,000 backups on 10 remotes are planned in a second', { timeout: 60_000 }, () => {
  const policy = policyOf('2y 12m 300d 24h')
  const names = Array.from({ length: 10 }, (_, n) => `remote-${n}`)
  const world = new Simulator(Object.fromEntries(names.map(name => [name, policy])), 'Europe/Paris')
  world.fill(10_000)
  const begun = performance.now()
  planBackup(world.situation(true), new Date(10_001 * hour))
  for (const name of names)
    keepBackups(world.backups(name), policy, {
      now: new Date(10_001 * hour),
      timeZone: 'Europe/Paris',
    })
  // Not a speed test: what grew with the square would take minutes.
  assert.ok(performance.now() - begun < 20_000)
})
