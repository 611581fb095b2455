import assert from 'node:assert/strict'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ManifestCache } from '../../src/catalog/manifest-cache.ts'
import { manifestKey, signatureKey } from '../../src/format/object-key.ts'
import { repositoryId, seriesId } from '../format/samples.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { chainOfManifests } from './sample-series.ts'

const [first, second] = chainOfManifests(2)
const otherRepository = '0'.repeat(32) as typeof repositoryId

describe('ManifestCache', () => {
  it('gives back what it was given, byte for byte, also to the next process', async () => {
    assert.ok(first && second)
    await withScratchFolder(async folder => {
      const cache = new ManifestCache(folder, repositoryId)
      await cache.store(first)
      await cache.store(second)
      const again = new ManifestCache(folder, repositoryId)
      assert.deepEqual(await again.load(seriesId, 1), first)
      assert.deepEqual(await again.load(seriesId, 2), second)
      assert.deepEqual(
        (await again.list()).sort((a, b) => a.seq - b.seq),
        [1, 2].map(seq => ({ series: seriesId, seq, part: 'manifest' })),
      )
    })
  })

  it('keeps repositories apart', async () => {
    assert.ok(first)
    await withScratchFolder(async folder => {
      await new ManifestCache(folder, repositoryId).store(first)
      const other = new ManifestCache(folder, otherRepository)
      assert.equal(await other.load(seriesId, 1), undefined)
      assert.deepEqual(await other.list(), [])
    })
  })

  it('L8: knows nothing, and says so, when its folder was deleted', async () => {
    assert.ok(first)
    await withScratchFolder(async folder => {
      const cache = new ManifestCache(folder, repositoryId)
      assert.deepEqual(await cache.list(), [])
      await cache.store(first)
      await rm(join(folder, 'cache'), { recursive: true })
      assert.equal(await cache.load(seriesId, 1), undefined)
      assert.deepEqual(await cache.list(), [])
      await cache.store(first)
      assert.deepEqual(await cache.load(seriesId, 1), first)
    })
  })

  it('L8: has no manifest of which only a part was written', async () => {
    assert.ok(first)
    await withScratchFolder(async folder => {
      const cache = new ManifestCache(folder, repositoryId)
      for (const lost of [manifestKey(seriesId, 1), signatureKey(seriesId, 1)]) {
        await cache.store(first)
        await rm(join(folder, 'cache', repositoryId, lost))
        assert.equal(await cache.load(seriesId, 1), undefined)
      }
    })
  })

  it('L9: throws when it can not be read, instead of having seen nothing', async () => {
    await withScratchFolder(async folder => {
      await mkdir(join(folder, 'cache'))
      await writeFile(join(folder, 'cache', repositoryId), 'a file where a folder should be')
      await assert.rejects(new ManifestCache(folder, repositoryId).list())
    })
  })

  it('writes nothing when it is only to be read', async () => {
    assert.ok(first)
    await withScratchFolder(async folder => {
      await new ManifestCache(folder, repositoryId, { keeps: false }).store(first)
      assert.deepEqual(await readdir(folder), [])
    })
  })
})
