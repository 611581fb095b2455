// A limit on the bytes of stored objects a second, each way. The store below asks before each
// run of bytes it moves, so that a large object goes out evenly and not in one burst.

import type { Clock } from '../base/clock.ts'
import { interruption } from '../base/failure.ts'
import type { Store } from './store.ts'

export interface RateLimits {
  readonly upBytesPerSecond?: number | undefined
  readonly downBytesPerSecond?: number | undefined
}

/** The same store, slower. What is not limited passes untouched. */
export function withRateLimit(store: Store, limits: RateLimits, clock: Clock): Store {
  const up = rateOf(limits.upBytesPerSecond, clock)
  const down = rateOf(limits.downBytesPerSecond, clock)
  return {
    address: store.address,
    features: store.features,
    lock: store.lock,
    put: (key, object, options) => store.put(key, object, { ...options, ...paced(up, options) }),
    get: (key, options) => store.get(key, { ...options, ...paced(down, options) }),
    size: (key, options) => store.size(key, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key, options) => store.delete(key, options),
    clock: options => store.clock(options),
    close: () => store.close(),
  }
}

/** So many bytes a second for all who ask, first come first served. */
export class Rate {
  readonly #clock: Clock
  readonly #msPerByte: number
  #freeAt = 0
  #seenAt = 0

  constructor(bytesPerSecond: number, clock: Clock) {
    if (!(bytesPerSecond > 0)) throw new RangeError(`not a rate: ${bytesPerSecond} bytes a second`)
    this.#msPerByte = 1000 / bytesPerSecond
    this.#clock = clock
  }

  /** Resolves when these bytes may go. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw interruption(signal)
    const now = this.#clock.now()
    // A wall clock that was set back must not make anyone wait for the difference.
    if (now < this.#seenAt) this.#freeAt -= this.#seenAt - now
    this.#seenAt = now
    const at = Math.max(now, this.#freeAt)
    this.#freeAt = at + bytes * this.#msPerByte
    if (at - now >= 1) await this.#clock.sleep(at - now, signal)
  }
}

function rateOf(bytesPerSecond: number | undefined, clock: Clock): Rate | undefined {
  return bytesPerSecond === undefined ? undefined : new Rate(bytesPerSecond, clock)
}

function paced(
  rate: Rate | undefined,
  options: { readonly signal?: AbortSignal | undefined } = {},
) {
  return rate ? { pace: (bytes: number) => rate.take(bytes, options.signal) } : {}
}
