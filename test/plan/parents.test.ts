import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kindOf, parentCandidates } from '../../src/plan/parents.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { backupOf, snapshotOf, sourceUuid } from './situations.ts'

const seqsOf = (candidates: ReturnType<typeof parentCandidates>) =>
  candidates.map(({ backup }) => backup.manifest.seq)

describe('parentCandidates()', () => {
  const backups = [1, 2, 3].map(n => backupOf(n, uuidOf(n)))

  it('L3: takes only what is committed there and read-only here, the newest first', () => {
    const snapshots = [
      snapshotOf(1),
      snapshotOf(2, { readOnly: false }),
      snapshotOf(3),
      snapshotOf(4),
    ]
    assert.deepEqual(seqsOf(parentCandidates(backups, snapshots, sourceUuid)), [3, 1])
    assert.deepEqual(parentCandidates([], snapshots, sourceUuid), [])
    assert.deepEqual(parentCandidates(backups, [], sourceUuid), [])
  })

  it('goes by uuid alone, whatever names and dates say', () => {
    const impostor = snapshotOf(9, {
      name: 'home.3',
      path: snapshotOf(3).path,
      createdAt: snapshotOf(3).createdAt,
    })
    assert.deepEqual(parentCandidates(backups, [impostor], sourceUuid), [])
    const renamed = snapshotOf(3, {
      name: 'other',
      createdAt: new Date(0),
      generation: 1,
      creationGeneration: 1,
    })
    assert.deepEqual(
      seqsOf(parentCandidates(backups, [renamed, snapshotOf(1)], sourceUuid)),
      [3, 1],
    )
  })

  it('takes no snapshot of another subvolume', () => {
    const foreign = snapshotOf(3, { sourceUuid: uuidOf(0xeee) })
    assert.deepEqual(seqsOf(parentCandidates(backups, [foreign, snapshotOf(2)], sourceUuid)), [2])
    assert.deepEqual(
      seqsOf(parentCandidates(backups, [snapshotOf(3, { sourceUuid: null })], null)),
      [3],
    )
  })
})

describe('kindOf()', () => {
  it('is computed from the parent alone', () => {
    assert.equal(kindOf(undefined), 'full')
    assert.equal(kindOf(backupOf(1, uuidOf(1))), 'differential')
    assert.equal(kindOf(backupOf(2, uuidOf(2))), 'incremental')
  })
})
