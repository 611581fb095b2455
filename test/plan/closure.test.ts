import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Failure, isFailure } from '../../src/base/failure.ts'
import type { Backup } from '../../src/model/backup.ts'
import type { MaxDelete } from '../../src/model/policy.ts'
import { neededByAncestry, neededByNumbers, neededOf } from '../../src/plan/closure.ts'
import { clockDoubt, mostAtOnce, planForget } from '../../src/plan/forget.ts'
import { backupAt } from './histories.ts'

const day = '2026-11-21T09:30:00.000Z'
const now = new Date('2026-12-21T09:30:00.000Z')

interface History {
  readonly backups: readonly Backup[]
  readonly going: ReadonlySet<Backup>
}

/** For each backup: how far back its parent lies (0: full), and whether it goes. */
const anyHistory: fc.Arbitrary<History> = fc
  .array(fc.tuple(fc.nat(6), fc.boolean()), { maxLength: 9 })
  .map(rows => {
    const backups = rows.map(([back], index) => {
      const parent = back === 0 ? 0 : Math.max(0, index + 1 - back)
      return backupAt(index + 1, [day, parent])
    })
    return { backups, going: new Set(backups.filter((_, index) => rows[index]?.[1])) }
  })

/** By trying: what goes is needed when the chain of some staying backup runs through it. */
function bruteForce({ backups, going }: History): Set<Backup> {
  const needed = new Set<Backup>()
  for (const staying of backups.filter(backup => !going.has(backup))) {
    let seq = staying.manifest.parent?.seq
    while (seq !== undefined) {
      const parent = backups[seq - 1]
      assert.ok(parent)
      if (going.has(parent)) needed.add(parent)
      seq = parent.manifest.parent?.seq
    }
  }
  return needed
}

describe('the closure of what stays', () => {
  it('L3: both checks find what trying finds, in any order of the list', () => {
    fc.assert(
      fc.property(anyHistory, fc.boolean(), (history, turned) => {
        const { going } = history
        const backups = turned ? history.backups.toReversed() : history.backups
        const expected = bruteForce(history)
        assert.deepEqual(neededByAncestry(backups, going), expected)
        assert.ok(neededByNumbers(backups, going).symmetricDifference(expected).size === 0)
      }),
      { numRuns: 50_000 },
    )
  })

  it('is in doubt when an ancestor of what stays is not there', () => {
    const backups = [1, 2, 3].map(seq => backupAt(seq, [day, seq - 1]))
    assert.throws(() => neededOf(backups.slice(1), new Set()), isRefusal)
  })

  it('is in doubt when hashes and numbers tell different stories', () => {
    const backups = [1, 2, 3].map(seq => backupAt(seq, [day, seq - 1]))
    const [first, second, third] = backups as [Backup, Backup, Backup]
    const parent = { ...(third.manifest.parent ?? assert.fail()), manifest: first.manifestSha256 }
    const crooked = { ...third, manifest: { ...third.manifest, parent } }
    assert.throws(() => neededOf([first, second, crooked], new Set([second])), isRefusal)
  })
})

describe('planForget()', () => {
  const seqs = (backups: readonly Backup[]) => backups.map(({ manifest }) => manifest.seq)
  const everything: MaxDelete = { percent: 100 }
  const plan = (parents: readonly number[], maxDelete: MaxDelete, keeps: readonly number[] = []) =>
    planForget(
      parents.map((parent, index) => ({
        backup: backupAt(index + 1, [day, parent]),
        reasons: keeps.includes(index + 1) ? [{ kind: 'newest' as const }] : [],
      })),
      { maxDelete, now },
    )

  it('never takes the newest chain, though the rules keep nothing of it', () => {
    assert.deepEqual(seqs(plan([0, 1, 2], everything).forgotten), [])
    assert.deepEqual(seqs(plan([0, 1, 0, 3], everything).forgotten), [2, 1])
  })

  it('takes the oldest first, children before parents, no more than allowed, and tells the rest', () => {
    const parents = [0, 1, 1, 0, 4, 4, 0, 0, 0, 0]
    const { forgotten, postponed } = plan(parents, { percent: 30 })
    assert.deepEqual(seqs(forgotten), [2, 3, 1])
    assert.deepEqual(seqs(postponed), [4, 5, 6, 7, 8, 9])
    assert.deepEqual(seqs(plan(parents, { count: 4 }).forgotten), [2, 3, 1, 5])
    assert.deepEqual(seqs(plan(parents, { count: 0 }).forgotten), [])
  })

  it('leaves alone what is dated after now, with its chain', () => {
    const future = backupAt(2, ['2027-01-01T00:00:00.000Z', 1])
    const kept = [backupAt(1, [day, 0]), future, backupAt(3, [day, 0])].map(backup => ({
      backup,
      reasons: [],
    }))
    assert.deepEqual(planForget(kept, { maxDelete: everything, now }).forgotten, [])
  })

  it('L3: whatever the rules keep, what is left is whole, after each step', () => {
    fc.assert(
      fc.property(anyHistory, fc.integer({ min: 1, max: 100 }), (history, percent) => {
        const { backups, going } = history
        const kept = backups.map(backup => ({
          backup,
          reasons: going.has(backup) ? [] : [{ kind: 'everything' as const }],
        }))
        const { forgotten } = planForget(kept, { maxDelete: { percent }, now })
        assert.ok(forgotten.length <= mostAtOnce(backups.length, { percent }))
        for (let step = 1; step <= forgotten.length; step += 1) {
          const gone = new Set(forgotten.slice(0, step))
          assert.equal(bruteForce({ backups, going: gone }).size, 0)
          assert.ok(gone.isSubsetOf(going))
        }
        assert.ok(backups.length === 0 || !forgotten.includes(backups.at(-1) ?? assert.fail()))
      }),
      { numRuns: 5000 },
    )
  })

  it('comes to an end: run after run, all that is not kept goes', () => {
    let left = Array.from({ length: 30 }, (_, index) => backupAt(index + 1, [day, index]))
    left.push(backupAt(31, [day, 0]))
    for (let run = 0; run < 40; run += 1) {
      const kept = left.map(backup => ({ backup, reasons: [] }))
      const { forgotten } = planForget(kept, { maxDelete: { percent: 20 }, now })
      left = left.filter(backup => !forgotten.includes(backup))
    }
    assert.deepEqual(seqs(left), [31])
  })
})

describe('clockDoubt()', () => {
  it('is there when the clocks are more than five minutes apart, either way', () => {
    assert.equal(clockDoubt(1_000_000, undefined), undefined)
    assert.equal(clockDoubt(1_000_000, 1_300_000), undefined)
    assert.ok(clockDoubt(1_000_000, 1_300_001) instanceof Failure)
    assert.ok(clockDoubt(1_300_001, 1_000_000) instanceof Failure)
  })
})

const isRefusal = (error: unknown) => isFailure(error, 'refused')
