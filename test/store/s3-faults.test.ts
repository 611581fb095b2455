// The S3 store and its retries on bad days: a proxy before a real server cuts, swallows and lies.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { isFailure } from '../../src/base/failure.ts'
import { openS3Store, type S3Options } from '../../src/store/s3/open-s3-store.ts'
import type { Store } from '../../src/store/store.ts'
import { withRetry } from '../../src/store/with-retry.ts'
import {
  type FaultProxy,
  type HttpFault,
  s3Error,
  startFaultProxy,
} from '../support/fault-proxy.ts'
import { objectOf, patternBytes } from '../support/objects.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { code, listAll } from './contract.ts'

let server: Radosgw
let proxy: FaultProxy
let bucket: string
let stores: Store[] = []

before(async () => {
  server = await startRadosgw()
  bucket = await server.makeBucket()
  proxy = await startFaultProxy(server.endpoint)
})

afterEach(async () => {
  proxy.onRequest = () => undefined
  for (const store of stores) await store.close()
  stores = []
})

after(async () => {
  await proxy?.stop()
  await server?.stop()
})

async function freshStore(options: Partial<S3Options> = {}): Promise<Store> {
  const store = await openS3Store({
    bucket,
    prefix: `t-${randomBytes(6).toString('hex')}`,
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    idleTimeoutMs: 400,
    connectTimeoutMs: 400,
    ...options,
  })
  stores.push(store)
  return store
}

function patient(store: Store, deadlineMs = 10_000): Store {
  return withRetry(store, {
    clock: systemClock,
    random: () => 0.5,
    deadlineMs,
    firstWaitMs: 10,
    maxWaitMs: 50,
  })
}

/** The fault for the next so many requests that match. */
function breakNext(fault: HttpFault, options: { times?: number; method?: string } = {}): void {
  let left = options.times ?? 1
  proxy.onRequest = ({ method }) => {
    if (left === 0 || (options.method !== undefined && method !== options.method)) return undefined
    left -= 1
    return fault
  }
}

const passing: Readonly<Record<string, HttpFault>> = {
  'a reset before the request': { kind: 'reset-before' },
  'a reset in the middle of the request': { kind: 'reset-in-request', afterBytes: 100_000 },
  'a lost answer': { kind: 'lose-answer' },
  'a black hole': { kind: 'black-hole' },
  'a peer that takes no bytes': { kind: 'deaf' },
  '503 SlowDown': s3Error(503, 'SlowDown'),
  '429 with Retry-After': s3Error(429, 'TooManyRequests', { 'retry-after': '0' }),
  '500 InternalError': s3Error(500, 'InternalError'),
  '502 with a page of HTML': {
    kind: 'answer',
    status: 502,
    body: '<html><body>Bad gateway</body>',
  },
  '504 without a body': { kind: 'answer', status: 504 },
  '408 RequestTimeout': s3Error(408, 'RequestTimeout'),
  '400 RequestTimeout': s3Error(400, 'RequestTimeout'),
  '409 ConditionalRequestConflict': s3Error(409, 'ConditionalRequestConflict'),
  '403 RequestTimeTooSkewed': s3Error(403, 'RequestTimeTooSkewed'),
  '200 with an error in its body': s3Error(200, 'InternalError'),
}

/** Faults whose code stands in the body, which the answer to a HEAD has not got. */
const onlyInBody = new Set([
  '400 RequestTimeout',
  '409 ConditionalRequestConflict',
  '403 RequestTimeTooSkewed',
])

/** Each attempt waits for the idle timeout. */
const slow = new Set(['a black hole', 'a peer that takes no bytes'])

describe('each passing fault of the way to an S3 server', () => {
  for (const [name, fault] of Object.entries(passing)) {
    it(`${name}: one attempt fails retryably, patience gets there`, async () => {
      const bytes = patternBytes(700_000)
      const keys = ['manifests/a/1.json', `segments/x/0-${hexOf(bytes)}.age`]
      for (const key of slow.has(name) ? keys.slice(0, 1) : keys) {
        const store = await freshStore()
        breakNext(fault, { method: 'PUT' })
        await assert.rejects(store.put('other', objectOf(bytes)), retryable)
        breakNext(fault, { method: 'PUT' })
        await patient(store).put(key, objectOf(bytes))
        assert.deepEqual(await store.get(key), bytes)
        if (!onlyInBody.has(name)) {
          breakNext(fault)
          assert.equal(await patient(store).size(key), bytes.length)
        }
        if (name !== '200 with an error in its body') {
          breakNext(fault)
          assert.deepEqual(await patient(store).get(key), bytes)
        }
        breakNext(fault)
        assert.ok((await listAll(patient(store), 'manifests/')).length <= 1)
        breakNext(fault)
        assert.deepEqual(
          (await listAll(patient(store), key)).map(o => o.key),
          [key],
        )
        breakNext(fault)
        await patient(store).delete(key)
        assert.deepEqual(await listAll(store, key), [])
      }
    })
  }

  it('a body that is cut, stands still or is short is read again', async () => {
    const store = await freshStore()
    const bytes = patternBytes(300_000)
    await store.put('a', objectOf(bytes))
    for (const kind of ['truncate', 'stall'] as const) {
      breakNext({ kind, afterBytes: 1000 })
      await assert.rejects(store.get('a'), retryable, kind)
      breakNext({ kind, afterBytes: 1000 })
      assert.deepEqual(await patient(store).get('a'), bytes)
    }
  })

  it('a range that comes back short, with a length that agrees, is corrupt', async () => {
    const store = await freshStore()
    await store.put('a', objectOf(patternBytes(300_000)))
    breakNext({ kind: 'shorten', toBytes: 500 })
    await assert.rejects(store.get('a', { range: { start: 0, end: 1000 } }), code('corrupt'))
  })

  it('a listing that is cut, an error page or a portal is never an empty store (L9)', async () => {
    const store = await freshStore()
    await store.put('manifests/a/1.json', objectOf('x'))
    for (const fault of [
      { kind: 'truncate', afterBytes: 150 },
      { kind: 'shorten', toBytes: 150 },
      { kind: 'shorten', toBytes: 0 },
      { kind: 'stall', afterBytes: 10 },
      s3Error(200, 'InternalError'),
      { kind: 'answer', status: 200, body: '<html>please log in</html>' },
      { kind: 'answer', status: 200, body: '' },
      { kind: 'answer', status: 200, body: '<ListBucketResult></ListBucketResult>' },
      {
        kind: 'answer',
        status: 200,
        body: '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>',
      },
    ] as const) {
      breakNext(fault)
      await assert.rejects(listAll(store, ''), retryable, JSON.stringify(fault))
      breakNext(fault)
      assert.equal((await listAll(patient(store), '')).length, 1)
    }
  })

  it('an answer 200 of something that is no store does not count as stored', async () => {
    const store = await freshStore()
    breakNext({ kind: 'answer', status: 200, body: '<html>please log in</html>' })
    await assert.rejects(store.put('a', objectOf('x')), retryable)
    breakNext({ kind: 'answer', status: 200 })
    await assert.rejects(store.put('a', objectOf('x')), retryable)
  })

  it('an answer 200 with an ETag in its head and an error in its body does not count either', async () => {
    const store = await freshStore()
    breakNext(s3Error(200, 'InternalError', { etag: '"x"' }))
    await assert.rejects(store.put('a', objectOf('x')), code('store-unavailable'))
    breakNext(s3Error(200, 'SlowDown', { etag: '"x"' }))
    await assert.rejects(store.put('a', objectOf('x')), code('store-busy'))
  })

  it('asks for encoded names in listings, and reads a space written as + or as %20', async () => {
    const store = await freshStore({ prefix: 'p' })
    const entries = ['p/a+b', 'p/a%2Bb', 'p/c%20d', 'p/e%01f']
      .map(key => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
      .join('')
    const head = '<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>'
    breakNext({
      kind: 'answer',
      status: 200,
      body: `<ListBucketResult>${head}${entries}</ListBucketResult>`,
    })
    const keys = (await listAll(store, '')).map(object => object.key)
    assert.deepEqual(keys, ['a b', 'a+b', 'c d', 'e\u0001f'])
    assert.match(proxy.requests.at(-1)?.path ?? '', /encoding-type=url/)
  })

  it('a listing out of order or of another place is refused', async () => {
    const store = await freshStore({ prefix: 'p' })
    for (const [keys, wanted] of [
      [['p/b', 'p/a'], 'corrupt'],
      [['p/a', 'p/a'], 'corrupt'],
      [['q/a'], 'store-unavailable'],
    ] as const) {
      const entries = keys.map(key => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
      const body = `<ListBucketResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`
      breakNext({ kind: 'answer', status: 200, body })
      await assert.rejects(listAll(store, ''), code(wanted))
    }
  })
})

describe('a put whose answer was lost', () => {
  it('is ours when the bytes are, and is not done twice', async () => {
    const store = await freshStore()
    breakNext({ kind: 'lose-answer' }, { method: 'PUT' })
    await patient(store).put('manifests/a/1.json', objectOf('mine'))
    assert.equal((await listAll(store, '')).length, 1)
  })

  it("is somebody else's when the bytes differ: object-exists", async () => {
    const store = await freshStore()
    await store.put('manifests/a/1.json', objectOf('hers'))
    breakNext({ kind: 'reset-in-request', afterBytes: 1 }, { method: 'PUT' })
    const put = patient(store).put('manifests/a/1.json', objectOf('mine'))
    await assert.rejects(put, code('object-exists'))
  })

  it('is not even looked at when the first answer was plain: object-exists', async () => {
    const store = await freshStore()
    await store.put('manifests/a/1.json', objectOf('same'))
    const put = patient(store).put('manifests/a/1.json', objectOf('same'))
    await assert.rejects(put, code('object-exists'))
  })
})

describe('final errors of an S3 server', () => {
  for (const [fault, wanted, words] of [
    [s3Error(403, 'AccessDenied'), 'store-refused', /access denied/],
    [s3Error(403, 'ExpiredToken'), 'store-refused', /expired/],
    [s3Error(403, 'InvalidObjectState'), 'archived', /archive/],
    [s3Error(404, 'NoSuchBucket'), 'repository-missing', /no such bucket/],
    [s3Error(404, 'NoSuchKey'), 'object-missing', /no such object/],
    [s3Error(400, 'EntityTooLarge'), 'store-refused', /larger/],
    [s3Error(501, 'NotImplemented'), 'store-refused', /does not know/],
    [s3Error(507, 'InsufficientStorage'), 'no-space', /full/],
    [s3Error(400, 'SomethingNew'), 'store-refused', /400 SomethingNew/],
    [
      s3Error(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' }),
      'store-refused',
      /region eu-west-3/,
    ],
  ] as const) {
    it(`${fault.kind === 'answer' ? fault.status : ''} ${words.source}: ${wanted}, at once`, async () => {
      const store = await freshStore()
      proxy.onRequest = () => fault
      const before = proxy.requests.length
      await assert.rejects(patient(store).get('a'), (error: unknown) => {
        assert.ok(isFailure(error, wanted), String(error))
        assert.match(error.message, words)
        return true
      })
      assert.equal(proxy.requests.length - before, 1)
    })
  }

  it('a server that is not there is unavailable, and the deadline ends the patience', async () => {
    for (const endpoint of ['http://127.0.0.1:9', 'http://no-such-host.invalid']) {
      const store = await freshStore({ endpoint })
      const started = Date.now()
      await assert.rejects(patient(store, 300).put('a', objectOf('x')), (error: unknown) => {
        assert.ok(isFailure(error, 'store-unavailable'), String(error))
        assert.match(error.message, /after \d+ attempts in/)
        return true
      })
      assert.ok(Date.now() - started < 3000)
    }
  })

  it('https to a server that speaks http says so', async () => {
    const store = await freshStore({ endpoint: proxy.endpoint.replace('http:', 'https:') })
    await assert.rejects(store.size('a'), code('store-refused'))
  })
})

describe('time', () => {
  it('a black hole ends at the idle timeout, and at once when the signal aborts', async () => {
    const store = await freshStore()
    proxy.onRequest = () => ({ kind: 'black-hole' })
    let started = Date.now()
    await assert.rejects(store.get('a'), retryable)
    assert.ok(Date.now() - started < 2000)
    const slow = await freshStore({ idleTimeoutMs: 60_000 })
    for (const kind of ['black-hole', 'deaf'] as const) {
      proxy.onRequest = () => ({ kind })
      started = Date.now()
      const signal = AbortSignal.timeout(100)
      const put = slow.put('a', objectOf(patternBytes(8 << 20)), { signal })
      await assert.rejects(put, code('interrupted'))
      assert.ok(Date.now() - started < 2000)
    }
  })

  it("Retry-After is waited for, in seconds or as a date of the server's", async () => {
    const store = await freshStore({ idleTimeoutMs: 20_000 })
    const waits: number[] = []
    const clock = {
      now: () => 0,
      sleep: async (ms: number) => {
        waits.push(ms)
      },
    }
    const impatient = withRetry(store, { clock, random: () => 0, deadlineMs: 1e9 })
    const date = new Date().toUTCString()
    const later = new Date(Date.parse(date) + 90_000).toUTCString()
    for (const headers of [{ 'retry-after': '7' }, { 'retry-after': later, date }]) {
      breakNext(s3Error(503, 'SlowDown', headers))
      for await (const _ of impatient.list('')) void _
    }
    assert.deepEqual(waits, [7000, 90_000])
  })

  it('a server whose clock is far from ours is signed for with its time', async () => {
    const store = await freshStore()
    const far = new Date(Date.now() + 7_200_000).toUTCString()
    breakNext(s3Error(403, 'RequestTimeTooSkewed', { date: far }))
    await assert.rejects(listAll(store, ''), retryable)
    await listAll(store, '').catch(() => {})
    const signedAt = String(proxy.requests.at(-1)?.headers['x-amz-date'])
    const iso = signedAt.replace(/^(....)(..)(..T..)(..)(..)Z$/, '$1-$2-$3:$4:$5Z')
    assert.ok(Math.abs(Date.parse(iso) - Date.parse(far)) < 60_000, signedAt)
  })
})

function retryable(error: unknown): true {
  assert.ok(isFailure(error), `a Failure was expected, not ${String(error)}`)
  assert.ok(error.retryable, `${error.code}: ${error.message}`)
  return true
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(objectOf(bytes).sha256).toString('hex')
}
