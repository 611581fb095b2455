import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochId, SourceName } from '../../src/model/ids.ts'
import type { Step } from '../../src/model/plan.ts'
import { keepEverything, type Policy, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import { type DeletionPlace, expectedDeletions, tombstoneFor } from '../../src/plan/deletions.ts'
import { planForget } from '../../src/plan/forget.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { situationAfter } from '../../src/plan/outcome.ts'
import { planBackup } from '../../src/plan/plan-backup.ts'
import { timesToGo } from '../../src/plan/prune.ts'
import type { SourceSituation } from '../../src/plan/situation.ts'
import { backupAt, type Made } from './histories.ts'
import { situationOf } from './situations.ts'

const day = 86_400_000
const now = new Date('2026-11-21T09:30:00Z')
const nothingHidden: DeletionPlace = {
  remote: 'nas',
  hidden: [],
  tombstones: [],
  graceMs: 7 * day,
  maxDelete: { percent: 100 },
}

function policyOf(keep: string): Policy {
  const rule = parseKeepRule(keep)
  assert.ok(rule)
  return { ...keepEverything, keep: rule }
}

function situationWith(keep: string, made: readonly Made[]): SourceSituation {
  const backups = made.map((one, index) => backupAt(index + 1, one))
  const ruleSets = [soleRuleSet(policyOf(keep))]
  const epochNames = new Map<EpochId, string>()
  const remote = { remote: 'nas', backups, unfinished: undefined, ruleSets, epochNames }
  return situationOf({ remotes: [remote], generation: 99 })
}

function deletions(situation: SourceSituation, place = nothingHidden, steps: readonly Step[] = []) {
  return expectedDeletions(situation, [place], { steps, now })
}

describe('what would be forgotten', () => {
  test('has a reason for each part of the rule that does not keep it', () => {
    const situation = situationWith('2d 3h last 1', [
      ['2026-11-18T10:00Z', 0],
      ['2026-11-20T10:00Z', 0],
      ['2026-11-20T11:00Z', 0],
      ['2026-11-21T09:00Z', 0],
    ])
    const steps = deletions(situation)
    assert.deepEqual(
      steps.map(step => [step.kind, step.seq, step.kind === 'forget' && step.drops]),
      [
        [
          'forget',
          1,
          [
            { kind: 'before', unit: 'd', count: 2, startMs: Date.parse('2026-11-20T00:00Z') },
            { kind: 'before', unit: 'h', count: 3, startMs: Date.parse('2026-11-21T07:00Z') },
            { kind: 'not-last', count: 1 },
          ],
        ],
        [
          'forget',
          3,
          [
            { kind: 'not-first', unit: 'd', startMs: Date.parse('2026-11-20T00:00Z'), first: 2 },
            { kind: 'before', unit: 'h', count: 3, startMs: Date.parse('2026-11-21T07:00Z') },
            { kind: 'not-last', count: 1 },
          ],
        ],
      ],
    )
    assert.deepEqual(steps[0]?.kind === 'forget' && steps[0].notBefore, new Date(+now + 7 * day))
  })

  test('counts the backup that the run makes itself', () => {
    const situation = situationWith('last 2', [
      ['2026-11-19T10:00Z', 0],
      ['2026-11-20T10:00Z', 0],
    ])
    assert.deepEqual(deletions(situation), [])
    const { steps } = planBackup(situation, now)
    assert.deepEqual(
      deletions(situation, nothingHidden, steps).map(({ kind, seq }) => [kind, seq]),
      [['forget', 1]],
    )
  })

  test('is what forget decides when the run is done', () => {
    const made = Array.from(
      { length: 20 },
      (_, n): Made => [new Date(+now - (40 - 2 * n) * day).toISOString(), n % 4 === 0 ? 0 : n],
    )
    const situation = situationWith('2m 5d', made)
    const place = { ...nothingHidden, maxDelete: { percent: 20 } }
    const { steps } = planBackup(situation, now)
    const after = situationAfter(situation, { steps, now }).remotes[0]
    assert.ok(after)
    const kept = keepByRules(after, { now, timeZone: 'UTC' })
    assert.deepEqual(
      deletions(situation, place, steps).map(({ seq }) => seq),
      planForget(kept, { ...place, now }).forgotten.map(({ manifest }) => manifest.seq),
    )
  })

  test('is nothing where no rule is written', () => {
    assert.deepEqual(deletions(situationWith('*', [['2020-01-01T00:00Z', 0]])), [])
  })
})

describe('what would be pruned', () => {
  const hide = (seq: number, parent: number, notBefore: number) => {
    const backup = backupAt(seq, ['2026-10-01T00:00Z', parent])
    const times = { createdAt: new Date(notBefore - 7 * day), notBefore: new Date(notBefore) }
    return { backup, tombstone: tombstoneFor(backup, { ...times, program: '' }) }
  }
  const placeWith = (hidden: ReturnType<typeof hide>[], changes: Partial<DeletionPlace> = {}) => ({
    ...nothingHidden,
    hidden,
    tombstones: hidden.map(({ tombstone }) => tombstone),
    ...changes,
  })
  const live = situationWith('last 9', [['2026-11-21T00:00Z', 0]])

  test('is hidden long enough, newest first, and says since when', () => {
    const hidden = [hide(2, 0, +now), hide(3, 2, +now - 1), hide(4, 0, +now + 1)]
    const steps = deletions(live, placeWith(hidden))
    assert.deepEqual(
      steps.map(step => [step.kind, step.seq, step.kind === 'prune' && step.hiddenAt]),
      [
        ['prune', 3, new Date(+now - 1 - 7 * day)],
        ['prune', 2, new Date(+now - 7 * day)],
      ],
    )
  })

  test('is nothing that a hidden one needs which waits', () => {
    assert.deepEqual(deletions(live, placeWith([hide(2, 0, +now - 1), hide(3, 2, +now + 1)])), [])
  })

  test('is never told for a time at which a hidden one still needs it', () => {
    const chain = [hide(2, 0, +now), hide(3, 2, +now + 5 * day), hide(4, 3, +now + day)]
    const other = hide(5, 2, +now + 9 * day)
    const daysOf = (hidden: ReturnType<typeof hide>[]) => {
      const times = timesToGo(hidden)
      return hidden.map(({ backup }) => (Number(times.get(backup)) - +now) / day)
    }
    assert.deepEqual(daysOf(chain), [5, 5, 1])
    assert.deepEqual(daysOf([...chain, other]), [9, 5, 1, 9])
    assert.deepEqual(daysOf([other, ...chain.toReversed()]), [9, 1, 5, 9])
  })

  test('is at once what is forgotten without grace', () => {
    const situation = situationWith('', [
      ['2026-11-19T10:00Z', 0],
      ['2026-11-20T10:00Z', 0],
    ])
    assert.deepEqual(
      deletions(situation, { ...nothingHidden, graceMs: 0 }).map(({ kind, seq }) => [kind, seq]),
      [
        ['forget', 1],
        ['prune', 1],
      ],
    )
  })
})

test('situationAfter() has the snapshot, its backup and its chain, and the source stands still', () => {
  const situation = situationWith('*', [])
  const first = planBackup(situation, now)
  const once = situationAfter(situation, { steps: first.steps, now })
  assert.deepEqual(planBackup(once, now).steps, [])
  const later = new Date(+now + day)
  const changed = { ...once, subvolume: { ...once.subvolume, generation: 2000 } }
  const twice = situationAfter(changed, { steps: planBackup(changed, later).steps, now: later })
  assert.deepEqual(
    twice.remotes[0]?.backups.map(({ manifest }) => [manifest.seq, manifest.parent?.seq]),
    [
      [1, undefined],
      [2, 1],
    ],
  )
  assert.equal(twice.name, 'home' as SourceName)
})
