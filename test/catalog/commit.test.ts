import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { loadCatalog } from '../../src/catalog/catalog.ts'
import { confirmObjects, namedObjects, putManifest } from '../../src/catalog/commit.ts'
import { manifestKey, signatureKey } from '../../src/format/object-key.ts'
import type { Manifest } from '../../src/model/backup.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { incrementalManifest, repositoryId, runId, seriesId, sha256Of } from '../format/samples.ts'
import { FaultyStore, failNth } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'
import { foreignKey, manifestOf, repositoryWith, signed, signers } from './sample-series.ts'

/** Small objects, for they are all stored here. */
const manifest: Manifest = manifestOf(1, {
  segments: ['1', '2', '3'].map(digit => ({ sha256: sha256Of(digit), bytes: Number(digit) })),
  indexes: [{ sha256: sha256Of('4'), bytes: 4 }],
})

async function withObjects(store = new MemoryStore()) {
  for (const { key, bytes } of namedObjects(manifest))
    await store.put(key, objectOf(new Uint8Array(bytes)))
  return { id: repositoryId, store }
}

describe('namedObjects()', () => {
  it('gives each object its one name: by role, place, hash and what was done to it', () => {
    assert.deepEqual(
      [...namedObjects(manifest)].map(({ key }) => key),
      [
        `segments/${seriesId}/${runId}/00000000-${sha256Of('1')}.age`,
        `segments/${seriesId}/${runId}/00000001-${sha256Of('2')}.age`,
        `segments/${seriesId}/${runId}/00000002-${sha256Of('3')}.age`,
        `indexes/${seriesId}/${runId}/00000000-${sha256Of('4')}.age`,
      ],
    )
    const [plain] = namedObjects(incrementalManifest)
    assert.ok(plain?.key.endsWith('.raw'))
  })
})

describe('confirmObjects()', () => {
  it('L2: is content only when each object that the manifest names is there in its size', async () => {
    await confirmObjects(await withObjects(), manifest)
    for (const { key, bytes } of namedObjects(manifest)) {
      const missing = await withObjects()
      await missing.store.delete(key)
      await assert.rejects(confirmObjects(missing, manifest), error => {
        return isFailure(error, 'object-missing') && error.message.includes(key)
      })
      for (const length of [0, bytes - 1, bytes + 1]) {
        const other = await withObjects()
        await other.store.put(key, objectOf(new Uint8Array(length)), { replace: true })
        await assert.rejects(confirmObjects(other, manifest), error => isFailure(error, 'corrupt'))
      }
    }
  })

  it('L2: takes no object of another run, series or role for it', async () => {
    const store = new MemoryStore()
    for (const { key, bytes } of namedObjects(manifest)) {
      await store.put(key.replace(runId, 'f'.repeat(32)), objectOf(new Uint8Array(bytes)))
    }
    const confirming = confirmObjects({ id: repositoryId, store }, manifest)
    await assert.rejects(confirming, error => isFailure(error, 'object-missing'))
  })

  it('L9: throws when a listing fails, and never takes it for an empty one', async () => {
    const { store } = await withObjects()
    for (const n of [0, 1]) {
      for (const kind of ['fail-before', 'fail-after'] as const) {
        const faulty = new FaultyStore(store, { onCall: failNth(n, { kind }, 'list') })
        const confirming = confirmObjects({ id: repositoryId, store: faulty }, manifest)
        await assert.rejects(confirming, error => isFailure(error, 'store-unavailable'))
      }
    }
  })

  it('is ended by its signal', async () => {
    const confirming = confirmObjects(await withObjects(), manifest, AbortSignal.abort())
    await assert.rejects(confirming, error => isFailure(error, 'interrupted'))
  })
})

describe('putManifest()', () => {
  it('L2: puts the signature first and the manifest last', async () => {
    const store = new FaultyStore(new MemoryStore())
    await repositoryWith([signed(manifest)], store)
    const puts = store.calls.filter(({ operation }) => operation === 'put').map(({ key }) => key)
    assert.deepEqual(puts, [signatureKey(seriesId, 1), manifestKey(seriesId, 1)])
  })

  it('L2: a backup exists only after the last of its calls, wherever it is cut', async () => {
    const one = signed(manifest)
    for (const [n, kind, exists] of [
      [0, 'fail-before', false],
      [0, 'fail-after', false],
      [1, 'fail-before', false],
      [1, 'fail-after', true],
    ] as const) {
      const store = new MemoryStore()
      const faulty = new FaultyStore(store, { onCall: failNth(n, { kind }, 'put') })
      await assert.rejects(putManifest({ id: repositoryId, store: faulty }, one))
      const catalog = await loadCatalog({ id: repositoryId, store }, { signers })
      assert.equal(catalog.series.get(seriesId)?.length ?? 0, exists ? 1 : 0, `${kind} ${n}`)
      assert.deepEqual(catalog.problems, [])
      // The next run puts the very same bytes.
      await putManifest({ id: repositoryId, store }, one)
      const after = await loadCatalog({ id: repositoryId, store }, { signers })
      assert.equal(after.series.get(seriesId)?.length, 1)
    }
  })

  it('L5: never replaces what another writer put under the number', async () => {
    for (const theirs of [
      signed(manifest, foreignKey),
      signed({ ...manifest, program: 'other' }),
    ]) {
      const { store } = await repositoryWith([theirs])
      const before = await store.get(manifestKey(seriesId, 1))
      await assert.rejects(putManifest({ id: repositoryId, store }, signed(manifest)), error => {
        return isFailure(error, 'refused') && /another writer took its number/.test(error.message)
      })
      assert.deepEqual(await store.get(manifestKey(seriesId, 1)), before)
      assert.deepEqual(
        Buffer.from(await store.get(signatureKey(seriesId, 1))).toString(),
        theirs.signature,
      )
    }
  })

  it('L5: asks for creation, and never to replace', async () => {
    const options: unknown[] = []
    class Watching extends MemoryStore {
      override async put(...args: Parameters<MemoryStore['put']>): Promise<void> {
        options.push(args[2]?.replace)
        await super.put(...args)
      }
    }
    await repositoryWith([signed(manifest)], new Watching())
    assert.deepEqual(options, [undefined, undefined])
  })
})
