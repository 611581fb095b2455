import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { type Catalog, loadCatalog } from '../../src/catalog/catalog.ts'
import { ManifestCache } from '../../src/catalog/manifest-cache.ts'
import type { Repository } from '../../src/catalog/repository.ts'
import type { SigningKey } from '../../src/catalog/signing.ts'
import { putTombstone, removeTombstone, signTombstone } from '../../src/catalog/tombstones.ts'
import {
  manifestKey,
  signatureKey,
  tombstoneKey,
  tombstoneSignatureKey,
} from '../../src/format/object-key.ts'
import type { Tombstone } from '../../src/model/tombstone.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { repositoryId, seriesId, sha256Of } from '../format/samples.ts'
import { FaultyStore, failNth } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import {
  chainOfManifests,
  foreignKey,
  key,
  linkTo,
  manifestOf,
  repositoryWith,
  signed,
  signers,
  tombstoneOf,
} from './sample-series.ts'

const chain = chainOfManifests(4)

async function bury(
  repository: Repository,
  seq: number,
  { changes = {}, by = key }: { changes?: Partial<Tombstone>; by?: SigningKey } = {},
): Promise<void> {
  const manifest = chain[seq - 1]
  assert.ok(manifest)
  await putTombstone(repository, signTombstone({ ...tombstoneOf(manifest), ...changes }, by))
}

const live = (catalog: Catalog) =>
  catalog.series.get(seriesId)?.map(({ manifest }) => manifest.seq) ?? []
const hidden = (catalog: Catalog) =>
  catalog.hidden.get(seriesId)?.map(({ backup }) => backup.manifest.seq) ?? []
const problems = (catalog: Catalog) => catalog.problems.map(({ kind, seq }) => [kind, seq])

describe('a catalog with tombstones', () => {
  it('hides what is forgotten, and shows it again when the tombstone is gone', async () => {
    const repository = await repositoryWith(chain)
    await bury(repository, 4)
    await bury(repository, 3)
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual([live(catalog), hidden(catalog), catalog.problems], [[1, 2], [3, 4], []])
    assert.equal(catalog.highestSeqs.get(seriesId), 4)
    await removeTombstone(repository, { series: seriesId, seq: 3 })
    assert.deepEqual(live(await loadCatalog(repository, { signers })), [1, 2, 3])
  })

  it('L3: keeps live what a live backup needs, whatever tombstone lies beside it', async () => {
    const repository = await repositoryWith(chain)
    await bury(repository, 1)
    await bury(repository, 4)
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual([live(catalog), hidden(catalog)], [[1, 2, 3], [4]])
    assert.deepEqual(
      catalog.tombstones.map(({ seq }) => seq),
      [1, 4],
    )
  })

  it('L6: believes no tombstone of a key that may not forget, or of another manifest', async () => {
    const repository = await repositoryWith(chain)
    await bury(repository, 4, { by: foreignKey })
    await bury(repository, 3, { changes: { manifest: sha256Of('a') } })
    const wrongName = signTombstone(tombstoneOf(chain[0] ?? assert.fail()), key)
    await putTombstone(repository, { ...wrongName, seq: 2 })
    await repository.store.put(tombstoneKey(seriesId, 1), objectOf('{}'))
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual([live(catalog), hidden(catalog)], [[1, 2, 3, 4], []])
    assert.deepEqual(problems(catalog), [
      ['tombstone-untrusted', 1],
      ['tombstone-untrusted', 2],
      ['tombstone-untrusted', 4],
    ])
  })

  it('L9: is none at all when a tombstone cannot be read', async () => {
    const repository = await repositoryWith(chain)
    await bury(repository, 4)
    const store = new FaultyStore(repository.store, { onCall: failNth(9, undefined, 'get') })
    await assert.rejects(loadCatalog({ id: repositoryId, store }, { signers }), error =>
      isFailure(error, 'store-unavailable'),
    )
  })

  it('asks for nothing but the list when this machine has read them before', async () => {
    await withScratchFolder(async folder => {
      const repository = await repositoryWith(chain)
      await bury(repository, 4)
      const cache = new ManifestCache(folder, repositoryId)
      await loadCatalog(repository, { signers, cache })
      const store = new FaultyStore(repository.store)
      const catalog = await loadCatalog({ id: repositoryId, store }, { signers, cache })
      assert.deepEqual([hidden(catalog), store.calls.length], [[4], 1])
    })
  })

  it('does not call a forgotten backup vanished when it is gone, and forgets it too', async () => {
    await withScratchFolder(async folder => {
      const repository = await repositoryWith(chain)
      const cache = new ManifestCache(folder, repositoryId)
      await loadCatalog(repository, { signers, cache })
      await bury(repository, 4)
      await repository.store.delete(manifestKey(seriesId, 4))
      await repository.store.delete(signatureKey(seriesId, 4))
      const catalog = await loadCatalog(repository, { signers, cache })
      assert.deepEqual([live(catalog), catalog.problems], [[1, 2, 3], []])
      assert.equal(catalog.highestSeqs.get(seriesId), 4)
      await removeTombstone(repository, { series: seriesId, seq: 4 })
      assert.deepEqual((await loadCatalog(repository, { signers, cache })).problems, [])
      // One that nobody forgot is missed all the same.
      await repository.store.delete(manifestKey(seriesId, 3))
      assert.deepEqual(problems(await loadCatalog(repository, { signers, cache })), [
        ['vanished', 3],
      ])
    })
  })

  it('sees a new tombstone where an older one was undone', async () => {
    await withScratchFolder(async folder => {
      const repository = await repositoryWith(chain)
      const cache = new ManifestCache(folder, repositoryId)
      await bury(repository, 4)
      await loadCatalog(repository, { signers, cache })
      await removeTombstone(repository, { series: seriesId, seq: 4 })
      assert.deepEqual(live(await loadCatalog(repository, { signers, cache })), [1, 2, 3, 4])
      const createdAt = new Date('2027-01-01T00:00:00.000Z')
      await bury(repository, 4, { changes: { createdAt, notBefore: createdAt } })
      const [found] = (await loadCatalog(repository, { signers, cache })).tombstones
      assert.deepEqual(found?.createdAt, createdAt)
    })
  })
})

describe('putTombstone()', () => {
  it('replaces a signature that was left alone, and no tombstone', async () => {
    const store = new MemoryStore()
    const repository = await repositoryWith(chain, store)
    await store.put(tombstoneSignatureKey(seriesId, 4), objectOf('left by an undelete'))
    await bury(repository, 4)
    assert.deepEqual(hidden(await loadCatalog(repository, { signers })), [4])
    const other = { changes: { notBefore: new Date('2030-01-01T00:00:00.000Z') } }
    await assert.rejects(bury(repository, 4, other), error => isFailure(error, 'refused'))
    assert.deepEqual(hidden(await loadCatalog(repository, { signers })), [4])
  })

  it('cut at any call, leaves the backup live or hidden, and can be done again', async () => {
    for (let cut = 0; cut < 8; cut += 1) {
      for (const kind of ['fail-before', 'fail-after'] as const) {
        const repository = await repositoryWith(chain)
        const store = new FaultyStore(repository.store, { onCall: failNth(cut, { kind }) })
        await bury({ id: repositoryId, store }, 4).catch(() => {})
        const after = await loadCatalog(repository, { signers })
        assert.deepEqual([...live(after), ...hidden(after)], [1, 2, 3, 4])
        assert.deepEqual(after.problems, [])
        if (hidden(after).length === 0) await bury(repository, 4)
        assert.deepEqual(hidden(await loadCatalog(repository, { signers })), [4])
      }
    }
  })

  it('hides nothing of a child that was committed meanwhile', async () => {
    const repository = await repositoryWith(chain.slice(0, 2))
    await bury(repository, 2)
    const link = linkTo(chain[1] ?? assert.fail())
    const child = signed(manifestOf(3, { parent: link, previous: link.manifest }))
    const after = await loadCatalog(await repositoryWith([child], repository.store), { signers })
    assert.deepEqual([live(after), hidden(after)], [[1, 2, 3], []])
  })
})
