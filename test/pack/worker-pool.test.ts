import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import workerThreads, { type Worker } from 'node:worker_threads'
import { isFailure } from '../../src/base/failure.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import { rawBytes } from './packing.ts'

describe('WorkerPool', { timeout: 30_000 }, () => {
  it('answers each job with its own reply, also when many wait', async () => {
    await using pool = new WorkerPool(2)
    const inputs = Array.from({ length: 40 }, (_, n) => rawBytes(1000 * (n + 1), 1, n))
    const wanted = inputs.map(bytes => createHash('sha256').update(bytes).digest('hex'))
    const replies = inputs.map(bytes => pool.run({ kind: 'hash', pieces: [bytes] }, [bytes]))
    const hashes = (await Promise.all(replies)).map(({ sha256 }) =>
      Buffer.from(sha256).toString('hex'),
    )
    assert.deepEqual(hashes, wanted)
  })

  it('moves the buffers of a job, and gives them back in its reply', async () => {
    await using pool = new WorkerPool(1)
    const bytes = rawBytes(5000)
    const reply = await pool.run({ kind: 'hash', pieces: [bytes] }, [bytes])
    assert.equal(bytes.length, 0)
    assert.deepEqual(reply.pieces[0], rawBytes(5000))
  })

  it('hands a Failure of a thread on with code and hint, and works on', async () => {
    await using pool = new WorkerPool(1)
    const sealed = rawBytes(100, 1)
    const request = {
      kind: 'open',
      sealed,
      key: null,
      firstChunk: 0,
      final: true,
      skipBytes: 0,
      frames: [{ storedBytes: 100, rawBytes: 200 }],
      compress: 'zstd',
    } as const
    await assert.rejects(pool.run(request, [sealed]), error => isFailure(error, 'corrupt'))
    const bytes = rawBytes(10)
    assert.equal((await pool.run({ kind: 'hash', pieces: [bytes] }, [bytes])).pieces[0]?.length, 10)
  })

  it('tells a fault of ours from a Failure', async () => {
    await using pool = new WorkerPool(1)
    const raw = rawBytes(10)
    const job = pool.run(
      { kind: 'compress', raw, compress: 'zstd', level: 'x' as never, check: false },
      [raw],
    )
    await assert.rejects(job, error => error instanceof Error && !isFailure(error))
  })

  it('fails every waiter, running and queued, when it is closed; and each that comes later', async () => {
    const pool = new WorkerPool(2)
    const settled = Promise.allSettled(Array.from({ length: 20 }, () => longJob(pool)))
    await delay(20)
    await pool.close()
    const failed = (await settled).filter(({ status }) => status === 'rejected')
    assert.ok(failed.length >= 18, `${failed.length} of 20 waiters were told`)
    const late = rawBytes(10)
    await assert.rejects(pool.run({ kind: 'hash', pieces: [late] }, [late]), /closed/)
    await pool.close()
  })

  it('fails every waiter when one thread dies, and each that comes later', async () => {
    const workers = await withSeenWorkers(async seen => {
      const pool = new WorkerPool(2)
      const settled = Promise.allSettled(Array.from({ length: 8 }, () => longJob(pool)))
      await delay(20)
      await seen[1]?.terminate()
      const outcomes = await settled
      const failed = outcomes.filter(({ status }) => status === 'rejected')
      assert.ok(failed.length >= 6, `${failed.length} of 8 waiters were told`)
      await assert.rejects(longJob(pool), /a pack thread ended/)
      await pool.close()
      return seen
    })
    assert.equal(workers.length, 2)
  })

  it('leaves no thread behind', async () => {
    const threads = () => readdirSync('/proc/self/task').length
    const round = async () => {
      await using pool = new WorkerPool(3)
      const bytes = rawBytes(10)
      await pool.run({ kind: 'hash', pieces: [bytes] }, [bytes])
    }
    await round()
    const before = threads()
    for (let n = 0; n < 10; n += 1) await round()
    await delay(50)
    assert.ok(threads() <= before, `${before} threads became ${threads()}`)
  })
})

async function longJob(pool: WorkerPool): Promise<unknown> {
  const raw = rawBytes(1024 * 1024, 1)
  return await pool.run({ kind: 'compress', raw, compress: 'zstd', level: 19, check: true }, [raw])
}

/** Lets a test reach the threads that are started meanwhile, as the kernel's OOM killer can. */
async function withSeenWorkers<T>(use: (seen: readonly Worker[]) => Promise<T>): Promise<T> {
  const seen: Worker[] = []
  const Original = workerThreads.Worker
  workerThreads.Worker = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args)
      seen.push(this)
    }
  }
  syncBuiltinESMExports()
  try {
    return await use(seen)
  } finally {
    workerThreads.Worker = Original
    syncBuiltinESMExports()
  }
}
