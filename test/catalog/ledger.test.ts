import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { sha256Of } from '../../src/catalog/catalog.ts'
import { putManifestUnseen } from '../../src/catalog/commit.ts'
import { backupsIn, beginLedger, Ledger, ledgerPath, readLedger } from '../../src/catalog/ledger.ts'
import { ledgerSeriesOf, seriesIdOf } from '../../src/catalog/series-id.ts'
import { manifestKey } from '../../src/format/object-key.ts'
import type { SourceName } from '../../src/model/ids.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { repositoryId } from '../format/samples.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { chainOfManifests, foreignKey, signers, signersOf } from './sample-series.ts'

const id = '0123456789abcdef0123456789abcdef'
const secret = new Uint8Array(32).fill(7)

function placeIn(state: string) {
  return { state, repository: repositoryId, source: 'home' as SourceName, secret }
}

const repository = { id: repositoryId, store: new MemoryStore() }

/** Two backups, of which the second was never heard to be stored. */
async function withTwo(state: string) {
  const place = placeIn(state)
  const ledger = await beginLedger(place, id)
  const chain = chainOfManifests(2, { series: ledger.series })
  const [first, second] = chain
  assert.ok(first && second)
  await ledger.begin(first)
  await ledger.settle(1)
  await ledger.begin(second)
  return { place, ledger, chain, path: ledgerPath(place) }
}

async function present(place: ReturnType<typeof placeIn>): Promise<Ledger> {
  const found = await readLedger(place)
  assert.ok(found instanceof Ledger, JSON.stringify(found))
  return found
}

describe('a ledger', () => {
  it('has what was begun, also when it was cut before it was settled', async () => {
    await withScratchFolder(async state => {
      const { place, chain, ledger } = await withTwo(state)
      const again = await present(place)
      assert.deepEqual(again.entries, chain)
      assert.deepEqual(again.unsettled, chain[1])
      assert.equal(again.highestSeq, 2)
      assert.equal(again.newest, sha256Of(chain[1]?.manifest ?? new Uint8Array()))
      assert.equal(again.series, ledger.series)
      await again.settle(2)
      assert.equal((await present(place)).unsettled, undefined)
      assert.deepEqual(
        backupsIn(again, repository, signers).backups.map(({ manifest }) => manifest.seq),
        [1, 2],
      )
    })
  })

  it('gives no number twice, and none while another one is unsettled', async () => {
    await withScratchFolder(async state => {
      const { ledger, chain } = await withTwo(state)
      const third = chainOfManifests(3, { series: ledger.series })[2]
      assert.ok(third && chain[1])
      await assert.rejects(ledger.begin(third), /number 3 .* is not free/)
      await ledger.settle(2)
      await assert.rejects(ledger.begin(chain[1]), /number 2 .* is not free/)
      await assert.rejects(ledger.begin({ ...third, series: seriesOfAnother }), /another series/)
      await ledger.begin(third)
    })
  })

  it('passes over half a line at its end, which nothing was done by yet', async () => {
    await withScratchFolder(async state => {
      const { place, path } = await withTwo(state)
      const whole = await readFile(path, 'utf8')
      await appendFile(path, whole.slice(0, 100))
      const found = await present(place)
      assert.equal(found.highestSeq, 2)
      await found.settle(2)
      assert.equal((await present(place)).unsettled, undefined)
      await truncate(path, whole.length - 5)
      assert.equal((await present(place)).highestSeq, 1)
    })
  })

  it('is not believed when any of its lines is damaged, lost or in another place', async () => {
    await withScratchFolder(async state => {
      const { place, path } = await withTwo(state)
      const text = await readFile(path, 'utf8')
      const lines = text.split('\n').slice(0, -1)
      const broken = [
        ...lines.map((_, n) => lines.with(n, `0${lines[n]?.slice(1) ?? ''}`)),
        lines.slice(1),
        lines.toSpliced(2, 1),
        [...lines.slice(0, 2), ...lines.slice(1)],
        [...lines, lines[0] ?? ''],
      ].filter(one => one.join() !== lines.join())
      assert.ok(broken.length >= 7)
      for (const one of broken) {
        await writeFile(path, `${one.join('\n')}\n`)
        const found = await readLedger(place)
        assert.ok(found && 'unusable' in found, one.map(line => line.slice(0, 30)).join('\n'))
      }
      await writeFile(path, text)
      const other = await readLedger({ ...place, secret: new Uint8Array(32).fill(8) })
      assert.deepEqual(other, { unusable: 'it was begun with another signing key' })
    })
  })

  it('that is begun anew has a series of its own, and the old one is set aside', async () => {
    await withScratchFolder(async state => {
      const { place, path, ledger } = await withTwo(state)
      const text = await readFile(path, 'utf8')
      const fresh = await beginLedger(place, 'f'.repeat(32))
      assert.notEqual(fresh.series, ledger.series)
      assert.equal(fresh.highestSeq, 0)
      const names = await readdir(dirname(path))
      const aside = names.find(name => name.includes('.retired-'))
      assert.equal(await readFile(`${dirname(path)}/${aside}`, 'utf8'), text)
      await (await present(place)).retire()
      assert.equal(await readLedger(place), undefined)
    })
  })

  it('L6: holds no backup of a key that is not allowed, and keeps its number all the same', async () => {
    await withScratchFolder(async state => {
      const { ledger } = await withTwo(state)
      const { backups, problems } = backupsIn(ledger, repository, signersOf(foreignKey))
      assert.deepEqual(backups, [])
      assert.deepEqual(
        problems.map(({ kind, seq }) => [kind, seq]),
        [
          ['untrusted', 1],
          ['untrusted', 2],
        ],
      )
      assert.equal(ledger.highestSeq, 2)
    })
  })
})

const seriesOfAnother = seriesIdOf(secret, repositoryId, 'other' as SourceName)

describe('putManifestUnseen()', () => {
  it('L2, L5: puts the signature first, asks nothing, and takes for its own only what was begun before', async () => {
    const series = ledgerSeriesOf(secret, {
      repository: repositoryId,
      source: 'home' as SourceName,
      ledger: id,
    })
    const [first, other] = [1, 2].map(seq => chainOfManifests(2, { series })[seq - 1])
    assert.ok(first && other)
    const store = new FaultyStore(new MemoryStore())
    await putManifestUnseen({ id: repositoryId, store }, first, { again: false })
    assert.deepEqual(
      store.calls.map(({ operation, key }) => `${operation} ${key}`),
      [`put ${manifestKey(series, 1)}.sig`, `put ${manifestKey(series, 1)}`],
    )
    await putManifestUnseen({ id: repositoryId, store }, first, { again: true })
    const taken = putManifestUnseen(
      { id: repositoryId, store },
      { ...other, seq: 1 },
      { again: false },
    )
    await assert.rejects(taken, error => isFailure(error, 'refused'))
    assert.equal(store.count('get') + store.count('size') + store.count('list'), 0)
  })
})
