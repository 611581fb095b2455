// Every wrapper, and all of them as openStore() stacks them, through the contract; then what each
// is for.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FakeClock, systemClock } from '../../src/base/clock.ts'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { AdaptiveLimit } from '../../src/store/adaptive-limit.ts'
import { initDirectoryTarget } from '../../src/store/directory/target.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { openStore } from '../../src/store/open.ts'
import { readOnly } from '../../src/store/read-only.ts'
import type { Store } from '../../src/store/store.ts'
import { withCount } from '../../src/store/with-count.ts'
import { withLog } from '../../src/store/with-log.ts'
import { Rate, withRateLimit } from '../../src/store/with-rate-limit.ts'
import { type RetryOptions, withRetry } from '../../src/store/with-retry.ts'
import { FaultyStore, failNth } from '../support/faulty-store.ts'
import { objectOf, patternBytes } from '../support/objects.ts'
import { code, listAll, storeKeepsItsContract } from './contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'btrvault-test-wrappers-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const fast: RetryOptions = {
  clock: systemClock,
  random: Math.random,
  deadlineMs: 5000,
  firstWaitMs: 1,
  maxWaitMs: 2,
}
const wide = { upBytesPerSecond: 1 << 30, downBytesPerSecond: 1 << 30 }
const ignore = () => {}

storeKeepsItsContract('a store with retry', async () =>
  withRetry(new MemoryStore(), { ...fast, limit: new AdaptiveLimit(3) }),
)
storeKeepsItsContract('a store with a rate limit', async () =>
  withRateLimit(new MemoryStore(), wide, systemClock),
)
storeKeepsItsContract('a store with counts', async () => withCount(new MemoryStore()).store)
storeKeepsItsContract('a store with a log', async () =>
  withLog(new MemoryStore(), { clock: systemClock, log: ignore }),
)
storeKeepsItsContract('a directory as openStore() opens it', async () => {
  const path = mkdtempSync(join(folder, 'target-'))
  await initDirectoryTarget(path)
  const options = { clock: systemClock, limits: wide, log: ignore }
  return (await openStore({ kind: 'directory', path }, options)).store
})
storeKeepsItsContract(
  'a store of which a third of the calls fail, before or after their effect, with retry',
  async () => {
    const faulty = new FaultyStore(new MemoryStore(), {
      onCall: ({ index }) =>
        (index * 7) % 10 < 3 ? { kind: index % 2 ? 'fail-before' : 'fail-after' } : undefined,
    })
    return oneAtATime(withRetry(faulty, fast))
  },
  { manyKeys: 100 },
)

// A racer whose answer was lost, and who then finds another's object, is told so; but two racers
// of which one's fault hits the other's calls are no test of the store.
function oneAtATime(store: Store): Store {
  return { ...store, features: { ...store.features, createIfAbsent: false } }
}

function busy(): Failure {
  return new Failure('store-busy', 'cannot do it: the store asks us to slow down')
}

describe('withRetry()', () => {
  const patient = (inner: Store, options: Partial<RetryOptions> = {}) => {
    const clock = new FakeClock(0)
    const store = withRetry(inner, { clock, random: () => 0.5, deadlineMs: 60_000, ...options })
    return { clock, store }
  }

  it('waits longer each time, with jitter, up to a ceiling', async () => {
    const inner = new FaultyStore(new MemoryStore(), {
      onCall: ({ index }) => (index < 6 ? { kind: 'fail-before' } : undefined),
    })
    const { clock, store } = patient(inner, { firstWaitMs: 1000, maxWaitMs: 10_000 })
    await store.put('a', objectOf('a'))
    assert.deepEqual(clock.sleeps, [500, 1000, 2000, 4000, 5000, 5000])
    assert.equal(inner.count('put'), 7)
  })

  it('gives up at the deadline, and says how often it tried', async () => {
    const inner = new FaultyStore(new MemoryStore(), { onCall: () => ({ kind: 'fail-before' }) })
    const { clock, store } = patient(inner, { deadlineMs: 10_000, firstWaitMs: 2000 })
    await assert.rejects(store.get('a'), (error: unknown) => {
      assert.ok(isFailure(error, 'store-unavailable'))
      assert.match(error.message, /\(after 4 attempts in 7\.0 s\)$/)
      return true
    })
    assert.ok(clock.now() <= 10_000)
    const once = patient(inner, { deadlineMs: 0 })
    await assert.rejects(once.store.get('a'), /a test ordered$/)
    assert.deepEqual(once.clock.sleeps, [])
  })

  it('never tries final failures again', async () => {
    for (const final of [
      'store-refused',
      'object-missing',
      'object-exists',
      'corrupt',
      'archived',
      'no-space',
    ] as const) {
      const error = new Failure(final, 'cannot do it')
      const inner = new FaultyStore(new MemoryStore(), {
        onCall: () => ({ kind: 'fail-before', error }),
      })
      const { store } = patient(inner)
      await assert.rejects(store.put('a', objectOf('a')), code(final))
      await assert.rejects(store.get('a'), code(final))
      await assert.rejects(listAll(store, ''), code(final))
      assert.equal(inner.calls.length, 3)
    }
  })

  it('lets bugs through as they are', async () => {
    const error = new TypeError('a bug')
    const inner = new FaultyStore(new MemoryStore(), {
      onCall: () => ({ kind: 'fail-before', error }),
    })
    await assert.rejects(patient(inner).store.get('a'), error)
  })

  it('stops waiting when the signal aborts', async () => {
    const inner = new FaultyStore(new MemoryStore(), { onCall: () => ({ kind: 'fail-before' }) })
    const store = withRetry(inner, { ...fast, deadlineMs: 1e9, firstWaitMs: 1e8, maxWaitMs: 1e8 })
    const started = Date.now()
    await assert.rejects(store.get('a', { signal: AbortSignal.timeout(30) }), code('interrupted'))
    assert.ok(Date.now() - started < 2000)
  })

  it('goes on with a listing where it broke, without repeats and without gaps (L9)', async () => {
    const memory = new MemoryStore()
    for (let n = 100; n < 150; n += 1) await memory.put(`k/${n}`, objectOf('x'))
    const inner = new FaultyStore(memory, {
      onCall: ({ index }) => (index < 4 ? { kind: 'fail-after' } : undefined),
    })
    const keys = (await listAll(patient(inner).store, 'k/')).map(object => object.key)
    assert.deepEqual(
      keys,
      Array.from({ length: 50 }, (_, n) => `k/${100 + n}`),
    )
    assert.equal(inner.count('list'), 5)
  })

  it('takes a put for its own after a lost answer if hash and size, or the bytes, say so', async () => {
    const object = objectOf('content')
    const hex = Buffer.from(object.sha256).toString('hex')
    for (const key of [`segments/x/0-${hex}.age`, 'manifests/x/1.json']) {
      const inner = new FaultyStore(new MemoryStore(), {
        onCall: failNth(0, { kind: 'fail-after' }),
      })
      await patient(inner).store.put(key, object)
      assert.equal(inner.count('put'), 2)
      assert.equal(inner.count('get'), key.startsWith('manifests') ? 1 : 0)
    }
    const hers = new MemoryStore()
    await hers.put('manifests/x/1.json', objectOf('tnetnoc'))
    const inner = new FaultyStore(hers, { onCall: failNth(0) })
    const put = patient(inner).store.put('manifests/x/1.json', object)
    await assert.rejects(put, code('object-exists'))
  })

  it('with write-only credentials believes the hash in the name, and nothing else', async () => {
    const object = objectOf('content')
    const hex = Buffer.from(object.sha256).toString('hex')
    const error = new Failure('store-refused', 'cannot read: access denied')
    for (const [key, taken] of [
      [`segments/x/0-${hex}.age`, true],
      ['manifests/x/1.json', false],
    ] as const) {
      const inner = new FaultyStore(new MemoryStore(), {
        onCall: ({ index, operation }) => {
          if (operation !== 'put') return { kind: 'fail-before', error }
          return index === 0 ? { kind: 'fail-after' } : undefined
        },
      })
      const put = patient(inner).store.put(key, object)
      if (taken) await put
      else await assert.rejects(put, code('object-exists'))
    }
  })

  it('tells what it waits for', async () => {
    const lines: string[] = []
    const inner = new FaultyStore(new MemoryStore(), { onCall: failNth(0) })
    await patient(inner, { log: line => lines.push(line), firstWaitMs: 4000 }).store.put(
      'a',
      objectOf('a'),
    )
    assert.deepEqual(lines, ['put a: store-unavailable; attempt 2 in 2.0 s'])
  })

  it('runs fewer at once when the store is busy, and more again when it is not', async () => {
    const limit = new AdaptiveLimit(8)
    let running = 0
    let most = 0
    let full = true
    const inner = new MemoryStore()
    const store = withRetry(
      {
        ...readOnly(inner),
        get: async key => {
          running += 1
          most = Math.max(most, running)
          await new Promise(resolve => setTimeout(resolve, 2))
          running -= 1
          if (full) throw busy()
          return await inner.get(key)
        },
      },
      { ...fast, limit },
    )
    await inner.put('a', objectOf('a'))
    const gets = Promise.all(Array.from({ length: 20 }, () => store.get('a')))
    await new Promise(resolve => setTimeout(resolve, 60))
    assert.equal(most, 8)
    assert.equal(limit.limit, 1)
    full = false
    await gets
    for (let n = 0; n < 60; n += 1) await store.get('a')
    assert.equal(limit.limit, 8)
  })
})

describe('AdaptiveLimit', () => {
  it('counts calls that were under way together as one bad round', async () => {
    const limit = new AdaptiveLimit(8)
    const call = async () => {
      await new Promise(resolve => setTimeout(resolve, 5))
      throw busy()
    }
    const calls = Array.from({ length: 8 }, () => limit.run(call, { isBusy: () => true }))
    await Promise.allSettled(calls)
    assert.equal(limit.limit, 4)
  })

  it('one that aborts while it waits leaves the queue as it was', async () => {
    const limit = new AdaptiveLimit(1)
    const options = { isBusy: () => false }
    let open = () => {}
    const first = limit.run(() => new Promise<void>(resolve => (open = resolve)), options)
    const signal = AbortSignal.timeout(5)
    const second = limit.run(async () => 'second', { ...options, signal })
    const third = limit.run(async () => 'third', options)
    await assert.rejects(second, code('interrupted'))
    open()
    await first
    assert.equal(await third, 'third')
  })
})

describe('withRateLimit()', () => {
  it('lets so many bytes a second pass, for all callers together, each way', async () => {
    const clock = new FakeClock(0)
    const limits = { upBytesPerSecond: 1000, downBytesPerSecond: 500 }
    const store = withRateLimit(new MemoryStore(), limits, clock)
    for (let n = 0; n < 5; n += 1) await store.put(`k${n}`, objectOf(patternBytes(2000)))
    // The first pays for the second, and so on.
    assert.equal(clock.now(), 8000)
    for (let n = 0; n < 3; n += 1) await store.get(`k${n}`)
    assert.equal(clock.now(), 16_000)
    await store.get('k0', { range: { start: 0, end: 1 } })
    assert.equal(clock.now(), 20_000)
  })

  it('holds the rate in real time, within a tenth, for many small pieces at once', async () => {
    const rate = new Rate(1_000_000, systemClock)
    const started = performance.now()
    const worker = async () => {
      for (let n = 0; n < 25; n += 1) await rate.take(4000)
    }
    await Promise.all([worker(), worker(), worker()])
    const seconds = (performance.now() - started) / 1000
    assert.ok(seconds > 0.27 && seconds < 0.45, `${seconds} s`)
  })

  it('a clock that was set back makes nobody wait longer', async () => {
    const clock = new FakeClock(10_000_000)
    const rate = new Rate(1000, clock)
    await rate.take(1000)
    clock.advance(-9_000_000)
    await rate.take(1000)
    assert.ok(
      clock.sleeps.every(ms => ms <= 1000),
      String(clock.sleeps),
    )
  })

  it('waiting ends when the signal aborts', async () => {
    const store = withRateLimit(new MemoryStore(), { upBytesPerSecond: 1 }, systemClock)
    await store.put('a', objectOf('aaaa'))
    const put = store.put('b', objectOf('b'), { signal: AbortSignal.timeout(20) })
    await assert.rejects(put, code('interrupted'))
    assert.deepEqual(await listAll(store, ''), [{ key: 'a', bytes: 4 }])
  })
})

describe('withCount()', () => {
  it('counts requests, failures and bytes of each kind', async () => {
    const { store, counts } = withCount(new MemoryStore())
    await store.put('a', objectOf('12345'))
    await assert.rejects(store.put('a', objectOf('12345')))
    await store.get('a', { range: { start: 1, end: 4 } })
    await store.size('a')
    await listAll(store, '')
    await store.delete('a')
    assert.deepEqual(counts, {
      put: 2,
      get: 1,
      size: 1,
      list: 1,
      delete: 1,
      failed: 1,
      sentBytes: 10,
      receivedBytes: 3,
    })
  })

  it('counts a listing by its pages', async () => {
    const inner = new MemoryStore()
    for (let n = 0; n < 2001; n += 1) await inner.put(`k${n}`, objectOf(''))
    const { store, counts } = withCount(inner)
    await listAll(store, '')
    assert.equal(counts.list, 3)
  })
})

describe('withLog()', () => {
  it('says what was called and how it ended', async () => {
    const lines: string[] = []
    const clock = new FakeClock(0)
    const store = withLog(new MemoryStore(), { clock, log: line => lines.push(line) })
    await store.put('a', objectOf('12345'))
    await store.get('a', { range: { start: 0, end: 2 } })
    await assert.rejects(store.get('b'))
    await listAll(store, '')
    assert.deepEqual(lines, [
      'put a: 5 B in 0.0 s',
      'get a 0-2: 2 B in 0.0 s',
      'get b: object-missing (cannot read b: no such object) after 0.0 s',
      'list (all): 1 key, done in 0.0 s',
    ])
  })
})

describe('readOnly()', () => {
  it('refuses put and delete, and reads', async () => {
    const inner = new MemoryStore()
    await inner.put('a', objectOf('a'))
    const store = readOnly(inner)
    await assert.rejects(store.put('b', objectOf('b')), code('refused'))
    await assert.rejects(store.put('a', objectOf('b'), { replace: true }), code('refused'))
    await assert.rejects(store.delete('a'), code('refused'))
    assert.equal(await store.size('a'), 1)
    assert.equal(inner.objects.size, 1)
  })
})

describe('openStore()', () => {
  it('counts every attempt, limits, logs and opens for reading only', async () => {
    const path = mkdtempSync(join(folder, 'target-'))
    await initDirectoryTarget(path)
    const lines: string[] = []
    const options = { clock: systemClock, log: (line: string) => lines.push(line) }
    const { store, counts } = await openStore({ kind: 'directory', path }, options)
    await store.put('a', objectOf('a'))
    assert.equal(counts.put, 1)
    assert.equal(counts.sentBytes, 1)
    assert.match(lines[0] ?? '', /^put a: 1 B/)
    await store.close()
    const reading = await openStore({ kind: 'directory', path }, { ...options, readOnly: true })
    await assert.rejects(reading.store.delete('a'), code('refused'))
    assert.equal(await reading.store.size('a'), 1)
    await reading.store.close()
  })
})
