// A store that lies and a forger who knows the recipients: what they show is not believed, what
// they swell is not held, and none of it reaches receive.

import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { generateSigningKey, loadSigningKey, type SigningKey } from '../../src/catalog/signing.ts'
import { readSigningKey } from '../../src/commands/shared/keys.ts'
import { encodeRepository } from '../../src/format/repository.ts'
import { asSeriesId, type RepositoryId, type SeriesId } from '../../src/model/ids.ts'
import type { GetOptions, ListedObject, Store } from '../../src/store/store.ts'
import { ownUuid, sampleStream } from '../stream/sample-stream.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'
import { type Forgery, forge } from './forge.ts'
import { lookInto } from './laws.ts'
import { Stand } from './stand.ts'

type Bytes = Uint8Array<ArrayBuffer>

const otherSeries = asSeriesId('0123456789abcdef0123456789abcdef') as SeriesId
let base: Stand
let stand: Stand
let ours: SigningKey
let thief: SigningKey
let repository: RepositoryId
let series: SeriesId
/** What a backup of ours, forged whole, would be. */
let forgery: Forgery

before(async () => {
  base = await Stand.make()
  for (let n = 0; n < 2; n += 1) {
    assert.equal((await base.backup()).exitStatus, 0)
    base.btrfs.change(base.source)
  }
  ours = await readSigningKey(base.config.keys.signingKey)
  thief = loadSigningKey(generateSigningKey('thief').privateKeyText, 'thief')
  const [manifest] = (await lookInto(base.openedStore)).manifests.values()
  series = manifest?.series as SeriesId
  repository = JSON.parse(textOf(base.openedStore.objects.get('repository.json'))).id
  forgery = {
    repository,
    series,
    seq: 3,
    source: 'home',
    recipients: base.config.keys.recipients,
    signingKey: ours,
    stream: sampleStream(2),
    facts: { uuid: ownUuid, ctransid: 7, version: 2 },
  }
})
beforeEach(() => {
  stand = base.fork({ forgetful: true })
})
after(() => base.remove())

describe('a forged backup', () => {
  it('is restored when it is ours in everything: so that the rest of these tests says something', async () => {
    await place(await forge(forgery))
    const report = await stand.restore()
    assert.deepEqual([report.id, stand.received.length], [3, 1])
    stand.remove()
  })

  for (const [what, change, why] of [
    ['signed by a stranger’s key', () => ({ signingKey: thief }), /cannot trust/],
    ['signed in another namespace', () => ({ namespace: 'file' }), /cannot trust/],
    [
      'of another repository',
      () => ({ repository: 'f'.repeat(32) as RepositoryId }),
      /belongs to another repository/,
    ],
    [
      'of another series',
      () => ({ manifest: one => ({ ...one, series: otherSeries }) }),
      /belongs under another name/,
    ],
    [
      'of another number',
      () => ({ manifest: one => ({ ...one, seq: 9 }) }),
      /belongs under another name/,
    ],
  ] as readonly (readonly [string, () => Partial<Forgery>, RegExp])[]) {
    it(`${what} is not listed, and the newest of ours is restored`, async () => {
      await place(await forge({ ...forgery, ...change() }))
      const report = await stand.restore()
      assert.equal(report.id, 2)
      assert.match(JSON.stringify(stand.events), why)
      stand.remove()
    })
  }

  it('signed by a key that was expired at the time it claims is not listed', async () => {
    const file = stand.config.keys.allowedSigners
    const line = readFileSync(file, 'utf8').replace(
      'namespaces=',
      'valid-before="20300101Z",namespaces=',
    )
    writeFileSync(file, line)
    await place(await forge({ ...forgery, createdAt: new Date('2031-01-01T00:00:00Z') }))
    assert.equal((await stand.restore()).id, 2)
    assert.match(JSON.stringify(stand.events), /cannot trust/)
    stand.remove()
  })

  it('under a number of ours hides that backup and is still not believed', async () => {
    await place(await forge({ ...forgery, seq: 2, signingKey: thief }))
    const report = await stand.restore()
    assert.equal(report.id, 1)
    assert.match(JSON.stringify(stand.events), /cannot trust/)
    stand.remove()
  })

  it('by another allowed signer in our series is held to what its index says of its signer', async () => {
    appendFileSync(
      stand.config.keys.allowedSigners,
      `btrvault ${generateSigningKey('x').publicKeyLine}\n`,
    )
    const begin: Forgery['begin'] = one => ({ ...one, signer: thief.fingerprint })
    await place(await forge({ ...forgery, begin }))
    await refused('corrupt', /made for another backup/)
  })

  it('whose objects were sealed for another place is refused', async () => {
    const elsewhere = await forge({ ...forgery, seq: 7 })
    const manifest: Forgery['manifest'] = one => ({ ...one })
    const honest = await forge({ ...forgery, manifest })
    const [strange] = [...elsewhere].filter(([key]) => key.startsWith('segments/'))
    const [ownKey] = [...honest.keys()].filter(key => key.startsWith('segments/'))
    honest.set(ownKey as string, strange?.[1] as Bytes)
    await place(honest)
    await refused('corrupt', /SHA-256|bytes/)
  })
})

describe('a frame or an index that swells or lies, signed by an allowed key,', () => {
  const cases: readonly (readonly [string, Partial<Forgery>])[] = [
    ['a segment’s frame that claims 1 TiB', { frame: claiming(2n ** 40n) }],
    ['a segment’s frame that unpacks to more than it should', { frame: () => bomb() }],
    ['an index’s frame that claims 1 TiB', { indexFrame: claiming(2n ** 40n) }],
    ['an index’s frame that unpacks to more than a frame', { indexFrame: () => bomb() }],
    [
      'an index’s frame that claims 1 TiB, in a manifest that allows it',
      {
        indexFrame: claiming(2n ** 40n),
        manifest: one => ({
          ...one,
          parameters: { ...one.parameters, frameSize: 2 ** 41, segmentSize: 2 ** 41 },
        }),
      },
    ],
    [
      'a header that is longer than it is',
      { segment: one => ({ ...one, header: one.header + 1 }) },
    ],
    ['a header of 2^50 bytes', { segment: one => ({ ...one, header: 2 ** 50 }) }],
    ['a lead of 2^50 bytes', { segment: one => ({ ...one, lead: 2 ** 50 }) }],
    ['a frame of 2^50 bytes', { segment: one => ({ ...one, frames: [2 ** 50] }) }],
    ['no frames', { segment: one => ({ ...one, frames: [] }) }],
    [
      'a million frames',
      { segment: one => ({ ...one, frames: Array.from({ length: 1_000_000 }, () => 1) }) },
    ],
    ['another length of the stream', { segment: one => ({ ...one, raw: one.raw + 1 }) }],
    ['a wrong file key', { segment: one => ({ ...one, key: 'A'.repeat(22) + '==' }) }],
    ['no file key', { segment: one => ({ ...one, key: null }) }],
    ['a short file key', { segment: one => ({ ...one, key: 'AAAA' }) }],
    ['a record of 4 GiB', { index: raw => swollen(raw) }],
    ['a record that is cut', { index: raw => raw.slice(0, -5) }],
    ['a record of an unknown type', { index: raw => typed(raw, 9) }],
  ]
  for (const [what, change] of cases) {
    it(`${what}: is refused before receive gets a byte, in little memory`, async () => {
      await place(await forge({ ...forgery, ...change }))
      const before = process.memoryUsage.rss()
      await refused('corrupt', /./)
      const grown = process.memoryUsage.rss() - before
      assert.ok(grown < 400 * 1024 * 1024, `${grown} bytes more in memory`)
    })
  }
})

describe('a hostile store', () => {
  it('that claims large documents is never asked for more than a bound', async () => {
    const asked: (readonly [string, number | undefined])[] = []
    const store = stand.openedStore
    const get = store.get.bind(store)
    store.get = async (key: string, options: GetOptions) => {
      asked.push([key, options.maxBytes ?? options.objectBytes])
      return await get(key, options)
    }
    await stand.restore()
    assert.ok(asked.length > 5)
    for (const [key, maxBytes] of asked) {
      assert.ok((maxBytes ?? Number.POSITIVE_INFINITY) <= 256 * 1024 * 1024, `${key}: ${maxBytes}`)
    }
    stand.remove()
  })

  it('that shows a manifest larger than its bound is refused it as damaged', async () => {
    const key = manifestKeys()[1] as string
    const store = stand.openedStore
    await store.put(key, objectOf(new Uint8Array(257 * 1024 * 1024)), { replace: true })
    const report = await stand.restore()
    assert.equal(report.id, 1)
    assert.match(JSON.stringify(stand.events), /longer than/)
    stand.remove()
  })

  it('that lists 200,000 manifests is read to its end, and its news stay short', async () => {
    const begun = performance.now()
    const store = listing(ghosts(200_000))
    const report = await stand.restore({}, { openStore: stand.openStore(() => store) })
    assert.equal(report.id, 2)
    assert.ok(stand.events.length < 200, `${stand.events.length} events`)
    assert.ok(performance.now() - begun < 60_000)
    stand.remove()
  })

  it('that lists names with dots, slashes and control characters has them passed over', async () => {
    const bad = [
      'manifests/../../../etc/passwd',
      `manifests/${series}/../../x.json`,
      `manifests/${series}/00000009.json\n`,
      `manifests/${series}/\u001b[31m00000009.json`,
      `manifests/${series}/99999999999999999999.json`,
      `manifests/${series.toUpperCase()}/00000009.json`,
      `manifests//00000009.json`,
      'manifests/',
      '',
    ]
    const store = listing(bad.map(key => ({ key, bytes: 1 })))
    const report = await stand.restore({}, { openStore: stand.openStore(() => store) })
    assert.equal(report.id, 2)
    const said = JSON.stringify(stand.events)
    assert.ok(!/passwd|\\u001b|\\n|00000009/.test(said), said)
    stand.remove()
  })

  it('that shows the last number as taken has no backup put where no list would find it', async () => {
    const key = `manifests/${series}/999999999999.json.sig`
    const store = listing([{ key, bytes: 1 }])
    const report = await stand.backup({ openStore: stand.openStore(() => store) })
    assert.equal(report.exitStatus, 4, JSON.stringify(report.sources))
    assert.match(report.sources[0]?.failures[0]?.message ?? '', /seq is used up/)
    assert.equal(manifestKeys().length, 2)
    stand.remove()
  })

  it('with a repository of a later version is refused, with a word on what to do', async () => {
    const bytes = encodeRepository({ id: repository, createdAt: new Date() })
    const later = textOf(bytes).replace('"version": 1', '"version": 2')
    await stand.openedStore.put('repository.json', objectOf(later), { replace: true })
    await refused('refused', /format version is 2/)
  })

  it('with a manifest of a later version does not guess at it', async () => {
    const text = (bytes: Bytes): Bytes => {
      const later = textOf(bytes).replace('"version": 1', '"version": 2')
      return new Uint8Array(Buffer.from(later))
    }
    await place(await forge({ ...forgery, text }))
    assert.equal((await stand.restore()).id, 2)
    assert.match(JSON.stringify(stand.events), /format version is 2/)
    stand.remove()
  })

  it('that swaps the repository under a machine that knows it is neither read nor written', async () => {
    const known = base.fork()
    const id = 'e'.repeat(32) as RepositoryId
    const bytes = encodeRepository({ id, createdAt: new Date() })
    await known.openedStore.put('repository.json', objectOf(bytes), { replace: true })
    const before = await lookInto(known.openedStore)
    assert.equal((await known.backup()).exitStatus, 4)
    await assert.rejects(known.restore(), error => isFailure(error, 'refused'))
    assert.deepEqual(await lookInto(known.openedStore), before)
    known.remove()
    stand.remove()
  })

  it('L9: whose listing ends in an error is not taken for an empty one', async () => {
    const fault = { kind: 'fail-after' } as const
    const store = new FaultyStore(stand.openedStore, {
      onCall: ({ operation }) => (operation === 'list' ? fault : undefined),
    })
    const openStore = stand.openStore(() => store)
    await assert.rejects(stand.restore({}, { openStore }), error =>
      isFailure(error, 'store-unavailable'),
    )
    const report = await stand.backup({ openStore })
    assert.equal(report.exitStatus, 30)
    assert.equal(store.count('put'), 0)
    stand.remove()
  })
})

async function refused(code: Failure['code'], says: RegExp): Promise<void> {
  const outcome = await stand.restore().catch((error: unknown) => error)
  assert.ok(outcome instanceof Failure, `was restored, or a bug: ${String(outcome)}`)
  assert.equal(outcome.code, code, outcome.message)
  assert.match(outcome.message, says)
  for (const { bytes, ended } of stand.received) assert.deepEqual([bytes.length, ended], [0, false])
  assert.deepEqual(await stand.btrfs.listIn(stand.target), [])
  stand.remove()
}

async function place(objects: ReadonlyMap<string, Bytes>): Promise<void> {
  for (const [key, bytes] of objects) {
    await stand.openedStore.put(key, objectOf(bytes), { replace: true })
  }
}

function manifestKeys(): string[] {
  return [...stand.openedStore.objects.keys()].filter(key => /manifests.*\.json$/.test(key)).sort()
}

/** The store, with more in its listings than there is. */
function listing(extra: Iterable<ListedObject>): Store {
  const inner = stand.openedStore
  const list = inner.list.bind(inner)
  inner.list = async function* (prefix, options) {
    yield* list(prefix, options)
    for (const object of extra) if (object.key.startsWith(prefix)) yield object
  }
  return inner
}

function* ghosts(count: number): Generator<ListedObject> {
  for (let n = 0; n < count; n += 1) {
    const key = `manifests/${n.toString(16).padStart(32, '0')}/00000001.json`
    yield { key, bytes: 1000 }
  }
}

/** The frame with another content size in its header (RFC 8878 §3.1.1): 8 bytes of it. */
function claiming(bytes: bigint): (frame: Bytes) => Bytes {
  return frame => {
    const header = Buffer.alloc(13)
    header.writeUInt32LE(0xfd2fb528, 0)
    header[4] = 0xe4
    header.writeBigUInt64LE(bytes, 5)
    return new Uint8Array(Buffer.concat([header, frame.subarray(13)]))
  }
}

/** A frame of 64 run-length blocks of 128 KiB each: 8 MiB out of 270 bytes. */
function bomb(): Bytes {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
  const blocks = Array.from({ length: 64 }, (_, n) => {
    const block = Buffer.alloc(4)
    block.writeUIntLE((131_072 << 3) | 2 | (n === 63 ? 1 : 0), 0, 3)
    return block
  })
  return new Uint8Array(Buffer.concat([header, ...blocks]))
}

function swollen(raw: Bytes): Bytes {
  const copy = raw.slice()
  new DataView(copy.buffer).setUint32(0, 0xffff_ffff, true)
  return copy
}

function typed(raw: Bytes, type: number): Bytes {
  const copy = raw.slice()
  const second = 5 + new DataView(copy.buffer).getUint32(0, true)
  copy[second + 4] = type
  return copy
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8')
}
