import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { type Catalog, chainOf, loadCatalog } from '../../src/catalog/catalog.ts'
import { ManifestCache } from '../../src/catalog/manifest-cache.ts'
import type { Repository } from '../../src/catalog/repository.ts'
import { sign } from '../../src/catalog/signing.ts'
import { manifestKey, signatureKey } from '../../src/format/object-key.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { repositoryId, seriesId, sha256Of } from '../format/samples.ts'
import { FaultyStore } from '../support/faulty-store.ts'
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
  signersOf,
} from './sample-series.ts'

const seqsOf = (catalog: Catalog) =>
  [...(catalog.series.get(seriesId) ?? [])].map(({ manifest }) => manifest.seq)
const problemsOf = (catalog: Catalog) => catalog.problems.map(({ kind, seq }) => [kind, seq])

async function overwrite({ store }: Repository, key: string, content: string | Uint8Array) {
  await store.put(key, objectOf(content), { replace: true })
}

describe('loadCatalog()', () => {
  it('is empty for a repository without backups', async () => {
    const catalog = await loadCatalog(await repositoryWith([]), { signers })
    assert.deepEqual([catalog.series.size, catalog.problems, catalog.highestSeqs.size], [0, [], 0])
  })

  it('has every backup, in the order of the numbers, with who signed it', async () => {
    const catalog = await loadCatalog(await repositoryWith(chainOfManifests(12)), { signers })
    assert.deepEqual(seqsOf(catalog), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    assert.deepEqual(catalog.problems, [])
    assert.equal(catalog.highestSeqs.get(seriesId), 12)
    const [first] = catalog.series.get(seriesId) ?? []
    assert.equal(first?.signer, key.fingerprint)
  })

  it('keeps series apart, also two that were signed by different keys', async () => {
    const other = '0'.repeat(32) as typeof seriesId
    const theirs = signed(manifestOf(1, { series: other }), foreignKey)
    const repository = await repositoryWith([...chainOfManifests(2), theirs])
    const catalog = await loadCatalog(repository, { signers: signersOf(key, foreignKey) })
    assert.deepEqual([...catalog.series.keys()].sort(), [other, seriesId].sort())
    assert.deepEqual(catalog.problems, [])
  })

  it('ignores names that are not ours', async () => {
    const repository = await repositoryWith(chainOfManifests(1))
    for (const name of [
      'manifests/readme',
      `manifests/${seriesId}/1.json`,
      `manifests/${seriesId}/00000002.json.bak`,
    ]) {
      await overwrite(repository, name, 'x')
    }
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual([seqsOf(catalog), catalog.problems], [[1], []])
  })

  it('L6: believes no backup that a key signed which is not allowed here', async () => {
    const forged = signed(manifestOf(2), foreignKey)
    const catalog = await loadCatalog(await repositoryWith([...chainOfManifests(1), forged]), {
      signers,
    })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1], [['untrusted', 2]]])
    // Its number is taken all the same.
    assert.equal(catalog.highestSeqs.get(seriesId), 2)
  })

  it('L6: believes nothing of a manifest of which any one byte was changed', async () => {
    const chain = chainOfManifests(1)
    const [{ manifest: bytes } = { manifest: new Uint8Array() }] = chain
    const repository = await repositoryWith(chain)
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = bytes.slice()
      altered[at] = (altered[at] ?? 0) ^ (1 << (at & 7))
      await overwrite(repository, manifestKey(seriesId, 1), altered)
      const catalog = await loadCatalog(repository, { signers })
      assert.deepEqual(
        [seqsOf(catalog), problemsOf(catalog)],
        [[], [['untrusted', 1]]],
        `byte ${at}`,
      )
    }
  })

  it('finds manifests that were swapped, with their signatures too', async () => {
    const [first, second] = chainOfManifests(2)
    assert.ok(first && second)
    const repository = await repositoryWith([])
    await repositoryWith(
      [
        { ...first, seq: 2 },
        { ...second, seq: 1 },
      ],
      repository.store,
    )
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual(problemsOf(catalog), [
      ['untrusted', 1],
      ['untrusted', 2],
    ])
  })

  it('believes no backup of another repository, copied into this one', async () => {
    const copied = signed(manifestOf(1, { repository: '0'.repeat(32) as typeof repositoryId }))
    const catalog = await loadCatalog(await repositoryWith([copied]), { signers })
    assert.deepEqual(problemsOf(catalog), [['untrusted', 1]])
  })

  it('names a manifest without its signature, and a signature alone takes its number', async () => {
    const repository = await repositoryWith(chainOfManifests(3))
    await repository.store.delete(signatureKey(seriesId, 3))
    await overwrite(repository, signatureKey(seriesId, 9), 'a run that was cut')
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1, 2], [['signature-missing', 3]]])
    assert.equal(catalog.highestSeqs.get(seriesId), 9)
  })

  it('L3: leaves out a backup whose parent is not there, and all that build on it', async () => {
    const repository = await repositoryWith(chainOfManifests(4))
    await repository.store.delete(manifestKey(seriesId, 2))
    const catalog = await loadCatalog(repository, { signers })
    assert.deepEqual(seqsOf(catalog), [1])
    assert.deepEqual(problemsOf(catalog), [
      ['parent-missing', 3],
      ['parent-missing', 4],
    ])
  })

  it('L3: leaves out a backup whose parent is another manifest of that number', async () => {
    const [first] = chainOfManifests(1)
    assert.ok(first)
    const child = signed(manifestOf(2, { parent: { ...linkTo(first), manifest: sha256Of('e') } }))
    const catalog = await loadCatalog(await repositoryWith([first, child]), { signers })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1], [['parent-missing', 2]]])
  })

  it('tells of a fork: two backups that follow the same one', async () => {
    const [first] = chainOfManifests(1)
    assert.ok(first)
    const link = linkTo(first)
    const follow = (seq: number) =>
      signed(manifestOf(seq, { parent: link, previous: link.manifest }))
    const catalog = await loadCatalog(await repositoryWith([first, follow(2), follow(3)]), {
      signers,
    })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1, 2, 3], [['fork', 3]]])
    const twoFirst = await repositoryWith([first, signed(manifestOf(2))])
    assert.deepEqual(problemsOf(await loadCatalog(twoFirst, { signers })), [['fork', 2]])
  })

  it('leaves a later version unread, and goes on with the rest', async () => {
    const [first] = chainOfManifests(1)
    assert.ok(first)
    const text = Buffer.from(signed(manifestOf(2)).manifest)
      .toString()
      .replace('"version": 1', '"version": 2')
    const manifest = new Uint8Array(Buffer.from(text))
    const signature = sign(manifest, { key, namespace: 'manifest@btrvault' })
    const later = { series: seriesId, seq: 2, manifest, signature }
    const catalog = await loadCatalog(await repositoryWith([first, later]), { signers })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1], [['unreadable', 2]]])
    assert.match(catalog.problems[0]?.text ?? '', /format version is 2/)
  })

  it('L9: throws when a listing fails, at its begin or in its middle', async () => {
    const { store } = await repositoryWith(chainOfManifests(5))
    for (const kind of ['fail-before', 'fail-after'] as const) {
      const faulty = new FaultyStore(store, {
        onCall: ({ operation }) => (operation === 'list' ? { kind } : undefined),
      })
      const loading = loadCatalog({ id: repositoryId, store: faulty }, { signers })
      await assert.rejects(loading, error => isFailure(error, 'store-unavailable'))
    }
  })

  it('L9: throws when any one manifest or signature can not be read', async () => {
    const { store } = await repositoryWith(chainOfManifests(3))
    for (const lost of [1, 2, 3].flatMap(seq => [
      manifestKey(seriesId, seq),
      signatureKey(seriesId, seq),
    ])) {
      const faulty = new FaultyStore(store, {
        onCall: ({ operation, key }) =>
          operation === 'get' && key === lost ? { kind: 'fail-before' } : undefined,
      })
      const loading = loadCatalog({ id: repositoryId, store: faulty }, { signers })
      await assert.rejects(loading, error => isFailure(error, 'store-unavailable'), lost)
    }
  })

  it('L9: throws when what was listed is not there any more', async () => {
    const { store } = await repositoryWith(chainOfManifests(1))
    const ghosts = [2].flatMap(seq => [manifestKey(seriesId, seq), signatureKey(seriesId, seq)])
    const faulty = new FaultyStore(store, {
      onCall: ({ operation }) =>
        operation === 'list'
          ? { kind: 'stale-list', ghosts: ghosts.map(key => ({ key, bytes: 9 })) }
          : undefined,
    })
    const loading = loadCatalog({ id: repositoryId, store: faulty }, { signers })
    await assert.rejects(loading, error => isFailure(error, 'object-missing'))
  })

  it('is ended by its signal', async () => {
    const repository = await repositoryWith(chainOfManifests(3))
    const loading = loadCatalog(repository, { signers, signal: AbortSignal.abort() })
    await assert.rejects(loading, error => isFailure(error, 'interrupted'))
  })
})

describe('loadCatalog() with a cache', () => {
  it('fetches each manifest once: after that a listing is all it asks for', async () => {
    await withCache(async cache => {
      const memory = new MemoryStore()
      await repositoryWith(chainOfManifests(3), memory)
      const store = new FaultyStore(memory)
      const repository = { id: repositoryId, store }
      await loadCatalog(repository, { signers, cache })
      assert.equal(store.count('get'), 6)
      await repositoryWith(chainOfManifests(4).slice(3), memory)
      const catalog = await loadCatalog(repository, { signers, cache })
      assert.deepEqual(seqsOf(catalog), [1, 2, 3, 4])
      assert.equal(store.count('get'), 8)
      await loadCatalog(repository, { signers, cache })
      assert.equal(store.count('get'), 8)
    })
  })

  it('judges what it has kept by the signers of today', async () => {
    await withCache(async cache => {
      const repository = await repositoryWith(chainOfManifests(2))
      await loadCatalog(repository, { signers, cache })
      const catalog = await loadCatalog(repository, { signers: signersOf(foreignKey), cache })
      assert.deepEqual(problemsOf(catalog), [
        ['untrusted', 1],
        ['untrusted', 2],
      ])
    })
  })

  it('L8: is as good as without it when it was damaged, and mends it', async () => {
    await withCache(async (cache, damage) => {
      const repository = await repositoryWith(chainOfManifests(2))
      const before = await loadCatalog(repository, { signers, cache })
      for (const content of ['', 'x', '{}']) {
        for (const name of [manifestKey(seriesId, 2), signatureKey(seriesId, 1)]) {
          await damage(name, content)
          assert.deepEqual(await loadCatalog(repository, { signers, cache }), before)
        }
      }
      const store = new FaultyStore(repository.store)
      assert.deepEqual(await loadCatalog({ ...repository, store }, { signers, cache }), before)
      assert.equal(store.count('get'), 0)
    })
  })

  it('notices a backup that was there before and is gone', async () => {
    await withCache(async cache => {
      const repository = await repositoryWith(chainOfManifests(3))
      await loadCatalog(repository, { signers, cache })
      await repository.store.delete(manifestKey(seriesId, 3))
      await repository.store.delete(signatureKey(seriesId, 3))
      const catalog = await loadCatalog(repository, { signers, cache })
      assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1, 2], [['vanished', 3]]])
      assert.equal(catalog.highestSeqs.get(seriesId), 3)
    })
  })

  it('believes what it has seen, whatever lies there now', async () => {
    await withCache(async cache => {
      const repository = await repositoryWith(chainOfManifests(1))
      const before = await loadCatalog(repository, { signers, cache })
      await overwrite(repository, manifestKey(seriesId, 1), 'something else')
      assert.deepEqual(await loadCatalog(repository, { signers, cache }), before)
    })
  })
})

describe('loadCatalog() that reads everything again', () => {
  const reread = true

  it('tells of a manifest that was replaced by another that we signed', async () => {
    await withCache(async cache => {
      const repository = await repositoryWith(chainOfManifests(2))
      await loadCatalog(repository, { signers, cache })
      const other = signed(manifestOf(1, { program: 'another' }))
      await overwrite(repository, manifestKey(seriesId, 1), other.manifest)
      await overwrite(repository, signatureKey(seriesId, 1), other.signature)
      const catalog = await loadCatalog(repository, { signers, cache, reread })
      assert.deepEqual(problemsOf(catalog), [
        ['replaced', 1],
        ['parent-missing', 2],
      ])
    })
  })

  it('L8: does not take a damaged cache for a replaced manifest', async () => {
    await withCache(async (cache, damage) => {
      const repository = await repositoryWith(chainOfManifests(2))
      await loadCatalog(repository, { signers, cache })
      await damage(manifestKey(seriesId, 2), 'damaged')
      const catalog = await loadCatalog(repository, { signers, cache, reread })
      assert.deepEqual([seqsOf(catalog), catalog.problems], [[1, 2], []])
    })
  })

  it('L9: an object that can not be read now is unreachable, not gone', async () => {
    const { store } = await repositoryWith(chainOfManifests(2))
    const faulty = new FaultyStore(store, {
      onCall: ({ operation, key }) =>
        operation === 'get' && key === manifestKey(seriesId, 2)
          ? { kind: 'fail-before' }
          : undefined,
    })
    const catalog = await loadCatalog({ id: repositoryId, store: faulty }, { signers, reread })
    assert.deepEqual([seqsOf(catalog), problemsOf(catalog)], [[1], [['unreachable', 2]]])
  })
})

describe('chainOf()', () => {
  it('leads from the full backup to the one asked for', async () => {
    const catalog = await loadCatalog(await repositoryWith(chainOfManifests(4)), { signers })
    const backups = catalog.series.get(seriesId) ?? []
    for (const [index, backup] of backups.entries()) {
      assert.deepEqual(chainOf(backup, backups), backups.slice(0, index + 1))
    }
  })

  it('says which ancestor is missing', async () => {
    const catalog = await loadCatalog(await repositoryWith(chainOfManifests(3)), { signers })
    const backups = catalog.series.get(seriesId) ?? []
    const [first, , third] = backups
    assert.ok(first && third)
    assert.throws(
      () => chainOf(third, [first, third]),
      error => {
        return isFailure(error, 'object-missing') && /its ancestor 2 /.test(error.message)
      },
    )
  })
})

async function withCache(
  use: (
    cache: ManifestCache,
    damage: (name: string, content: string) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  await withScratchFolder(async folder => {
    const cache = new ManifestCache(folder, repositoryId)
    await use(cache, async (name, content) => {
      await writeFile(`${folder}/cache/${repositoryId}/${name}`, content)
    })
  })
}
