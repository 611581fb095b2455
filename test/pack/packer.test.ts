import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { crc32, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { Budget } from '../../src/base/concurrency.ts'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { decodeLead } from '../../src/format/lead-frame.ts'
import { generateIdentity, loadIdentities } from '../../src/pack/identities.ts'
import { type PackedObject, Packer, packBudgetBytes } from '../../src/pack/packer.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import type { PackRequest } from '../../src/pack/worker-protocol.ts'
import { openFile } from './age-file.ts'
import { FakePool } from './fake-pool.ts'
import { framesOf, KeepingMaker, MiB, packOptions, rawBytes } from './packing.ts'

const bounded = { timeout: 30_000 }

/** What age and zstd leave of an object in the clear. */
function rawOf({ object, leadBytes, frames }: PackedObject, compress: 'zstd' | 'none'): Uint8Array {
  let at = leadBytes
  const parts = frames.map(stored => {
    const frame = object.bytes.subarray(at, at + stored)
    at += stored
    return compress === 'zstd' ? zstdDecompressSync(frame) : frame
  })
  assert.equal(at, object.bytes.length)
  return concatBytes(parts)
}

async function pack(packer: Packer, raw: Uint8Array<ArrayBuffer>, segmentSize: number) {
  for (const frame of framesOf(raw, segmentSize)) await packer.add(frame)
  await packer.finish()
}

describe('Packer', bounded, () => {
  for (const compress of ['zstd', 'none'] as const) {
    it(`cuts a stream into objects that hold it in order (compress ${compress})`, async () => {
      const maker = new KeepingMaker()
      const raw = rawBytes(11 * MiB + 77, 0.3)
      await pack(new Packer(packOptions({ compress }), maker), raw, 4 * MiB)
      const objects = maker.inOrder
      assert.deepEqual(
        objects.map(({ n, offset, rawBytes }) => ({ n, offset, rawBytes })),
        [
          { n: 0, offset: 0, rawBytes: 4 * MiB },
          { n: 1, offset: 4 * MiB, rawBytes: 4 * MiB },
          { n: 2, offset: 8 * MiB, rawBytes: 3 * MiB + 77 },
        ],
      )
      assert.deepEqual(
        objects.map(({ frames }) => frames.length),
        [4, 4, 4],
      )
      assert.ok(Buffer.concat(objects.map(one => rawOf(one, compress))).equals(raw))
      for (const one of objects) {
        const { lead } = decodeLead(one.object.bytes, 'a test object')
        assert.deepEqual([lead.n, lead.offset], [one.n, one.offset])
      }
    })
  }

  it('says what is true of each object: hash, CRC, MD5, header and file key', async () => {
    const { identity, recipient } = await newIdentity()
    const maker = new KeepingMaker()
    await using pool = new WorkerPool(2)
    const hashes = ['crc32', 'md5'] as const
    const options = packOptions({ pool, hashes, recipients: [recipient] })
    const raw = rawBytes(5 * MiB, 0.5)
    await pack(new Packer(options, maker), raw, 4 * MiB)
    const plains: Uint8Array[] = []
    for (const { object, fileKey, headerBytes, leadBytes } of maker.inOrder) {
      assert.deepEqual(object.sha256, digest('sha256', object.bytes))
      assert.deepEqual(object.md5, digest('md5', object.bytes))
      assert.equal(object.crc32, crc32(object.bytes))
      assert.equal(fileKey?.length, 16)
      assert.equal(
        Buffer.from(object.bytes.subarray(headerBytes - 1, headerBytes)).toString(),
        '\n',
      )
      const plain = await openFile(object.bytes, identity)
      assert.equal(decodeLead(plain, 'a test object').bytes, leadBytes)
      plains.push(zstdDecompressSync(plain.subarray(leadBytes)))
    }
    assert.ok(Buffer.concat(plains).equals(raw))
    const [first, second] = maker.inOrder
    assert.notDeepEqual(first?.fileKey, second?.fileKey)
  })

  it('counts what skip() passes over, and refuses it inside an object', async () => {
    const maker = new KeepingMaker()
    const packer = new Packer(packOptions(), maker)
    packer.skip(4 * MiB)
    packer.skip(4 * MiB)
    await packer.add(rawBytes(MiB))
    assert.throws(() => packer.skip(4 * MiB), /an object is open/)
    for (const frame of framesOf(rawBytes(3 * MiB), 3 * MiB)) await packer.add(frame)
    packer.skip(4 * MiB)
    await packer.add(rawBytes(5))
    await packer.finish()
    assert.deepEqual(
      maker.inOrder.map(({ n, offset }) => [n, offset]),
      [
        [2, 8 * MiB],
        [4, 16 * MiB],
      ],
    )
  })

  it('refuses a frame that crosses the end of a segment', async () => {
    const packer = new Packer(packOptions(), new KeepingMaker())
    for (let frame = 0; frame < 3; frame += 1) await packer.add(rawBytes(MiB))
    await assert.rejects(packer.add(rawBytes(MiB + 1)), /crosses a segment/)
    await packer.stop(new Error('over'))
  })

  it('stores nothing for nothing', async () => {
    const maker = new KeepingMaker()
    await new Packer(packOptions(), maker).finish()
    assert.deepEqual(maker.kept, [])
  })

  it('stops everything when one object can not be stored, and runs nothing on', async () => {
    const refusal = new Failure('store-refused', 'cannot put: a test says so')
    const budget = new Budget(packBudgetBytes(2 * MiB))
    let calls = 0
    const maker = new KeepingMaker(async (object, signal) => {
      calls += 1
      if (object.n !== 1) return await untilAborted(signal)
      throw refusal
    })
    const fake = new FakePool()
    const packer = new Packer(
      packOptions({ pool: fake.asPool, segmentSize: 2 * MiB, budget }),
      maker,
    )
    await assert.rejects(pack(packer, rawBytes(40 * MiB, 0.9), 2 * MiB), error => error === refusal)
    await packer.stop(refusal)
    const after = [calls, fake.jobs.length]
    await delay(50)
    assert.deepEqual([calls, fake.jobs.length], after)
    assert.ok(calls <= 3, `${calls} stores began`)
    assert.equal(budget.taken, 0)
    await assert.rejects(packer.add(rawBytes(10)), error => error === refusal)
  })

  it('stores nothing more once it was told to stop', async () => {
    const seals = Promise.withResolvers<void>()
    const pool = new FakePool({
      before: ({ kind }) => (kind === 'seal' ? seals.promise : undefined),
    })
    const maker = new KeepingMaker()
    const packer = new Packer(packOptions({ pool: pool.asPool, segmentSize: MiB }), maker)
    await packer.add(rawBytes(MiB))
    await delay(20)
    const stopped = packer.stop(new Error('over'))
    seals.resolve()
    await stopped
    assert.deepEqual(maker.kept, [])
  })

  it('gives back all of its budget when it is stopped in the middle of an object', async () => {
    const budget = new Budget(packBudgetBytes(4 * MiB))
    const packer = new Packer(packOptions({ budget }), new KeepingMaker())
    await packer.add(rawBytes(MiB))
    await packer.add(rawBytes(MiB, 0.9))
    await packer.stop(new Error('the sender died'))
    assert.equal(budget.taken, 0)
  })

  it('gives back all of its budget when an abort ends a call that waits', async () => {
    const pool = new FakePool({ threadCount: 1, before: () => delay(100) })
    const budget = new Budget(packBudgetBytes(8 * MiB))
    const abort = new AbortController()
    const options = { pool: pool.asPool, budget, segmentSize: 8 * MiB, signal: abort.signal }
    const packer = new Packer(packOptions(options), new KeepingMaker())
    await packer.add(rawBytes(MiB))
    await packer.add(rawBytes(MiB))
    const third = packer.add(rawBytes(MiB))
    await setImmediate()
    abort.abort()
    await assert.rejects(third, error => isFailure(error, 'interrupted'))
    await packer.stop(new Error('interrupted'))
    assert.equal(budget.taken, 0)
  })

  it('ends with the word of the pool when a thread dies', async () => {
    const budget = new Budget(packBudgetBytes(4 * MiB))
    const pool = new WorkerPool(1)
    const packer = new Packer(packOptions({ pool, budget }), new KeepingMaker())
    await packer.add(rawBytes(MiB))
    await pool.close()
    await assert.rejects(pack(packer, rawBytes(7 * MiB), 8 * MiB), /pack threads were closed/)
    await packer.stop(new Error('over'))
    assert.equal(budget.taken, 0)
  })

  for (const what of ['a frame', 'what is known of a frame'] as const) {
    it(`stores no object after ${what} was altered between compressing and sealing`, async () => {
      for (const recipients of [null, [(await newIdentity()).recipient]]) {
        const pool = new FakePool({ before: request => damage(request, what) })
        const maker = new KeepingMaker()
        const packer = new Packer(packOptions({ pool: pool.asPool, recipients }), maker)
        await assert.rejects(
          pack(packer, rawBytes(6 * MiB, 0.5), 4 * MiB),
          error => isFailure(error, 'corrupt') && /nothing was uploaded/.test(error.hint ?? ''),
        )
        await packer.stop(new Error('over'))
        assert.deepEqual(maker.kept, [])
      }
    })
  }
})

describe('Packers that share one budget at its least', bounded, () => {
  it('never hold more than it, never wait for each other for ever, and give all of it back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            to: fc.constantFrom(0, 1),
            MiBs: fc.integer({ min: 1, max: 9 }),
            share: fc.constantFrom(0, 0.1, 0.5, 1, 1.2),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.constantFrom('zstd' as const, 'none' as const),
        fc.constantFrom(1, 2, 4),
        async (pieces, compress, segmentMiBs) => {
          const segmentSize = segmentMiBs * MiB
          const watched = watchedBudget(packBudgetBytes(segmentSize))
          const makers = [new KeepingMaker(() => setImmediate()), new KeepingMaker()]
          const options = { budget: watched.budget, segmentSize, compress, check: false }
          const packers = makers.map(maker => new Packer(packOptions(options), maker))
          const given = [0, 0]
          for (const { to, MiBs, share } of pieces) {
            for (let frame = 0; frame < MiBs; frame += 1) {
              await inTime(packers[to]?.add(rawBytes(MiB, Math.min(1, share), frame)))
              given[to] = (given[to] ?? 0) + MiB
            }
          }
          await inTime(Promise.all(packers.map(packer => packer.finish())))
          for (const [index, maker] of makers.entries()) {
            const total = maker.kept.reduce((sum, { rawBytes }) => sum + rawBytes, 0)
            assert.equal(total, given[index])
          }
          assert.equal(watched.budget.taken, 0)
          // What zstd adds to bytes that it can not shrink: some hundred bytes a MiB.
          assert.ok(watched.most <= packBudgetBytes(segmentSize) + 16 * 1024, `${watched.most}`)
        },
      ),
      { numRuns: 12, seed: 20_261_121 },
    )
  })

  it('leave the next run its memory after a run that failed', async () => {
    const budget = new Budget(packBudgetBytes(4 * MiB))
    for (let run = 0; run < 6; run += 1) {
      const packers = [0, 1].map(() => new Packer(packOptions({ budget }), new KeepingMaker()))
      for (const packer of packers) {
        for (let frame = 0; frame < 3; frame += 1) await inTime(packer.add(rawBytes(MiB, 1, run)))
      }
      await Promise.all(packers.map(packer => packer.stop(new Error('the sender died'))))
    }
    assert.equal(budget.taken, 0)
  })
})

function watchedBudget(limit: number): { budget: Budget; readonly most: number } {
  let most = 0
  class Watched extends Budget {
    override async take(units: number, signal?: AbortSignal): Promise<void> {
      await super.take(units, signal)
      most = Math.max(most, this.taken)
    }
    override give(units: number): void {
      super.give(units)
      most = Math.max(most, this.taken)
    }
  }
  return {
    budget: new Watched(limit),
    get most() {
      return most
    },
  }
}

async function inTime<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
  const late = new AbortController()
  const limit = delay(10_000, undefined, { signal: late.signal, ref: true }).then(() => {
    throw new Error('it waits for ever')
  })
  limit.catch(() => {})
  try {
    return await Promise.race([promise, limit])
  } finally {
    late.abort()
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  throw new Failure('interrupted', 'interrupted')
}

/** What a fault of memory does between the threads that compress and those that seal. */
function damage(request: PackRequest, what: 'a frame' | 'what is known of a frame'): void {
  if (request.kind !== 'seal') return
  const frame = request.frames.at(-1)
  assert.ok(frame)
  const { bytes } = frame
  const middle = bytes.length >> 1
  if (what === 'a frame') bytes[middle] = (bytes[middle] ?? 0) ^ 4
  else Object.assign(frame, { crc32: (frame.crc32 ?? 0) ^ 1 })
}

function digest(algorithm: string, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(bytes).digest())
}

async function newIdentity() {
  const made = await generateIdentity({ classic: true })
  return {
    identity: await loadIdentities(made.identityText, 'a test identity'),
    recipient: made.recipient,
  }
}
