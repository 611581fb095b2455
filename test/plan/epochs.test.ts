// Epochs: what must hold of any, and a year of monthly and daily ones.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import type { Step } from '../../src/model/plan.ts'
import type { RuleSet } from '../../src/model/policy.ts'
import { neededByAncestry } from '../../src/plan/closure.ts'
import { type EpochName, epochOf, lineOf } from '../../src/plan/epochs.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { planBackup, releasableSnapshots } from '../../src/plan/plan-backup.ts'
import { expectedReleases } from '../../src/plan/releases.ts'
import type { SeriesRules, SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { rulesOf } from './epoch-scenarios.ts'
import { backupAt, kept } from './histories.ts'
import { epochIdFor, namesIn, Simulator } from './simulator.ts'
import { backupOf, executed, situationOf, snapshotOf } from './situations.ts'

const now = new Date('2026-11-22T09:30:00.000Z')
const hour = 3_600_000
const day = 24 * hour

const ruleLists: readonly (readonly RuleSet[])[] = [
  [rulesOf('a *m'), rulesOf('b<a 30d')],
  [rulesOf('b<a 7d', { shape: 'tree' }), rulesOf('a 3m', { shape: 'tree' })],
  [rulesOf('c<b 24h', { maxChain: 3 }), rulesOf('b<a 7d'), rulesOf('a 2m')],
  [rulesOf('a 2m'), rulesOf('b 7d'), rulesOf('<b 24h last 2')],
  [rulesOf('a<c 3w'), rulesOf('b<a 24h', { fullEvery: { unit: 'w', count: 1 }, shape: 'tree' })],
  [rulesOf('a 2m', { minAgeMs: 3 * day }), rulesOf('b<a', { shape: 'tree' })],
  [rulesOf('a<b 30d')],
  [rulesOf(' 30d')],
]
const anyRules = fc.constantFrom(...ruleLists)
const anyEpoch = fc.constantFrom('', 'a', 'b', 'c', 'd')

const anySeries: fc.Arbitrary<SeriesRules> = fc
  .record({
    made: fc.array(fc.record({ hours: fc.nat(2000), back: fc.nat(4), epoch: anyEpoch }), {
      maxLength: 14,
    }),
    inOrder: fc.boolean(),
    ruleSets: anyRules,
  })
  .map(({ made, inOrder, ruleSets }) => {
    const rows = inOrder ? made.toSorted((a, b) => b.hours - a.hours) : made
    const backups = rows.map(({ hours, back, epoch }, index): Backup => {
      const time = new Date(now.getTime() + 100 * hour - hours * hour).toISOString()
      const one = backupAt(index + 1, [time, back === 0 ? 0 : Math.max(0, index + 1 - back)])
      return epoch === ''
        ? one
        : { ...one, manifest: { ...one.manifest, epoch: epochIdFor(epoch) } }
    })
    return { backups, ruleSets, epochNames: namesIn(ruleSets) }
  })

describe('keepByRules(), whatever the epochs', () => {
  const at = { now, timeZone: 'Europe/Paris' }

  it('L3: keeps what a kept backup needs, of whatever epoch it is', () => {
    fc.assert(
      fc.property(anySeries, series => {
        const found = keepByRules(series, at)
        const going = found.filter(({ reasons }) => reasons.length === 0)
        const left = new Set(going.map(({ backup }) => backup))
        assert.equal(neededByAncestry(series.backups, left).size, 0)
      }),
      { numRuns: 5000 },
    )
  })

  it('does not depend on the order of backups or of rule sets', () => {
    fc.assert(
      fc.property(anySeries, series => {
        const turned = {
          ...series,
          backups: series.backups.toReversed(),
          ruleSets: series.ruleSets.toReversed(),
        }
        assert.deepEqual(kept(keepByRules(turned, at)), kept(keepByRules(series, at)))
      }),
      { numRuns: 5000 },
    )
  })

  it('never keeps less for another rule set, once there are several', () => {
    fc.assert(
      fc.property(anySeries, series => {
        if (series.ruleSets.length === 1) return
        const ruleSets = [...series.ruleSets, rulesOf('d 5d')]
        const unnamed = kept(keepByRules(series, at))
        const named = { ...series, ruleSets, epochNames: namesIn(ruleSets) }
        const found = keepByRules(named, at)
        // What is of the epoch that is named now is judged by its own rules; of all others no less.
        const others = found.filter(({ backup }) => backup.manifest.epoch !== epochIdFor('d'))
        const isOther = new Set(others.map(({ backup }) => backup.manifest.seq))
        const neededByD = keepByRules(series, at).filter(({ reasons }) =>
          reasons.every(({ kind }) => kind === 'needed'),
        )
        const free = new Set(neededByD.map(({ backup }) => backup.manifest.seq))
        for (const seq of unnamed.filter(one => isOther.has(one) && !free.has(one))) {
          assert.ok(kept(found).includes(seq), `${seq}`)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('keeps the newest of each epoch, and all of an epoch that no rules speak of', () => {
    fc.assert(
      fc.property(anySeries, series => {
        if (series.ruleSets.length === 1) return
        const found = new Set(kept(keepByRules(series, at)))
        for (const { epoch } of series.ruleSets) {
          const own = series.backups.filter(one => epochOf(one, series.epochNames) === epoch)
          const newest = own.at(-1)?.manifest.seq
          assert.ok(newest === undefined || found.has(newest))
        }
        for (const backup of series.backups) {
          const epoch = epochOf(backup, series.epochNames)
          if (!series.ruleSets.some(rules => rules.epoch === epoch)) {
            assert.ok(found.has(backup.manifest.seq))
          }
        }
      }),
      { numRuns: 2000 },
    )
  })
})

const numbers = fc.integer({ min: 1, max: 9 })

/** Snapshots a third of a day apart, the newest some hours ago; each held by any of the epochs. */
const anySituation: fc.Arbitrary<SourceSituation> = fc
  .record({
    snapshots: fc.uniqueArray(numbers, { maxLength: 7 }),
    held: fc.array(fc.record({ n: numbers, epoch: anyEpoch, back: fc.nat(3) }), { maxLength: 8 }),
    unfinished: fc.option(fc.record({ n: numbers, epoch: anyEpoch })),
    ruleSets: anyRules,
    isChanged: fc.boolean(),
  })
  .map(({ snapshots, held, unfinished, ruleSets, isChanged }) => {
    const timeOf = (n: number) => new Date(now.getTime() - (10 - n) * 8 * hour)
    const once = held.filter(
      (one, at) => held.findIndex(({ n, epoch }) => n === one.n && epoch === one.epoch) === at,
    )
    const backups = once.map(({ n, epoch, back }, index): Backup => {
      const seq = index + 1
      const one = backupOf(seq, uuidOf(n), back === 0 || seq - back < 1 ? null : seq - back)
      const facts = { createdAt: timeOf(n), generation: 10 * n }
      const snapshot = { ...one.manifest.snapshot, ...facts }
      const named = epoch === '' ? {} : { epoch: epochIdFor(epoch) }
      return { ...one, manifest: { ...one.manifest, ...named, snapshot } }
    })
    const remote = {
      remote: 'aws',
      backups,
      unfinished: unfinished === null ? undefined : uuidOf(unfinished.n),
      ...(unfinished &&
        unfinished.epoch !== '' && { unfinishedEpoch: epochIdFor(unfinished.epoch) }),
      ruleSets,
      epochNames: namesIn(ruleSets),
    }
    return situationOf({
      snapshots: snapshots.map(n => snapshotOf(n, { createdAt: timeOf(n) })),
      remotes: [remote],
      ...(isChanged && { generation: 999 }),
    })
  })

describe('planBackup(), whatever the epochs', () => {
  it('does not depend on the order in which anything is told', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const turned = {
          ...situation,
          snapshots: situation.snapshots.toReversed(),
          remotes: situation.remotes.map(one => ({ ...one, backups: one.backups.toReversed() })),
        }
        assert.deepEqual(planBackup(turned, now), planBackup(situation, now))
      }),
      { numRuns: 2000 },
    )
  })

  it('L3: names only parents that are there or sent before, in the line of the epoch', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const [remote] = situation.remotes
        assert.ok(remote)
        const steps: readonly Step[] = planBackup(situation, now).steps
        const sent: { readonly epoch: string | null; readonly snapshot: unknown }[] = []
        for (const step of steps) {
          if (step.kind !== 'send') continue
          const rules: RuleSet | undefined = remote.ruleSets.find(
            ({ epoch }) => epoch === (step.epoch ?? null),
          )
          assert.ok(rules)
          const line = lineOf(rules, remote.ruleSets)
          for (const { seq, snapshot } of step.parents) {
            const found: Backup | undefined = remote.backups.find(
              ({ manifest }) => manifest.seq === seq,
            )
            const of: EpochName = found
              ? epochOf(found, remote.epochNames)
              : sent.find(one => one.snapshot === snapshot && line.includes(one.epoch))?.epoch
            assert.ok(of !== undefined && line.includes(of), `${seq} of ${of}`)
            assert.ok(situation.snapshots.some(one => one.uuid === snapshot && one.readOnly))
          }
          sent.push({ epoch: rules.epoch, snapshot: step.snapshot })
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('sends no snapshot twice along a line', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const ruleSets = situation.remotes[0]?.ruleSets ?? []
        const sends = planBackup(situation, now).steps.filter(step => step.kind === 'send')
        for (const [index, step] of sends.entries()) {
          const rules = ruleSets.find(({ epoch }) => epoch === (step.epoch ?? null))
          const line = rules ? lineOf(rules, ruleSets) : []
          const twins = sends.filter(
            (other, at) =>
              at !== index &&
              other.snapshot === step.snapshot &&
              other.reason !== 'unfinished' &&
              step.reason !== 'unfinished' &&
              line.includes(other.epoch ?? null),
          )
          assert.deepEqual(twins, [])
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('has nothing left to do once it was carried out, and releases what it said', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const plan = planBackup(situation, now)
        const after = executed(situation, plan)
        const spanned = situation.remotes[0]?.ruleSets.every(
          ({ policy }) => policy.keep.spans.length > 0,
        )
        const left = planBackup(after, now).steps
        assert.deepEqual(spanned ? left : left.filter(step => step.kind !== 'send'), [])
        assert.deepEqual(releasableSnapshots(after, now), [])
        const expected = expectedReleases(situation, { steps: plan.steps, now })
        const there = new Set(after.snapshots.map(({ uuid }) => uuid))
        const gone = situation.snapshots.filter(({ uuid }) => !there.has(uuid))
        assert.deepEqual(
          expected.map(({ snapshot }) => snapshot).sort(),
          gone.map(({ uuid }) => uuid).sort(),
        )
      }),
      { numRuns: 2000 },
    )
  })
})

const monthly = rulesOf('monthly 12m', { fullEvery: { unit: 'y', count: 1 } })
const daily = rulesOf('daily<monthly 30d')

describe('a year of monthly and daily backups, with a timer every hour', () => {
  const world = new Simulator({ aws: [monthly, daily] }, 'Europe/Paris')
  const from = Date.parse('2025-11-10T00:30Z')
  const to = from + 366 * day
  for (let at = from; at <= to; at += 3 * hour) {
    world.run(new Date(at), { changed: true, forget: true })
  }
  const at = { now: new Date(to), timeZone: 'Europe/Paris' }
  const months = world
    .backups('aws')
    .filter((_, index) => world.epochs('aws')[index] === 'monthly')
    .map(({ manifest }) => manifest)
  const days = world
    .backups('aws')
    .filter((_, index) => world.epochs('aws')[index] === 'daily')
    .map(({ manifest }) => manifest)

  it('ends with a backup of each of 12 months and of each of 30 days', () => {
    const dates = (time: Date, length: number) =>
      Temporal.Instant.fromEpochMilliseconds(time.getTime())
        .toZonedDateTimeISO('Europe/Paris')
        .toPlainDate()
        .toString()
        .slice(0, length)
    const ofMonths = new Set(months.map(({ snapshot }) => dates(snapshot.createdAt, 7)))
    // The full that the year began with is needed by those of its year.
    assert.equal(ofMonths.size, 13)
    const all = [...months, ...days].map(({ snapshot }) => snapshot.createdAt)
    const ofDays = new Set(all.map(time => dates(time, 10)))
    for (let back = 0; back < 30; back += 1) {
      assert.ok(ofDays.has(dates(new Date(to - back * day), 10)), `${back} days ago`)
    }
  })

  it('has one full a year, and every daily chain grows from the monthly backup before it', () => {
    const fulls = world.backups('aws').filter(({ manifest }) => manifest.parent === null)
    assert.ok(fulls.length <= 2 && fulls.every(({ manifest }) => months.includes(manifest)))
    const bySeq = new Map(world.backups('aws').map(({ manifest }) => [manifest.seq, manifest]))
    for (const one of days) {
      const parent = bySeq.get(one.parent?.seq ?? 0)
      assert.ok(parent)
      const newestMonth = months.findLast(({ seq }) => seq < one.seq)
      assert.ok(newestMonth && parent.seq >= newestMonth.seq, `${one.seq} from ${parent.seq}`)
    }
    for (const one of months)
      assert.ok(one.parent === null || months.includes(bySeq.get(one.parent.seq) as never))
  })

  it('has forgotten the daily chains of earlier months, and nothing that is needed', () => {
    assert.ok(days.length <= 62, `${days.length}`)
    assert.equal(kept(keepByRules(world.series('aws'), at)).length, world.backups('aws').length)
  })

  it('holds two snapshots here, and one more while it works', () => {
    assert.ok(world.mostSnapshots <= 3, `${world.mostSnapshots}`)
  })
})

describe('epochs on a timer', () => {
  it('--now makes a backup of the epoch from which no other branches', () => {
    const world = new Simulator({ aws: [monthly, daily] }, 'UTC')
    const begun = Date.parse('2026-11-10T00:30Z')
    world.run(new Date(begun), { changed: true })
    for (let n = 1; n <= 3; n += 1) {
      world.run(new Date(begun + n * hour), { changed: true, regardless: true })
    }
    assert.deepEqual(world.epochs('aws'), ['monthly', 'daily', 'daily', 'daily'])
    assert.deepEqual(world.parents('aws'), [0, 1, 2, 3])
  })

  it('a remote that was away gets what it lacks, for the epochs that lack it', () => {
    const world = new Simulator({ aws: [monthly, daily], usb: [rulesOf(' 7d')] }, 'UTC')
    const begun = Date.parse('2026-10-30T00:30Z')
    for (let n = 0; n < 6; n += 1) {
      const away = n === 2 || n === 3 ? ['aws'] : []
      world.run(new Date(begun + n * day), { changed: true, away })
    }
    assert.deepEqual(world.epochs('aws'), [
      'monthly',
      'daily',
      'monthly',
      'daily',
      'daily',
      'daily',
    ])
    assert.deepEqual(world.parents('aws'), [0, 1, 1, 3, 4, 5])
  })

  it('a single rule set that changes its name begins in full, or from the former epoch', () => {
    const world = new Simulator({ aws: [rulesOf('2026 30d')] }, 'UTC')
    const begun = Date.parse('2026-12-30T00:30Z')
    for (const n of [0, 1]) world.run(new Date(begun + n * day), { changed: true })
    world.change('aws', [rulesOf('2027<2026 30d')])
    for (const n of [2, 3]) world.run(new Date(begun + n * day), { changed: true, forget: true })
    assert.deepEqual(world.parents('aws'), [0, 1, 2, 3])
    world.change('aws', [rulesOf('again 30d')])
    world.run(new Date(begun + 4 * day), { changed: true, forget: true })
    assert.equal(world.parents('aws').filter(parent => parent === 0).length, 2)
    assert.equal(world.epochs('aws').at(-1), 'again')
  })
})
