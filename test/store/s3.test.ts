// The S3 store against a real server.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { isFailure } from '../../src/base/failure.ts'
import { openS3Store, type S3Options } from '../../src/store/s3/open-s3-store.ts'
import type { Store } from '../../src/store/store.ts'
import { withRateLimit } from '../../src/store/with-rate-limit.ts'
import { objectOf, patternBytes } from '../support/objects.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { code, listAll, storeKeepsItsContract } from './contract.ts'

let server: Radosgw
let bucket: string

before(async () => {
  server = await startRadosgw()
  bucket = await server.makeBucket()
})

after(async () => {
  await server?.stop()
})

function optionsOf(options: Partial<S3Options> = {}): S3Options {
  return {
    bucket,
    prefix: `t-${randomBytes(6).toString('hex')}`,
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    connections: 32,
    ...options,
  }
}

async function freshStore(options: Partial<S3Options> = {}): Promise<Store> {
  return await openS3Store(optionsOf(options))
}

storeKeepsItsContract('the S3 store', freshStore, { parallel: 32 })
storeKeepsItsContract(
  'the S3 store in a whole bucket, paced, with CRC32',
  async () => {
    const own = await server.makeBucket()
    const store = await openS3Store(optionsOf({ bucket: own, prefix: '', checksums: 'crc32' }))
    const pace = async () => {}
    return {
      address: store.address,
      features: store.features,
      put: (key, object, options) => store.put(key, object, { ...options, pace }),
      get: (key, options) => store.get(key, { ...options, pace }),
      size: (key, options) => store.size(key, options),
      list: (prefix, options) => store.list(prefix, options),
      delete: (key, options) => store.delete(key, options),
      clock: options => store.clock(options),
      close: () => store.close(),
    }
  },
  { manyKeys: 20 },
)
storeKeepsItsContract(
  'the S3 store without create-if-absent, unsigned payload',
  () => freshStore({ createIfAbsent: false, payload: 'unsigned' }),
  { manyKeys: 20 },
)

describe('the S3 store', () => {
  it('says what is wrong with the credentials, and never shows them (L10)', async () => {
    const secretAccessKey = 'verysecretverysecretverysecret'
    for (const [credentials, why] of [
      [{ accessKeyId: server.accessKey, secretAccessKey }, /secret key is wrong/],
      [{ accessKeyId: 'AKUNKNOWNUNKNOWN', secretAccessKey }, /access key is not known/],
    ] as const) {
      const store = await freshStore({ credentials })
      const error: unknown = await store.put('a', objectOf('a')).catch((e: unknown) => e)
      assert.ok(isFailure(error, 'store-refused'))
      assert.match(error.message, why)
      const shown = `${error.stack} ${error.hint} ${JSON.stringify(error)} ${String(error.cause)}`
      assert.doesNotMatch(shown, /verysecret/)
      assert.ok(!shown.includes(server.secretKey))
      await store.close()
    }
  })

  it('says repository-missing for a bucket that is not there', async () => {
    const store = await freshStore({ bucket: 'there-is-no-such-bucket' })
    await assert.rejects(listAll(store, ''), code('repository-missing'))
    await assert.rejects(store.put('a', objectOf('a')), code('repository-missing'))
    await store.close()
  })

  it('is refused by a bucket of somebody else', async () => {
    const keys = ['--access-key', 'AKOTHER', '--secret-key', 'SKOTHER']
    server.admin(['user', 'create', '--uid=other', '--display-name=other', ...keys])
    const store = await freshStore({
      credentials: { accessKeyId: 'AKOTHER', secretAccessKey: 'SKOTHER' },
    })
    await assert.rejects(store.put('a', objectOf('a')), code('store-refused'))
    await assert.rejects(listAll(store, ''), code('store-refused'))
    assert.ok(Math.abs(((await store.clock()) ?? 0) - Date.now()) < 60_000)
    await store.close()
    server.admin(['user', 'rm', '--uid=other'])
  })

  it('a body that does not match its hash is refused by the server', async () => {
    const store = await freshStore()
    const object = {
      ...objectOf('what was hashed'),
      bytes: new TextEncoder().encode('what was sent'),
    }
    await assert.rejects(store.put('a', object), code('corrupt'))
    await assert.rejects(store.put('a', object, { pace: async () => {} }), code('corrupt'))
    assert.deepEqual(await listAll(store, ''), [])
    await store.close()
  })

  it('stores large objects, paced or not, as they are', async () => {
    const store = await freshStore()
    const bytes = patternBytes(16 * 1024 * 1024 + 17)
    let pacedBytes = 0
    const pace = async (count: number) => {
      pacedBytes += count
    }
    await store.put('whole', objectOf(bytes), { kind: 'segment' })
    await store.put('paced', objectOf(bytes), { pace })
    assert.equal(pacedBytes, bytes.length)
    assert.deepEqual(await store.get('whole'), bytes)
    assert.deepEqual(await store.get('paced', { pace }), bytes)
    assert.equal(pacedBytes, 2 * bytes.length)
    await store.close()
  })

  it('lists foreign keys with odd characters instead of failing over them', async () => {
    const { PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
    const options = optionsOf()
    const client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    })
    const odd = ['a b', 'a%41', 'a+b', 'a\u0001b', 'ä/ö', 'é&<>"', '\uffee', '😀']
    for (const key of odd) {
      const Key = `${options.prefix}/${key}`
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    }
    client.destroy()
    const store = await openS3Store(options)
    const keys = (await listAll(store, '')).map(object => object.key)
    assert.deepEqual(
      keys,
      odd.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    )
    await store.close()
  })

  it('a rate limit holds on the wire, evenly, both ways', async () => {
    const arrivals: { readonly at: number; readonly bytes: number }[] = []
    const sink = createServer((request, response) => {
      request.on('data', (chunk: Buffer) =>
        arrivals.push({ at: performance.now(), bytes: chunk.length }),
      )
      request.on('end', () => response.setHeader('etag', '"x"').end())
    })
    await new Promise<void>(done => sink.listen(0, '127.0.0.1', done))
    const address = sink.address()
    assert.ok(typeof address === 'object' && address !== null)
    const bare = await freshStore({ endpoint: `http://127.0.0.1:${address.port}` })
    const store = withRateLimit(bare, { upBytesPerSecond: 2_000_000 }, systemClock)
    const started = performance.now()
    const objects = [1, 2].map(n => objectOf(patternBytes(500_000, n)))
    await Promise.all(objects.map((object, n) => store.put(`k${n}`, object)))
    const took = performance.now() - started
    assert.ok(took > 450 && took < 900, `${took} ms for a megabyte at 2 MB/s`)
    for (let from = 0; from < 400; from += 100) {
      const inWindow = arrivals.filter(
        ({ at }) => at >= started + from && at < started + from + 100,
      )
      const bytes = inWindow.reduce((sum, arrival) => sum + arrival.bytes, 0)
      assert.ok(bytes < 400_000, `${bytes} bytes within 100 ms`)
    }
    await store.close()
    sink.close()

    const real = await freshStore()
    await real.put('k', objectOf(patternBytes(500_000)))
    const slow = withRateLimit(real, { downBytesPerSecond: 2_000_000 }, systemClock)
    const from = performance.now()
    assert.equal((await slow.get('k')).length, 500_000)
    assert.ok(performance.now() - from > 180)
    await slow.close()
  })

  it('a pace that fails ends the put with its error and stores nothing', async () => {
    const store = await freshStore()
    let calls = 0
    const pace = async () => {
      calls += 1
      if (calls === 3) throw new Error('the pace broke')
    }
    await assert.rejects(
      store.put('a', objectOf(patternBytes(1 << 20)), { pace }),
      /the pace broke/,
    )
    assert.deepEqual(await listAll(store, ''), [])
    await store.close()
  })

  it('reads credentials from a profile, and says when there are none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'btrvault-test-s3-'))
    const saved = { ...process.env }
    try {
      for (const name of Object.keys(process.env))
        if (name.startsWith('AWS_')) delete process.env[name]
      process.env['AWS_EC2_METADATA_DISABLED'] = 'true'
      process.env['AWS_CONFIG_FILE'] = join(folder, 'config')
      process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(folder, 'credentials')
      writeFileSync(join(folder, 'config'), '')
      const lines = [
        `aws_access_key_id = ${server.accessKey}`,
        `aws_secret_access_key = ${server.secretKey}`,
      ]
      writeFileSync(join(folder, 'credentials'), `[backup]\n${lines.join('\n')}\n`)
      const { credentials: _, ...options } = optionsOf()
      const store = await openS3Store({ ...options, profile: 'backup' })
      await store.put('a', objectOf('a'))
      assert.equal(await store.size('a'), 1)
      await store.close()
      for (const profile of [undefined, 'no-such-profile']) {
        const without = await openS3Store({ ...options, profile })
        await assert.rejects(without.size('a'), (error: unknown) => {
          assert.ok(isFailure(error, 'store-refused'), String(error))
          assert.match(error.message, /no credentials were found/)
          return true
        })
        await without.close()
      }
    } finally {
      process.env = saved
      rmSync(folder, { recursive: true })
    }
  })

  it('refuses an endpoint that holds credentials or is none', async () => {
    for (const endpoint of ['https://user:pass@example.org', 'example.org', 'ftp://example.org']) {
      await assert.rejects(freshStore({ endpoint }), (error: unknown) => {
        assert.ok(isFailure(error, 'config-invalid'))
        assert.doesNotMatch(error.message, /pass@/)
        return true
      })
    }
  })
})
