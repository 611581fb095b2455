// Sealed objects out of a store into memory, each checked as a whole, and never more of them at a
// time than a budget says.

import { Budget, TaskGroup } from '../base/concurrency.ts'
import { Failure } from '../base/failure.ts'
import type { StoredObject } from '../model/backup.ts'
import { Pieces } from '../pack/pieces.ts'
import { checkHash } from '../pack/unpacker.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import type { Store } from '../store/store.ts'

/** A large object is fetched in parts of this size, and given back in them as it is opened. */
const pieceBytes = 16 * 1024 * 1024
/** In memory, of all objects: what is being opened and what was fetched ahead. */
const budgetBytes = 96 * 1024 * 1024
/** How far ahead of an object that must be in memory as a whole. */
const aheadBytes = 2 * pieceBytes
/** Twice the largest segment. A manifest that says more is refused before memory is asked for. */
const mostObjectBytes = 8 * 1024 ** 3

export type NamedObject = StoredObject & { readonly key: string }

export interface FetchOptions {
  readonly store: Store
  readonly pool: WorkerPool
  readonly signal?: AbortSignal | undefined
  readonly onFetched?: ((bytes: number) => void) | undefined
}

/** Objects that may be under way at a time, however small they are. */
export const fetchesAhead = 8

export class ObjectFetcher {
  readonly #options: FetchOptions
  readonly #budget: Budget

  /** `objects`: all that are going to be fetched. */
  constructor(objects: readonly StoredObject[], options: FetchOptions) {
    const largest = objects.reduce((most, { bytes }) => Math.max(most, bytes), 0)
    this.#options = options
    this.#budget = new Budget(Math.max(budgetBytes, largest + aheadBytes))
  }

  /**
   * Rejects with 'corrupt' unless it is what its manifest says. The caller releases the pieces. Of
   * several at a time the first must be asked for, and released, first: it gets its memory as a
   * whole before the others get any. `over` aborts when nobody wants it any more.
   */
  async fetch(object: NamedObject, over: AbortSignal): Promise<Pieces> {
    const { pool, signal } = this.#options
    if (object.bytes > mostObjectBytes) throw tooLarge(object)
    const pieces: Uint8Array<ArrayBuffer>[] = []
    const tasks = new TaskGroup(signal ? AbortSignal.any([signal, over]) : over)
    let heldBytes = 0
    for (const [n, range] of rangesOf(object.bytes).entries()) {
      tasks.add(async () => {
        const bytes = range.end - range.start
        await this.#budget.take(bytes, tasks.signal)
        heldBytes += bytes
        pieces[n] = await this.#fetchPiece(object, range, tasks.signal)
      })
    }
    try {
      await tasks.finish()
      const checked = await checkHash(pieces, object, { pool, label: object.key })
      return new Pieces(checked, bytes => this.#budget.give(bytes))
    } catch (error) {
      this.#budget.give(heldBytes)
      throw error
    }
  }

  async #fetchPiece(
    { key, bytes: objectBytes }: NamedObject,
    range: Range,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { store, onFetched } = this.#options
    const isWhole = range.end - range.start === objectBytes
    const part = isWhole ? {} : { range }
    const bytes = await store.get(key, { signal, objectBytes, ...part })
    onFetched?.(bytes.length)
    return bytes
  }
}

function tooLarge({ key, bytes }: NamedObject): Failure {
  const why = `its manifest says ${bytes} bytes, more than an object can have`
  return new Failure('corrupt', `cannot use ${key}: ${why}`)
}

interface Range {
  readonly start: number
  readonly end: number
}

function rangesOf(bytes: number): readonly Range[] {
  const count = Math.max(1, Math.ceil(bytes / pieceBytes))
  return Array.from({ length: count }, (_, n) => ({
    start: n * pieceBytes,
    end: Math.min((n + 1) * pieceBytes, bytes),
  }))
}
