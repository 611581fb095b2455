// The contract of a store as tests: every kind of store, and each behind every wrapper, is put
// through this.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import type { ListedObject, ListOptions, Store } from '../../src/store/store.ts'
import { objectOf, patternBytes } from '../support/objects.ts'

export interface ContractOptions {
  /** Enough to need a second page of a listing. */
  readonly manyKeys?: number
  /** Puts at once while filling the store with many keys. */
  readonly parallel?: number
}

/** `open` gives an empty store for each test, and takes it away again with `close()`. */
export function storeKeepsItsContract(
  name: string,
  open: () => Promise<Store>,
  options: ContractOptions = {},
): void {
  const test = (title: string, run: (store: Store) => Promise<void>) => {
    it(title, async () => {
      const store = await open()
      try {
        await run(store)
      } finally {
        await store.close()
      }
    })
  }
  describe(`${name} keeps the contract of a store:`, () => {
    writing(test)
    reading(test)
    listing(test, options)
    aborting(test)
  })
}

/** All keys and sizes, in the order in which they came. */
export async function listAll(
  store: Store,
  prefix: string,
  options?: ListOptions,
): Promise<ListedObject[]> {
  return await Array.fromAsync(store.list(prefix, options), ({ key, bytes }) => ({ key, bytes }))
}

type Test = (title: string, run: (store: Store) => Promise<void>) => void

const segment = (n: number) => `segments/aa/${String(n).padStart(4, '0')}-${'0'.repeat(64)}.age`

function writing(test: Test): void {
  test('what was put is there at once: get, size and list see it', async store => {
    const bytes = patternBytes(100_000)
    await store.put('segments/aa/0-x.age', objectOf(bytes), { kind: 'segment' })
    assert.deepEqual(await store.get('segments/aa/0-x.age'), bytes)
    assert.equal(await store.size('segments/aa/0-x.age'), bytes.length)
    assert.deepEqual(await listAll(store, ''), [
      { key: 'segments/aa/0-x.age', bytes: bytes.length },
    ])
  })

  test('list says when an object was put, if it says so at all', async store => {
    const before = Date.now()
    await store.put('a', objectOf('x'))
    for await (const { modifiedAt } of store.list('')) {
      if (modifiedAt === undefined) continue
      // Servers round to seconds.
      assert.ok(modifiedAt.getTime() > before - 2000, modifiedAt.toISOString())
      assert.ok(modifiedAt.getTime() < Date.now() + 2000, modifiedAt.toISOString())
    }
  })

  test('put does not create twice, and leaves what is there (L5)', async store => {
    await store.put('manifests/a/1.json', objectOf('first'), { kind: 'metadata' })
    await assert.rejects(store.put('manifests/a/1.json', objectOf('second')), code('object-exists'))
    assert.equal(text(await store.get('manifests/a/1.json')), 'first')
  })

  test('of eight that create the same key at once, one wins and seven hear object-exists', async store => {
    if (!store.features.createIfAbsent) return
    const contents = Array.from({ length: 8 }, (_, n) => patternBytes(50_000, n + 1))
    const results = await Promise.allSettled(
      contents.map(bytes => store.put('manifests/a/7.json', objectOf(bytes))),
    )
    const winners = contents.filter((_, n) => results[n]?.status === 'fulfilled')
    for (const result of results) {
      if (result.status === 'rejected')
        assert.ok(code('object-exists')(result.reason), result.reason)
    }
    assert.equal(winners.length, 1)
    assert.deepEqual(await store.get('manifests/a/7.json'), winners[0])
  })

  test('put with replace overwrites, longer and shorter', async store => {
    for (const content of ['one', 'a good deal longer', 'x']) {
      await store.put('RESTORE.md', objectOf(content), { replace: true })
      assert.equal(text(await store.get('RESTORE.md')), content)
    }
    assert.deepEqual(await listAll(store, ''), [{ key: 'RESTORE.md', bytes: 1 }])
  })

  test('an object of no bytes is an object', async store => {
    await store.put('empty', objectOf(''))
    assert.deepEqual(await store.get('empty'), new Uint8Array(0))
    assert.equal(await store.size('empty'), 0)
    assert.deepEqual(await listAll(store, ''), [{ key: 'empty', bytes: 0 }])
    await assert.rejects(store.put('empty', objectOf('')), code('object-exists'))
  })

  test('a view into a larger buffer is stored as the view alone', async store => {
    const all = patternBytes(1000)
    const view = all.subarray(100, 300)
    await store.put('view', { ...objectOf(view), bytes: view })
    assert.deepEqual(await store.get('view'), all.slice(100, 300))
  })

  test('what was put does not change when its buffer does later', async store => {
    const object = objectOf('as it was')
    await store.put('kept', object)
    object.bytes.fill(0)
    assert.equal(text(await store.get('kept')), 'as it was')
  })

  test('delete removes, and is content when there is nothing', async store => {
    await store.put('segments/aa/x', objectOf('x'))
    await store.put('segments/bb/y', objectOf('y'))
    await store.delete('segments/aa/x')
    await assert.rejects(store.get('segments/aa/x'), code('object-missing'))
    assert.deepEqual(await listAll(store, ''), [{ key: 'segments/bb/y', bytes: 1 }])
    await store.delete('segments/aa/x')
    await store.delete('never/was/there')
    await store.put('segments/aa/x', objectOf('again'))
    assert.equal(text(await store.get('segments/aa/x')), 'again')
  })

  test('keys that climb, begin at the root or hold odd characters are refused and do nothing', async store => {
    const keys = ['', '/', '/etc/x', '..', '../x', 'a/../b', 'a//b', 'a/', './a', 'a/.', '.hidden']
    for (const key of [
      ...keys,
      'a/.b',
      'a b',
      'a\0b',
      'a\nb',
      'ä',
      'a\\b',
      'a:b',
      'x'.repeat(900),
    ]) {
      await assert.rejects(
        store.put(key, objectOf('x')),
        code('store-refused'),
        JSON.stringify(key),
      )
      await assert.rejects(store.get(key), code('store-refused'), JSON.stringify(key))
      await assert.rejects(store.delete(key), code('store-refused'), JSON.stringify(key))
    }
    assert.deepEqual(await listAll(store, ''), [])
  })

  test('keys of every allowed character keep their names', async store => {
    const keys = ['a+b=c@d~e', 'A-Z_0.9', 'plus+plus/x..y', `long/${'n'.repeat(200)}`]
    for (const key of keys) await store.put(key, objectOf(key))
    for (const key of keys) assert.equal(text(await store.get(key)), key)
    assert.deepEqual(new Set((await listAll(store, '')).map(object => object.key)), new Set(keys))
  })
}

function reading(test: Test): void {
  test('a range gives exactly its bytes', async store => {
    const bytes = patternBytes(300_000)
    await store.put('ranged', objectOf(bytes))
    for (const [start, end] of [
      [0, 1],
      [0, 300_000],
      [1, 2],
      [65_535, 131_073],
      [299_999, 300_000],
      [123_456, 123_456],
      [300_000, 300_000],
    ] as const) {
      assert.deepEqual(
        await store.get('ranged', { range: { start, end } }),
        bytes.slice(start, end),
      )
    }
  })

  test('a range that reaches beyond the end is corrupt, never short', async store => {
    await store.put('short', objectOf('0123456789'))
    for (const [start, end] of [
      [0, 11],
      [9, 11],
      [10, 11],
      [20, 30],
      [11, 11],
    ] as const) {
      const range = { start, end }
      await assert.rejects(store.get('short', { range }), code('corrupt'), `${start} to ${end}`)
    }
  })

  test('an object longer than asked for at most is corrupt', async store => {
    await store.put('long', objectOf('0123456789'))
    assert.equal(text(await store.get('long', { maxBytes: 10 })), '0123456789')
    await assert.rejects(store.get('long', { maxBytes: 9 }), code('corrupt'))
  })

  test('an object that is not as long as it should be is corrupt, also where a part is asked for', async store => {
    await store.put('exact', objectOf('0123456789'))
    for (const range of [undefined, { start: 2, end: 5 }, { start: 0, end: 9 }]) {
      const whole = text(await store.get('exact', { range, objectBytes: 10 }))
      assert.equal(whole, '0123456789'.slice(range?.start, range?.end))
      for (const objectBytes of [9, 11])
        await assert.rejects(store.get('exact', { range, objectBytes }), code('corrupt'))
    }
  })

  test('get and size of an absent key are object-missing', async store => {
    await store.put('manifests/a/1.json', objectOf('x'))
    for (const key of ['manifests', 'manifests/a', 'manifests/a/2.json', 'nothing/here']) {
      await assert.rejects(store.get(key), code('object-missing'), key)
      await assert.rejects(store.get(key, { range: { start: 0, end: 1 } }), code('object-missing'))
      await assert.rejects(store.size(key), code('object-missing'), key)
    }
  })

  test('the clock, where there is one, is near ours', async store => {
    const now = await store.clock()
    if (now !== undefined) assert.ok(Math.abs(now - Date.now()) < 60_000)
  })

  test('the address names the place and holds no secret', async store => {
    assert.notEqual(store.address, '')
    assert.doesNotMatch(store.address, /secret|@/i)
  })
}

function listing(test: Test, options: ContractOptions): void {
  test('list yields the keys under a prefix once, in the order of their bytes', async store => {
    const keys = [
      'a',
      'b-c/x',
      'b.c',
      'b/x',
      'b/x-y',
      'b/x.y',
      'b0',
      'B/upper',
      'c/d/e/f',
      'c/d/e.f',
    ]
    for (const key of [...keys].reverse()) await store.put(key, objectOf(key))
    const ordered = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const listed = async (prefix: string) =>
      (await listAll(store, prefix)).map(object => object.key)
    assert.deepEqual(await listed(''), ordered)
    for (const prefix of ['b', 'b/', 'b/x', 'b/x-', 'c/d/', 'c/d/e', 'c/d/e/f', 'zz', 'b/x-y/']) {
      assert.deepEqual(
        await listed(prefix),
        ordered.filter(key => key.startsWith(prefix)),
        prefix,
      )
    }
    for (const after of ['a', 'b', 'b-c/x', 'b.c', 'b/x', 'b/x-', 'b0', 'c/d', 'c/d/e.f', 'z']) {
      const rest = (await listAll(store, '', { after })).map(object => object.key)
      assert.deepEqual(
        rest,
        ordered.filter(key => key > after),
        `after ${after}`,
      )
    }
    const under = await listAll(store, 'b/', { after: 'b/x' })
    assert.deepEqual(
      under.map(object => object.key),
      ['b/x-y', 'b/x.y'],
    )
  })

  test('an empty store and an unknown prefix list nothing', async store => {
    assert.deepEqual(await listAll(store, ''), [])
    assert.deepEqual(await listAll(store, 'manifests/'), [])
  })

  test('a listing may be left early', async store => {
    for (const key of ['a', 'b', 'c']) await store.put(key, objectOf(key))
    for await (const object of store.list('')) {
      assert.equal(object.key, 'a')
      break
    }
  })

  test('prefixes that climb are refused', async store => {
    for (const prefix of ['/', '../', 'a/../b', '.', 'a/./']) {
      await assert.rejects(listAll(store, prefix), code('store-refused'), prefix)
    }
  })

  test('a listing of more than a page is complete and without repeats', async store => {
    const count = options.manyKeys ?? 1100
    await fill(store, count, options.parallel ?? 16)
    const keys = (await listAll(store, 'segments/')).map(object => object.key)
    assert.deepEqual(
      keys,
      Array.from({ length: count }, (_, n) => segment(n)),
    )
    const rest = await listAll(store, 'segments/', { after: segment(count - 3) })
    assert.deepEqual(
      rest.map(object => object.key),
      [segment(count - 2), segment(count - 1)],
    )
  })
}

function aborting(test: Test): void {
  test('a call whose signal is already aborted changes nothing and says interrupted', async store => {
    await store.put('kept', objectOf('kept'))
    const signal = AbortSignal.abort()
    await assert.rejects(store.put('new', objectOf('new'), { signal }), code('interrupted'))
    await assert.rejects(
      store.put('kept', objectOf('other'), { signal, replace: true }),
      code('interrupted'),
    )
    await assert.rejects(store.delete('kept', { signal }), code('interrupted'))
    await assert.rejects(store.get('kept', { signal }), code('interrupted'))
    await assert.rejects(store.size('kept', { signal }), code('interrupted'))
    await assert.rejects(listAll(store, '', { signal }), code('interrupted'))
    await assert.rejects(store.clock({ signal }), code('interrupted'))
    assert.deepEqual(await listAll(store, ''), [{ key: 'kept', bytes: 4 }])
    assert.equal(text(await store.get('kept')), 'kept')
  })

  test('a put aborted on its way leaves the whole object or none', async store => {
    const bytes = patternBytes(4 * 1024 * 1024)
    for (const afterMs of [0, 1, 5, 20]) {
      const key = `segments/${randomBytes(8).toString('hex')}`
      const signal = AbortSignal.timeout(afterMs)
      const put = await Promise.allSettled([store.put(key, objectOf(bytes), { signal })])
      const sizes = (await listAll(store, key)).map(object => object.bytes)
      if (put[0].status === 'rejected') assert.ok(code('interrupted')(put[0].reason), put[0].reason)
      else assert.deepEqual(sizes, [bytes.length])
      if (sizes.length > 0) assert.deepEqual(sizes, [bytes.length])
    }
  })
}

async function fill(store: Store, count: number, parallel: number): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const key = segment(next)
      next += 1
      await store.put(key, objectOf(key))
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** For assert.rejects: a Failure of this code. */
export function code(wanted: string): (error: unknown) => true {
  return error => {
    assert.ok(isFailure(error), `a Failure was expected, not ${String(error)}`)
    assert.equal(error.code, wanted, error.message)
    return true
  }
}
