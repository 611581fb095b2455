// The contract of locks as tests, for every store that has them, bare and wrapped.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ObjectLock, Store } from '../../src/store/store.ts'
import { objectOf } from '../support/objects.ts'
import { code } from './contract.ts'

export interface LockingStore {
  readonly store: Store
  readonly now: () => number
  readonly pass: (ms: number) => Promise<void>
}

/** `open` gives an empty store for each test; its credentials have the right to lift locks. */
export function storeKeepsLocks(name: string, open: () => Promise<LockingStore>): void {
  const test = (
    title: string,
    run: (place: LockingStore & { readonly lock: ObjectLock }) => Promise<void>,
  ) => {
    it(title, async () => {
      const place = await open()
      const { lock } = place.store
      assert.ok(lock)
      try {
        await run({ ...place, lock })
      } finally {
        await place.store.close()
      }
    })
  }
  const governance = (until: number) => ({ mode: 'governance', until: new Date(until) }) as const
  const second = (ms: number) => Math.ceil(ms / 1000) * 1000

  describe(`${name} keeps locks:`, () => {
    test('what is put with a lock can be read, and not be removed before its time', async place => {
      const { store, lock, now, pass } = place
      const until = second(now() + 3000)
      await store.put('a', objectOf('locked'), { retain: governance(until) })
      assert.deepEqual(await store.get('a'), objectOf('locked').bytes)
      assert.equal((await lock.retention({ key: 'a' }))?.until.getTime(), until)
      assert.equal((await lock.retention({ key: 'a' }))?.mode, 'governance')
      const [version] = await lock.versions('a')
      await assert.rejects(
        lock.remove({ key: 'a', version: version?.version }),
        code('store-refused'),
      )
      assert.equal((await lock.versions('a')).length, 1)
      await pass(until - now() + 2000)
      await lock.remove({ key: 'a', version: version?.version })
      assert.deepEqual(await lock.versions('a'), [])
      await assert.rejects(store.get('a'), code('object-missing'))
    })

    test('delete hides an object, and removing the marker shows it again', async place => {
      const { store, lock, now } = place
      await store.put('a', objectOf('one'), { retain: governance(second(now() + 60_000)) })
      await store.delete('a')
      await assert.rejects(store.get('a'), code('object-missing'))
      const versions = await lock.versions('')
      assert.deepEqual(
        versions.map(({ key, isMarker, isNewest, bytes }) => [key, isMarker, isNewest, bytes]),
        [
          ['a', true, true, 0],
          ['a', false, false, 3],
        ],
      )
      await lock.remove({ key: 'a', version: versions[0]?.version })
      assert.deepEqual(await store.get('a'), objectOf('one').bytes)
    })

    test('what is written over a locked object lies beside it', async ({ store, lock, now }) => {
      await store.put('a', objectOf('one'), { retain: governance(second(now() + 60_000)) })
      await store.put('a', objectOf('other'), { replace: true })
      const versions = await lock.versions('a')
      assert.deepEqual(
        versions.map(({ bytes, isNewest }) => [bytes, isNewest]),
        [
          [5, true],
          [3, false],
        ],
      )
      assert.equal(await lock.retention({ key: 'a' }), undefined)
      await lock.remove({ key: 'a', version: versions[0]?.version })
      assert.deepEqual(await store.get('a'), objectOf('one').bytes)
    })

    test('a lock is put on later, is made longer, and never shorter', async place => {
      const { store, lock, now } = place
      await store.put('a', objectOf('a'))
      assert.equal(await lock.retention({ key: 'a' }), undefined)
      const [first] = await lock.versions('a')
      const [short, long] = [second(now() + 60_000), second(now() + 120_000)]
      await lock.retain({ key: 'a' }, governance(short))
      await lock.retain({ key: 'a', version: first?.version }, governance(long))
      await lock.retain({ key: 'a' }, governance(long))
      await assert.rejects(lock.retain({ key: 'a' }, governance(short)), code('store-refused'))
      const found = await lock.retention({ key: 'a', version: first?.version })
      assert.equal(found?.until.getTime(), long)
    })

    test('nobody lifts a lock of mode compliance', async ({ store, lock, now, pass }) => {
      const until = second(now() + 2000)
      const retain = { mode: 'compliance', until: new Date(until) } as const
      await store.put('a', objectOf('a'), { retain })
      assert.equal((await lock.retention({ key: 'a' }))?.mode, 'compliance')
      const [version] = await lock.versions('a')
      const place = { key: 'a', version: version?.version }
      await assert.rejects(lock.remove(place, { lift: true }), code('store-refused'))
      await assert.rejects(lock.retain(place, governance(until + 60_000)), code('store-refused'))
      await pass(until - now() + 2000)
      await lock.remove(place)
    })

    test('who has the right lifts one of mode governance', async ({ store, lock, now }) => {
      await store.put('a', objectOf('a'), { retain: governance(second(now() + 60_000)) })
      const [version] = await lock.versions('a')
      await lock.remove({ key: 'a', version: version?.version }, { lift: true })
      assert.deepEqual(await lock.versions(''), [])
    })

    test('the lock of an object that is not there is object-missing', async ({ store, lock }) => {
      await assert.rejects(lock.retention({ key: 'a' }), code('object-missing'))
      await store.put('a', objectOf('a'))
      await store.delete('a')
      await assert.rejects(lock.retention({ key: 'a' }), code('object-missing'))
      await lock.remove({ key: 'b', version: (await lock.versions('a'))[0]?.version })
    })
  })
}
