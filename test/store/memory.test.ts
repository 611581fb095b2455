import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryStore } from '../../src/store/memory.ts'
import { objectOf } from '../support/objects.ts'
import { storeKeepsItsContract } from './contract.ts'

storeKeepsItsContract('the memory store', async () => new MemoryStore())

describe('MemoryStore', () => {
  it('clone() has the same objects and goes its own way', async () => {
    const store = new MemoryStore()
    await store.put('a', objectOf('a'))
    const copy = store.clone()
    await copy.put('b', objectOf('b'))
    await store.delete('a')
    assert.deepEqual([...copy.objects.keys()], ['a', 'b'])
    assert.deepEqual([...store.objects.keys()], [])
  })

  it('clock() answers what it was given', async () => {
    assert.equal(await new MemoryStore({ now: () => 42 }).clock(), 42)
    assert.equal(await new MemoryStore().clock(), undefined)
  })
})
