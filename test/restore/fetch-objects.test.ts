import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { mapInOrder } from '../../src/base/concurrency.ts'
import { Failure, isFailure } from '../../src/base/failure.ts'
import type { Sha256 } from '../../src/model/ids.ts'
import { fetchesAhead, type NamedObject, ObjectFetcher } from '../../src/restore/fetch-objects.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { FakePool } from '../pack/fake-pool.ts'
import { MiB } from '../pack/packing.ts'
import { type Fault, FaultyStore, type StoreCall } from '../support/faulty-store.ts'

/** In this many seconds none of these may take: what waits for memory for ever would. */
const limit = { timeout: 20_000 }
const never = new AbortController().signal

async function stored(sizes: readonly number[], onCall?: (call: StoreCall) => Fault | undefined) {
  const memory = new MemoryStore()
  const objects: NamedObject[] = []
  for (const [n, size] of sizes.entries()) {
    const bytes = new Uint8Array(size).fill(n + 1)
    const sha256 = createHash('sha256').update(bytes).digest()
    const key = `segments/${n}`
    await memory.put(key, { bytes, sha256: new Uint8Array(sha256) })
    objects.push({ key, bytes: size, sha256: sha256.toString('hex') as Sha256 })
  }
  return { objects, store: new FaultyStore(memory, onCall && { onCall }) }
}

function fetcherOf({ objects, store }: Awaited<ReturnType<typeof stored>>) {
  let fetchedBytes = 0
  const onFetched = (bytes: number) => (fetchedBytes += bytes)
  const fetcher = new ObjectFetcher(objects, { store, pool: new FakePool().asPool, onFetched })
  const ahead = () =>
    mapInOrder(objects, fetchesAhead, async (object, signal) => fetcher.fetch(object, signal))
  return { fetcher, ahead, fetchedBytes: () => fetchedBytes }
}

describe('ObjectFetcher', limit, () => {
  it('gives objects of every size whole and in order', async () => {
    const sizes = [1, 16 * MiB, 16 * MiB + 1, 3, 70 * MiB, 40 * MiB, 64 * MiB, 64 * MiB, 5]
    const { ahead, fetchedBytes } = fetcherOf(await stored(sizes))
    let n = 0
    for await (const pieces of ahead()) {
      assert.equal(pieces.length, sizes[n])
      const last = pieces.length
      assert.deepEqual([...pieces.copy(last - 1, last)], [n + 1])
      pieces.release()
      n += 1
    }
    assert.equal(n, sizes.length)
    assert.equal(
      fetchedBytes(),
      sizes.reduce((sum, size) => sum + size),
    )
  })

  it('holds no more than its budget, and goes on as soon as something is given back', async () => {
    const { ahead, fetchedBytes } = fetcherOf(await stored(Array(5).fill(64 * MiB)))
    let givenBack = 0
    for await (const pieces of ahead()) {
      for (let at = 0; at < pieces.length; at += 16 * MiB) {
        await new Promise(resolve => setTimeout(resolve, 30))
        assert.ok(fetchedBytes() - givenBack <= 96 * MiB)
        pieces.releaseBefore(at + 16 * MiB)
        givenBack += 16 * MiB
      }
    }
    assert.equal(givenBack, 5 * 64 * MiB)
  })

  it('has room for one object however large, and for some of the next', async () => {
    const { ahead, fetchedBytes } = fetcherOf(await stored([150 * MiB, 150 * MiB]))
    for await (const pieces of ahead()) {
      await new Promise(resolve => setTimeout(resolve, 100))
      assert.ok(fetchedBytes() >= pieces.length)
      pieces.release()
    }
    assert.equal(fetchedBytes(), 300 * MiB)
  })

  it('ends at once when nobody wants the rest', async () => {
    const { ahead, fetchedBytes } = fetcherOf(await stored(Array(9).fill(40 * MiB)))
    for await (const _ of ahead()) break
    assert.ok(fetchedBytes() <= 96 * MiB)
  })

  it('says what was wrong with the first that fails, and waits for nothing else', async () => {
    const broken = await stored(Array(9).fill(40 * MiB), ({ key }) =>
      key === 'segments/2' ? { kind: 'fail-before' } : undefined,
    )
    const { ahead } = fetcherOf(broken)
    let count = 0
    await assert.rejects(
      async () => {
        for await (const pieces of ahead()) {
          pieces.release()
          count += 1
        }
      },
      error => isFailure(error, 'store-unavailable'),
    )
    assert.equal(count, 2)
  })

  it('takes back the memory of those that fail', async () => {
    const broken = await stored(Array(12).fill(40 * MiB), ({ key }) =>
      Number(key.slice(-1)) % 2 === 0 ? { kind: 'fail-after' } : undefined,
    )
    const { fetcher } = fetcherOf(broken)
    const outcomes: boolean[] = []
    const fetch = async (object: NamedObject, signal: AbortSignal) =>
      fetcher.fetch(object, signal).catch((error: unknown) => error as Failure)
    for await (const one of mapInOrder(broken.objects, fetchesAhead, fetch)) {
      outcomes.push(one instanceof Failure)
      if (!(one instanceof Failure)) one.release()
    }
    assert.equal(outcomes.length, 12)
    assert.equal(outcomes.filter(Boolean).length, 6)
  })

  it('L6: refuses what is longer, shorter or another than it was', async () => {
    for (const size of [5, 20 * MiB]) {
      const { objects, store } = await stored([size])
      const [object] = objects
      assert.ok(object)
      for (const [wrong, why] of [
        [{ ...object, bytes: size - 1 }, /should have/],
        [{ ...object, bytes: size + 1 }, /should have/],
        [{ ...object, bytes: 8 * 1024 ** 3 }, /should have/],
        [{ ...object, bytes: Number.MAX_SAFE_INTEGER }, /more than an object can have/],
        [{ ...object, sha256: '0'.repeat(64) as Sha256 }, /SHA-256/],
      ] as const) {
        const { fetcher } = fetcherOf({ objects: [wrong], store })
        await assert.rejects(fetcher.fetch(wrong, never), error => {
          return isFailure(error, 'corrupt') && why.test(error.message)
        })
      }
    }
  })
})
