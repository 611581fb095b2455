// Locks: the memory store, a real server, each behind every wrapper; and servers that pretend.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FakeClock, systemClock } from '../../src/base/clock.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { openStore } from '../../src/store/open.ts'
import { readOnly } from '../../src/store/read-only.ts'
import { openS3Store } from '../../src/store/s3/open-s3-store.ts'
import type { Store } from '../../src/store/store.ts'
import { withCount } from '../../src/store/with-count.ts'
import { withLog } from '../../src/store/with-log.ts'
import { withRateLimit } from '../../src/store/with-rate-limit.ts'
import { withRetry } from '../../src/store/with-retry.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { code } from './contract.ts'
import { storeKeepsLocks } from './lock-contract.ts'

let server: Radosgw
let bucket: string

before(async () => {
  server = await startRadosgw()
  bucket = await server.makeBucket({ locks: true })
})
after(async () => {
  await server?.stop()
})

function addressOf(endpoint = server.endpoint) {
  return {
    kind: 's3',
    bucket,
    prefix: `t-${randomBytes(6).toString('hex')}`,
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  } as const
}

function inMemory(wrap: (store: Store) => Store = store => store) {
  return async () => {
    const clock = new FakeClock(Date.parse('2026-11-21T00:00:00.250Z'))
    const now = () => clock.now()
    const store = wrap(new MemoryStore({ now, locks: { mayLift: true } }))
    return { store, now, pass: async (ms: number) => clock.advance(ms) }
  }
}

const real = { now: () => Date.now(), pass: async (ms: number) => await delay(ms) }
const fast = { clock: systemClock, random: () => 0, deadlineMs: 5000, firstWaitMs: 1 }

storeKeepsLocks('the memory store', inMemory())
storeKeepsLocks(
  'a store behind every wrapper',
  inMemory(store => {
    const logged = withLog(withCount(store).store, { clock: systemClock, log: () => {} })
    return withRetry(withRateLimit(logged, {}, systemClock), fast)
  }),
)
storeKeepsLocks(
  'a store of which calls fail before and after their effect, with retry',
  inMemory(store => {
    const onCall = ({ index }: { index: number }) =>
      index % 3 === 0 ? ({ kind: index % 2 ? 'fail-before' : 'fail-after' } as const) : undefined
    return withRetry(new FaultyStore(store, { onCall }), fast)
  }),
)
storeKeepsLocks('the S3 store', async () => ({ store: await openS3Store(addressOf()), ...real }))
storeKeepsLocks('the S3 store as openStore() opens it, with CRC32', async () => {
  const address = { ...addressOf(), checksums: 'crc32' } as const
  const { store } = await openStore(address, { clock: systemClock, locks: true })
  return { store, ...real }
})

describe('locks', () => {
  const retain = { mode: 'governance', until: new Date(Date.now() + 60_000) } as const

  it('are counted as what they cost, and refused by a store that is only read', async () => {
    const { store } = await inMemory()()
    const counted = withCount(store)
    await counted.store.put('a', objectOf('a'))
    await counted.store.lock?.retain({ key: 'a' }, retain)
    await counted.store.lock?.retention({ key: 'a' })
    const { put, get } = counted.counts
    assert.deepEqual({ put, get }, { put: 2, get: 1 })
    const locked = readOnly(store).lock
    await assert.rejects(locked?.retain({ key: 'a' }, retain) ?? delay(0), code('refused'))
    await assert.rejects(locked?.remove({ key: 'a' }) ?? delay(0), code('refused'))
    assert.deepEqual(await locked?.retention({ key: 'a' }), retain)
  })

  it('are refused where a bucket was made without them, before anything is sent', async () => {
    const plain = await server.makeBucket()
    const store = await openS3Store({ ...addressOf(), bucket: plain })
    assert.match((await store.lock?.whyNot()) ?? '', /made without object lock/)
    await assert.rejects(store.put('a', objectOf('a'), { retain }), code('refused'))
    await assert.rejects(store.get('a'), code('object-missing'))
    await store.put('a', objectOf('a'))
    await assert.rejects(store.lock?.retain({ key: 'a' }, retain) ?? delay(0), code('refused'))
    await assert.rejects(store.lock?.retention({ key: 'a' }) ?? delay(0), code('refused'))
    await store.close()
  })

  it('want the hash that costs least, and only where a lock is wanted', async () => {
    const wants = async (options: object) =>
      (await openS3Store({ ...addressOf(), ...options })).features.wants
    assert.deepEqual(await wants({}), [])
    assert.deepEqual(await wants({ locks: true }), ['md5'])
    assert.deepEqual(await wants({ locks: true, checksums: 'crc32' }), ['crc32'])
  })

  const pretenders = {
    'answers the question about locks with other XML': {
      answer: '<Versioning xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>',
      status: 200,
    },
    'says that locks are enabled in another word': {
      answer:
        '<ObjectLockConfiguration><ObjectLockEnabled>enabled</ObjectLockEnabled></ObjectLockConfiguration>',
      status: 200,
    },
    'knows no locks': { answer: '<Error><Code>NotImplemented</Code></Error>', status: 501 },
    'has no lock for the bucket': {
      answer: '<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>',
      status: 404,
    },
  }
  for (const [what, { answer, status }] of Object.entries(pretenders)) {
    it(`never ask a server that ${what} to lock anything: it could take that for an object`, async () => {
      const asked: string[] = []
      const pretender = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`)
        request.resume()
        request.on('end', () => {
          response.writeHead(status, { 'content-type': 'application/xml', etag: '"a"' })
          response.end(answer)
        })
      })
      await new Promise<void>(done => pretender.listen(0, '127.0.0.1', done))
      const { port } = pretender.address() as AddressInfo
      const store = await openS3Store(addressOf(`http://127.0.0.1:${port}`))
      try {
        await assert.rejects(store.put('a', objectOf('a'), { retain }), code('refused'))
        await assert.rejects(store.lock?.retain({ key: 'a' }, retain) ?? delay(0), code('refused'))
        assert.deepEqual(
          asked.filter(one => !/^GET .*\?object-lock=?$/.test(one)),
          [],
        )
        assert.equal(asked.length, 1)
      } finally {
        await store.close()
        pretender.close()
      }
    })
  }

  it('are not believed when the server takes them and forgets them', async () => {
    const enabled =
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    const forgetful = createServer((request, response) => {
      request.resume()
      request.on('end', () => {
        const isRetention = request.url?.includes('retention') === true
        response.writeHead(isRetention ? 404 : 200, { etag: '"a"' })
        if (isRetention) response.end('<Error><Code>NoSuchObjectLockConfiguration</Code></Error>')
        else response.end(request.method === 'GET' ? enabled : '')
      })
    })
    await new Promise<void>(done => forgetful.listen(0, '127.0.0.1', done))
    const { port } = forgetful.address() as AddressInfo
    const store = await openS3Store(addressOf(`http://127.0.0.1:${port}`))
    try {
      await assert.rejects(store.put('a', objectOf('a'), { retain }), /took the lock and forgot it/)
    } finally {
      await store.close()
      forgetful.close()
    }
  })
})
