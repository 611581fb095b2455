// Patience: calls that failed for a reason that passes are tried again until a deadline, with
// full jitter, no sooner than the server asked, and with fewer at once when it says it is busy.
// What is final (refused, missing, exists, corrupt) is thrown at once.

import { equalBytes, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { formatDuration, plural } from '../base/units.ts'
import type { NewObject } from '../model/object.ts'
import type { AdaptiveLimit } from './adaptive-limit.ts'
import { retryAfterMsOf } from './retry-after.ts'
import type { CallOptions, ListedObject, ListOptions, PutOptions, Store } from './store.ts'
import { wrapLock } from './wrap-lock.ts'

export interface RetryOptions {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** From a call's first failure to its last attempt. */
  readonly deadlineMs: number
  readonly limit?: AdaptiveLimit | undefined
  /** Nobody else writes these keys, and nobody may look: what exists after a lost answer is ours. */
  readonly writeOnly?: boolean | undefined
  readonly log?: ((line: string) => void) | undefined
  /** Upper end of the first wait; it doubles with every attempt up to maxWaitMs. */
  readonly firstWaitMs?: number
  readonly maxWaitMs?: number
}

/**
 * The same store, patient.
 *
 * A put whose answer was lost may have been done. So when a later attempt of the same call says
 * 'object-exists', the object counts as ours if it has our size and its key names our SHA-256, or
 * else (manifests, signatures) if its bytes are ours. Where nobody may look, `writeOnly` decides.
 */
export function withRetry(store: Store, options: RetryOptions): Store {
  const patience = new Patience(options)
  return {
    address: store.address,
    features: store.features,
    lock:
      store.lock &&
      wrapLock(store.lock, one => patience.call(`${one.verb} ${one.key}`, one.run, one.options)),
    put: (key, object, callOptions) => putPatiently({ store, patience, key, object }, callOptions),
    get: (key, callOptions) =>
      patience.call(`get ${key}`, () => store.get(key, callOptions), callOptions),
    size: (key, callOptions) =>
      patience.call(`size ${key}`, () => store.size(key, callOptions), callOptions),
    list: (prefix, callOptions) => listPatiently(store, patience, { ...callOptions, prefix }),
    delete: (key, callOptions) =>
      patience.call(`delete ${key}`, () => store.delete(key, callOptions), callOptions),
    clock: callOptions => patience.call('clock', () => store.clock(callOptions), callOptions),
    close: () => store.close(),
  }
}

interface Put {
  readonly store: Store
  readonly patience: Patience
  readonly key: string
  readonly object: NewObject
}

async function putPatiently(put: Put, options: PutOptions = {}): Promise<void> {
  const { store, patience, key, object } = put
  let answerLost = false
  const attempt = async () => {
    try {
      await store.put(key, object, options)
    } catch (error) {
      if (isFailure(error) && error.retryable) answerLost = true
      throw error
    }
  }
  try {
    await patience.call(`put ${key}`, attempt, options)
  } catch (error) {
    const ours = answerLost && isFailure(error, 'object-exists') && (await isOurs(put, options))
    if (!ours) throw error
  }
}

async function isOurs(
  { store, patience, key, object }: Put,
  { signal }: CallOptions,
): Promise<boolean> {
  const named = key.includes(toHex(object.sha256))
  const size = () => store.size(key, { signal })
  const range = { start: 0, end: object.bytes.length }
  const bytes = () => store.get(key, { signal, range })
  try {
    if ((await patience.call(`size ${key}`, size, { signal })) !== range.end) return false
    return named || equalBytes(await patience.call(`get ${key}`, bytes, { signal }), object.bytes)
  } catch (error) {
    // Write-only credentials may not look. The name holds the hash and 128 random bits: it is ours.
    if (isFailure(error, 'store-refused')) return named || patience.isWriteOnly
    throw error
  }
}

async function* listPatiently(
  store: Store,
  patience: Patience,
  { prefix, ...options }: ListOptions & { readonly prefix: string },
): AsyncGenerator<ListedObject, void> {
  const list = (after: string | undefined) =>
    store.list(prefix, { ...options, after })[Symbol.asyncIterator]()
  let last = options.after
  let listing = list(last)
  const next = async () => {
    try {
      return await listing.next()
    } catch (error) {
      listing = list(last)
      throw error
    }
  }
  try {
    for (;;) {
      const step = await patience.call(`list ${prefix || '(all)'}`, next, options)
      if (step.done) return
      last = step.value.key
      yield step.value
    }
  } finally {
    await listing.return?.()
  }
}

class Patience {
  readonly #options: RetryOptions

  constructor(options: RetryOptions) {
    this.#options = options
  }

  get isWriteOnly(): boolean {
    return this.#options.writeOnly === true
  }

  async call<T>(what: string, attempt: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    const { clock, deadlineMs, log } = this.#options
    const { signal } = options
    let firstFailedAt: number | undefined
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#once(attempt, signal)
      } catch (error) {
        if (!isFailure(error) || !error.retryable || signal?.aborted) throw error
        const now = clock.now()
        firstFailedAt ??= now
        const waitMs = this.#waitMs(tries, error)
        if (now + waitMs > firstFailedAt + deadlineMs)
          throw gaveUp(error, tries, now - firstFailedAt)
        log?.(`${what}: ${error.code}; attempt ${tries + 1} in ${formatDuration(waitMs)}`)
        await clock.sleep(waitMs, signal)
      }
    }
  }

  async #once<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { limit } = this.#options
    if (limit === undefined) return await attempt()
    return await limit.run(attempt, { isBusy: error => isFailure(error, 'store-busy'), signal })
  }

  #waitMs(tries: number, failure: Failure): number {
    const { random, firstWaitMs = 500, maxWaitMs = 60_000 } = this.#options
    const jittered = random() * Math.min(maxWaitMs, firstWaitMs * 2 ** Math.min(tries - 1, 30))
    const asked = retryAfterMsOf(failure)
    return asked === undefined ? jittered : asked + jittered
  }
}

function gaveUp(failure: Failure, tries: number, ms: number): Failure {
  if (tries === 1) return failure
  const message = `${failure.message} (after ${plural(tries, 'attempt')} in ${formatDuration(ms)})`
  return new Failure(failure.code, message, { hint: failure.hint, cause: failure })
}
