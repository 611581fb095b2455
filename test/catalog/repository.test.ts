import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import {
  createRepository,
  getIfPresent,
  hashed,
  keepGuideCurrent,
  openRepository,
} from '../../src/catalog/repository.ts'
import { repositoryKey, restoreGuideKey } from '../../src/format/object-key.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { repositoryId } from '../format/samples.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'

const document = { id: repositoryId, createdAt: new Date('2026-11-21T09:30:00.000Z') }
const otherId = '0'.repeat(32) as typeof repositoryId

describe('createRepository() and openRepository()', () => {
  it('open what was created, and nothing else', async () => {
    const store = new MemoryStore()
    await createRepository(store, document)
    assert.equal((await openRepository(store)).id, repositoryId)
    assert.equal((await openRepository(store, { expect: repositoryId })).id, repositoryId)
    const opening = openRepository(store, { expect: otherId })
    await assert.rejects(opening, error => isFailure(error, 'refused'))
  })

  it('L5: never make a repository of one that is there', async () => {
    const store = new MemoryStore()
    await createRepository(store, document)
    const again = createRepository(store, { ...document, id: otherId })
    await assert.rejects(again, error => isFailure(error, 'object-exists'))
    assert.equal((await openRepository(store)).id, repositoryId)
  })

  it('L9: say that no repository is there only when the store says so', async () => {
    const opening = openRepository(new MemoryStore())
    await assert.rejects(opening, error => isFailure(error, 'repository-missing'))
    // Whoever knew one there must not be told to make another.
    await assert.rejects(openRepository(new MemoryStore(), { expect: repositoryId }), {
      code: 'repository-missing',
      message: /was there before and is gone/,
      hint: /somebody deleted it/,
    })
    const faulty = new FaultyStore(new MemoryStore(), { onCall: () => ({ kind: 'fail-before' }) })
    await assert.rejects(openRepository(faulty), error => isFailure(error, 'store-unavailable'))
  })

  it('refuse a repository that is damaged or of a later version', async () => {
    for (const [content, code] of [
      ['', 'corrupt'],
      ['{}', 'corrupt'],
      ['{"format":"btrvault-repository","version":2}', 'refused'],
    ] as const) {
      const store = new MemoryStore()
      await store.put(repositoryKey, objectOf(content))
      await assert.rejects(openRepository(store), error => isFailure(error, code))
    }
  })
})

describe('keepGuideCurrent()', () => {
  it('writes the guide when it is missing or of another version, and else nothing', async () => {
    const store = new FaultyStore(new MemoryStore())
    assert.equal(await keepGuideCurrent(store, 'first'), true)
    assert.equal(await keepGuideCurrent(store, 'first'), false)
    assert.equal(await keepGuideCurrent(store, 'second'), true)
    assert.equal(store.count('put'), 2)
    assert.equal(Buffer.from(await store.get(restoreGuideKey)).toString(), 'second')
  })

  it('L9: does not take a failed read for a missing guide', async () => {
    const store = new FaultyStore(new MemoryStore(), {
      onCall: ({ operation }) => (operation === 'get' ? { kind: 'fail-before' } : undefined),
    })
    await assert.rejects(keepGuideCurrent(store, 'x'), error =>
      isFailure(error, 'store-unavailable'),
    )
    assert.equal(store.count('put'), 0)
  })
})

describe('getIfPresent()', () => {
  it('L9: is undefined only for what is not there', async () => {
    const store = new MemoryStore()
    assert.equal(await getIfPresent(store, 'a'), undefined)
    await store.put('a', hashed(new Uint8Array(3)))
    assert.equal((await getIfPresent(store, 'a'))?.length, 3)
    const faulty = new FaultyStore(store, { onCall: () => ({ kind: 'fail-before' }) })
    await assert.rejects(getIfPresent(faulty, 'b'), error => isFailure(error, 'store-unavailable'))
  })
})
