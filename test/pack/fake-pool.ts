// The work of the pack threads in this thread, so that a test can break it on order and try a
// thousand shapes in the time that starting threads takes.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { concatBytes } from '../../src/base/bytes.ts'
import { packFrame } from '../../src/pack/frame.ts'
import { openFrames } from '../../src/pack/open.ts'
import { sealObject } from '../../src/pack/seal.ts'
import type { WorkerPool } from '../../src/pack/worker-pool.ts'
import type { PackRequest } from '../../src/pack/worker-protocol.ts'

export interface FakePoolOptions {
  readonly threadCount?: number
  /** Before a job is done: may change the request's bytes, throw, or wait. */
  readonly before?: (request: PackRequest) => Promise<void> | void
}

export class FakePool {
  readonly threadCount: number
  readonly jobs: PackRequest['kind'][] = []
  readonly #before: (request: PackRequest) => Promise<void> | void

  constructor({ threadCount = 2, before = () => {} }: FakePoolOptions = {}) {
    this.threadCount = threadCount
    this.#before = before
  }

  async run(request: PackRequest): Promise<unknown> {
    this.jobs.push(request.kind)
    await setImmediate()
    await this.#before(request)
    switch (request.kind) {
      case 'compress': {
        const { raw, ...options } = request
        return { kind: 'compressed', frame: packFrame(raw, options) }
      }
      case 'seal':
        return sealObject(request)
      case 'hash': {
        const { pieces } = request
        const sha256 = new Uint8Array(createHash('sha256').update(concatBytes(pieces)).digest())
        return { kind: 'hashed', pieces, sha256 }
      }
      case 'open':
        return openFrames(request)
    }
  }

  /** For code that wants the real one. */
  get asPool(): WorkerPool {
    return this as unknown as WorkerPool
  }
}
