import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { FakeClock, systemClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import type { ProbeReport } from '../../src/model/probe.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { probeStore } from '../../src/store/probe.ts'
import { openS3Store } from '../../src/store/s3/open-s3-store.ts'
import type { Store } from '../../src/store/store.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { code, listAll } from './contract.ts'

const clock = new FakeClock(1_000_000)

function outcomes(report: ProbeReport): Record<string, string> {
  return Object.fromEntries(report.checks.map(({ name, outcome }) => [name, outcome]))
}

const allOk = {
  put: 'ok',
  'create-if-absent': 'ok',
  'create-if-absent in a race': 'ok',
  read: 'ok',
  ranges: 'ok',
  'list after write': 'ok',
  overwrite: 'ok',
  delete: 'ok',
  'delete beyond the trial': 'ok',
  clock: 'ok',
}

/** A memory store of which some methods are other ones. */
function odd(methods: (inner: MemoryStore) => Partial<Store>): Store {
  const inner = new MemoryStore()
  const own = methods(inner)
  return {
    address: inner.address,
    features: inner.features,
    put: (...given) => inner.put(...given),
    get: (...given) => inner.get(...given),
    size: (...given) => inner.size(...given),
    list: (...given) => inner.list(...given),
    delete: (...given) => inner.delete(...given),
    clock: (...given) => inner.clock(...given),
    close: () => inner.close(),
    ...own,
  }
}

const refuse = async () => {
  throw new Failure('store-refused', 'cannot do it: access denied')
}

describe('probeStore()', () => {
  it('finds nothing wrong with a good store, and leaves nothing in it', async () => {
    const store = new MemoryStore({ now: () => clock.now() + 3000 })
    const report = await probeStore(store, { clock })
    assert.deepEqual(outcomes(report), allOk)
    assert.equal(report.createIfAbsent, true)
    assert.equal(report.clockSkewMs, 3000)
    assert.deepEqual(report.left, [])
    assert.equal(store.objects.size, 0)
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report)
  })

  it('tells apart what is not permitted (write-only credentials) from what is broken', async () => {
    const store = odd(() => ({
      get: refuse,
      size: refuse,
      delete: refuse,
      list: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    }))
    const report = await probeStore(store, { clock })
    assert.deepEqual(outcomes(report), {
      ...allOk,
      read: 'not-permitted',
      ranges: 'not-permitted',
      'list after write': 'not-permitted',
      delete: 'not-permitted',
      'delete beyond the trial': 'not-permitted',
    })
    assert.equal(report.createIfAbsent, true)
    assert.equal(report.left.length, 3)
  })

  it('finds a store that ignores create-if-absent, and one that refuses it', async () => {
    const ignoring = odd(inner => ({
      put: (key, object, options) => inner.put(key, object, { ...options, replace: true }),
    }))
    const refusing = odd(inner => ({
      put: (key, object, options) =>
        options?.replace ? inner.put(key, object, options) : refuse(),
    }))
    for (const store of [ignoring, refusing]) {
      const report = await probeStore(store, { clock })
      assert.deepEqual(outcomes(report), {
        ...allOk,
        'create-if-absent': 'missing',
        'create-if-absent in a race': 'missing',
      })
      assert.equal(report.createIfAbsent, false)
    }
  })

  it('finds a store whose create-if-absent fails in a race only', async () => {
    const seen = new Set<string>()
    const store = odd(inner => ({
      put: async (key, object, options) => {
        const known = seen.has(key)
        await new Promise(resolve => setTimeout(resolve, 5))
        seen.add(key)
        if (known && !options?.replace) throw new Failure('object-exists', 'it exists')
        await inner.put(key, object, { ...options, replace: true })
      },
    }))
    const report = await probeStore(store, { clock })
    assert.deepEqual(outcomes(report), { ...allOk, 'create-if-absent in a race': 'missing' })
    assert.equal(report.createIfAbsent, false)
  })

  it('finds a store that ignores ranges, lists late, keeps old bytes or does not delete', async () => {
    const cases: readonly [string, Store][] = [
      [
        'ranges',
        odd(inner => ({ get: (key, options) => inner.get(key, { ...options, range: undefined }) })),
      ],
      ['list after write', odd(inner => ({ list: () => inner.list('nothing-here/') }))],
      [
        'overwrite',
        odd(inner => ({
          put: async (key, object, options) => {
            if (options?.replace && inner.objects.has(key)) return
            await inner.put(key, object, options)
          },
        })),
      ],
      ['delete', odd(() => ({ delete: async () => {} }))],
      ['clock', odd(() => ({ clock: async () => clock.now() - 3_600_000 }))],
    ]
    for (const [name, store] of cases) {
      assert.deepEqual(outcomes(await probeStore(store, { clock })), { ...allOk, [name]: 'broken' })
    }
  })

  it('throws when the store cannot be reached, and cleans up when it is interrupted', async () => {
    const gone = new FaultyStore(new MemoryStore(), { onCall: () => ({ kind: 'fail-before' }) })
    await assert.rejects(probeStore(gone, { clock }), code('store-unavailable'))
    const inner = new MemoryStore()
    const stop = new AbortController()
    const store = new FaultyStore(inner, {
      onCall: ({ index }) =>
        index === 12 ? { kind: 'run', when: 'before', run: () => stop.abort() } : undefined,
    })
    await assert.rejects(probeStore(store, { clock, signal: stop.signal }), code('interrupted'))
    assert.equal(inner.objects.size, 0)
  })
})

describe('probeStore() on a real S3 server', () => {
  let server: Radosgw
  before(async () => {
    server = await startRadosgw()
  })
  after(async () => {
    await server?.stop()
  })

  it('finds nothing wrong; before it a proxy without conditional writes is found out', async () => {
    const bucket = await server.makeBucket()
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey }
    const open = async (endpoint: string) =>
      await openS3Store({ bucket, prefix: 'p', endpoint, region: 'us-east-1', credentials })
    const store = await open(server.endpoint)
    const report = await probeStore(store, { clock: systemClock })
    assert.deepEqual(outcomes(report), allOk)
    assert.deepEqual(await listAll(store, ''), [])
    await store.close()

    const proxy = await startFaultProxy(server.endpoint)
    proxy.onRequest = ({ headers }) =>
      headers['if-none-match'] === undefined ? undefined : { kind: 'answer', status: 501, body: '' }
    const without = await open(proxy.endpoint)
    const found = await probeStore(without, { clock: systemClock })
    assert.deepEqual(outcomes(found), {
      ...allOk,
      'create-if-absent': 'missing',
      'create-if-absent in a race': 'missing',
    })
    assert.deepEqual(await listAll(without, ''), [])
    await without.close()
    await proxy.stop()
  })
})
