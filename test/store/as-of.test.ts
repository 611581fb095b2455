import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { asOf } from '../../src/store/as-of.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { objectOf } from '../support/objects.ts'
import { code, listAll } from './contract.ts'

describe('a store as of a time', () => {
  it('has what was there then, whatever was deleted or written over since', async () => {
    const clock = new FakeClock(1_000_000)
    const store = new MemoryStore({ now: () => clock.now(), locks: { mayLift: false } })
    await store.put('a', objectOf('first'))
    await store.put('b', objectOf('kept'))
    await store.put('c', objectOf('gone by then'))
    await store.delete('c')
    clock.advance(1000)
    const then = new Date(clock.now())
    clock.advance(1000)
    await store.put('a', objectOf('written over'), { replace: true })
    await store.delete('b')
    await store.put('c', objectOf('again'))
    await store.put('d', objectOf('later'))

    const past = asOf(store, then)
    assert.deepEqual(await listAll(past, ''), [
      { key: 'a', bytes: 5 },
      { key: 'b', bytes: 4 },
    ])
    assert.deepEqual(await listAll(past, '', { after: 'a' }), [{ key: 'b', bytes: 4 }])
    assert.deepEqual(await past.get('a'), objectOf('first').bytes)
    assert.equal(await past.size('b'), 4)
    const fresh = asOf(store, then)
    assert.deepEqual(await fresh.get('b', { range: { start: 1, end: 3 } }), objectOf('ep').bytes)
    for (const key of ['c', 'd', 'e']) await assert.rejects(past.get(key), code('object-missing'))
    await assert.rejects(past.put('e', objectOf('e')), code('refused'))
    await assert.rejects(past.delete('a'), code('refused'))
    assert.deepEqual(await store.get('a'), objectOf('written over').bytes)
  })

  it('is refused where no versions are kept', async () => {
    const past = asOf(new MemoryStore(), new Date())
    await assert.rejects(past.get('a'), code('refused'))
    await assert.rejects(listAll(past, ''), code('refused'))
  })
})
