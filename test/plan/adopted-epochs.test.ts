// Snapshots that others make, sent for several epochs: what must hold of any.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { SendStep } from '../../src/model/plan.ts'
import type { RuleSet } from '../../src/model/policy.ts'
import { lineOf } from '../../src/plan/epochs.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { situationAfter } from '../../src/plan/outcome.ts'
import { planBackup } from '../../src/plan/plan-backup.ts'
import type { RemoteSituation, SourceSituation } from '../../src/plan/situation.ts'
import { rulesOf } from './epoch-scenarios.ts'
import { epochIdFor, namesIn } from './simulator.ts'
import { remoteOf, situationOf, snapshotOf } from './situations.ts'

const now = new Date('2026-11-22T09:30:00.000Z')
const hour = 3_600_000

const ruleLists: readonly (readonly RuleSet[])[] = [
  [rulesOf('a *m'), rulesOf('b<a 30d')],
  [rulesOf('b<a 7d', { shape: 'tree' }), rulesOf('a 3m', { shape: 'tree' })],
  [rulesOf('c<b 24h', { maxChain: 3 }), rulesOf('b<a 7d'), rulesOf('a 2m')],
  [rulesOf('a 2m'), rulesOf('b 7d'), rulesOf('<b 24h last 2')],
  [rulesOf('a 3m'), rulesOf('b<a last 3')],
  [rulesOf('a 3m'), rulesOf('b<a *')],
  [rulesOf('a 3m'), rulesOf('b *')],
]

/** Snapshots of the last three months, of which some were sent by an earlier run of other rules. */
const anySituation: fc.Arbitrary<SourceSituation> = fc
  .record({
    hours: fc.uniqueArray(fc.nat(2200), { maxLength: 10 }),
    inOrder: fc.boolean(),
    ruleSets: fc.constantFrom(...ruleLists),
    earlier: fc.option(fc.constantFrom(...ruleLists)),
    gone: fc.array(fc.nat(9), { maxLength: 3 }),
  })
  .map(({ hours, inOrder, ruleSets, earlier, gone }) => {
    const times = inOrder ? hours.toSorted((a, b) => b - a) : hours
    const snapshots = times.map((ago, index) =>
      snapshotOf(index + 1, { createdAt: new Date(now.getTime() - ago * hour) }),
    )
    const empty = situationWith(snapshots, { ...remoteOf('aws', []), ...named(ruleSets) })
    if (earlier === null) return empty
    const first = situationWith(snapshots.slice(0, 6), {
      ...remoteOf('aws', []),
      ...named(earlier),
    })
    const remote = situationAfter(first, { steps: planBackup(first, now).steps, now }).remotes[0]
    const left = snapshots.filter((_, index) => !gone.includes(index))
    return remote ? situationWith(left, { ...remote, ...named(ruleSets) }) : empty
  })

function named(ruleSets: readonly RuleSet[]): Pick<RemoteSituation, 'ruleSets' | 'epochNames'> {
  return { ruleSets, epochNames: namesIn(ruleSets) }
}

function situationWith(
  snapshots: SourceSituation['snapshots'],
  remote: RemoteSituation,
): SourceSituation {
  return situationOf({ snapshots, remotes: [remote], skipped: [], generation: 9999 })
}

function sendsOf(situation: SourceSituation): readonly SendStep[] {
  return planBackup(situation, now).steps.map(step => {
    assert.equal(step.kind, 'send', 'L11: nothing is made here, and nothing deleted')
    return step
  })
}

/** Epoch and snapshot of every backup. */
function heldBy({ remotes }: SourceSituation): string[] {
  return remotes.flatMap(({ backups }) =>
    backups.map(({ manifest: { epoch, snapshot } }) => `${epoch ?? ''} ${snapshot.uuid}`),
  )
}

function heldAs(epoch: string | null, snapshot: string | null): string {
  return `${epoch === null ? '' : epochIdFor(epoch)} ${snapshot}`
}

const runs = { numRuns: 1500 }
const usable = (one: SourceSituation) => one.snapshots.length > 0

describe('snapshots that others make, for several epochs', () => {
  it('go up oldest first, and none twice along a line', () => {
    const property = fc.property(anySituation.filter(usable), situation => {
      const [remote] = situation.remotes
      assert.ok(remote)
      const sends = sendsOf(situation)
      const order = sends.map(({ snapshot }) =>
        situation.snapshots.findIndex(({ uuid }) => uuid === snapshot),
      )
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      )
      const after = heldBy(situationAfter(situation, { steps: sends, now }))
      assert.equal(new Set(after).size, after.length)
      for (const { epoch, snapshot } of sends) {
        const rules: RuleSet | undefined = remote.ruleSets.find(
          one => one.epoch === (epoch ?? null),
        )
        assert.ok(rules)
        const there = new Set(after)
        const above = lineOf(rules, remote.ruleSets).slice(1)
        assert.deepEqual(
          above.filter(name => there.has(heldAs(name, snapshot))),
          [],
          'it counts for this epoch by the one that it branches from',
        )
      }
    })
    fc.assert(property, runs)
  })

  it('are there after one run, and the same ones when it was cut anywhere', () => {
    const property = fc.property(anySituation.filter(usable), fc.nat(12), (situation, done) => {
      const steps = sendsOf(situation)
      const whole = situationAfter(situation, { steps, now })
      assert.deepEqual(sendsOf(whole), [])
      const cut = situationAfter(situation, { steps: steps.slice(0, done), now })
      const gone = situationAfter(cut, { steps: sendsOf(cut), now })
      assert.deepEqual(heldBy(gone).sort(), heldBy(whole).sort())
    })
    fc.assert(property, runs)
  })

  it('are not sent again when the rules have forgotten them', () => {
    const isFirst = ({ remotes }: SourceSituation) => remotes[0]?.backups.length === 0
    const fresh = anySituation.filter(one => usable(one) && isFirst(one))
    const property = fc.property(fresh, situation => {
      const after = situationAfter(situation, { steps: sendsOf(situation), now })
      const remotes = after.remotes.map(remote => {
        const judged = keepByRules(remote, { now, timeZone: after.timeZone })
        const stays = judged.filter(({ reasons }) => reasons.length > 0)
        return { ...remote, backups: stays.map(({ backup }) => backup) }
      })
      assert.deepEqual(sendsOf({ ...after, remotes }), [])
    })
    fc.assert(property, runs)
  })

  it('--now sends the newest for the epoch from which no other branches, and not again', () => {
    const [october, yesterday, today] = ['10-01', '11-21', '11-22'].map((date, index) =>
      snapshotOf(index + 1, { createdAt: new Date(`2026-${date}T01:00Z`) }),
    )
    const lastHour = snapshotOf(4, { createdAt: new Date('2026-11-22T09:00Z') })
    assert.ok(october && yesterday && today)
    const ruleSets = [rulesOf('monthly 12m'), rulesOf('daily<monthly 30d')]
    const remote = { ...remoteOf('aws', []), ...named(ruleSets) }
    const empty = situationWith([october, yesterday, today, lastHour], remote)
    const sent = situationAfter(empty, { steps: sendsOf(empty), now })
    const asked = (one: SourceSituation) =>
      planBackup(one, now, { regardless: true }).steps.map(step =>
        step.kind === 'send' ? [step.epoch, step.name] : [],
      )
    assert.deepEqual(asked(sent), [['daily', 'home.4']])
    const { steps } = planBackup(sent, now, { regardless: true })
    assert.deepEqual(asked(situationAfter(sent, { steps, now })), [])
  })
})
