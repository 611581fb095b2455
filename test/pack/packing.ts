// Packers for tests: every option with a default, and a maker that keeps what it is given.

import { Budget } from '../../src/base/concurrency.ts'
import { encodeLead, type Lead } from '../../src/format/lead-frame.ts'
import type { RepositoryId, RunId, SeriesId } from '../../src/model/ids.ts'
import {
  type ObjectMaker,
  type PackedObject,
  type PackOptions,
  packBudgetBytes,
} from '../../src/pack/packer.ts'
import { FakePool } from './fake-pool.ts'

export const MiB = 1024 * 1024

export const sampleLead: Lead = {
  role: 'segment',
  repository: 'ace4849518ad143bc4dd69f8fe4e9d5c' as RepositoryId,
  series: '5e12'.repeat(8) as SeriesId,
  seq: 7,
  run: '0123456789abcdef'.repeat(2) as RunId,
  n: 0,
  offset: 0,
}

export function packOptions(options: Partial<PackOptions> = {}): PackOptions {
  const segmentSize = options.segmentSize ?? 4 * MiB
  return {
    pool: new FakePool().asPool,
    budget: new Budget(packBudgetBytes(segmentSize)),
    segmentSize,
    compress: 'zstd',
    level: 1,
    recipients: null,
    hashes: [],
    check: true,
    ...options,
  }
}

/** Keeps a copy of each object, in the order in which they were stored. */
export class KeepingMaker implements ObjectMaker {
  readonly kept: PackedObject[] = []
  readonly #store: (object: PackedObject, signal: AbortSignal) => Promise<void> | void

  constructor(
    store: (object: PackedObject, signal: AbortSignal) => Promise<void> | void = () => {},
  ) {
    this.#store = store
  }

  get inOrder(): PackedObject[] {
    return [...this.kept].sort((a, b) => a.n - b.n)
  }

  lead(n: number, offset: number): Uint8Array<ArrayBuffer> {
    return encodeLead({ ...sampleLead, n, offset })
  }

  async store(packed: PackedObject, signal: AbortSignal): Promise<void> {
    await this.#store(packed, signal)
    const object = { ...packed.object, bytes: packed.object.bytes.slice() }
    this.kept.push({ ...packed, object })
  }
}

/** Raw bytes that compress to about a `share` of their length, the same every time. */
export function rawBytes(length: number, share = 0.1, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  const noisy = Math.floor(length * share)
  let state = (seed * 2_654_435_761 + 12_345) >>> 0
  for (let at = 0; at < noisy; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes.fill(seed & 255, noisy)
}

/** Cut into frames as a reader would: whole but for the last of each segment and of all. */
export function* framesOf(
  raw: Uint8Array<ArrayBuffer>,
  segmentSize: number,
  frameSize = MiB,
): Generator<Uint8Array<ArrayBuffer>, void> {
  for (let at = 0; at < raw.length; ) {
    const left = segmentSize - (at % segmentSize)
    const end = Math.min(raw.length, at + Math.min(frameSize, left))
    yield raw.slice(at, end)
    at = end
  }
}
