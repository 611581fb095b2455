// A store that misbehaves on order: fails the n-th call before or after its effect, answers
// slowly, cuts or flips what is read, lists what is no longer or not yet true. For the tests that
// cut the program at every store call.

import { setTimeout as delay } from 'node:timers/promises'
import { Failure, throwIfAborted } from '../../src/base/failure.ts'
import type { NewObject } from '../../src/model/object.ts'
import { compareKeys } from '../../src/store/keys.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  PutOptions,
  Store,
} from '../../src/store/store.ts'
import { type LockCall, wrapLock } from '../../src/store/wrap-lock.ts'

export type StoreOperation =
  | 'put'
  | 'get'
  | 'size'
  | 'list'
  | 'delete'
  | 'clock'
  | LockCall<unknown>['verb']

export interface StoreCall {
  /** 0, 1, 2 … over all operations, in the order in which they began. */
  readonly index: number
  readonly operation: StoreOperation
  /** The key, or a listing's prefix. */
  readonly key: string
}

export type Fault =
  /** The call has no effect. Default error: 'store-unavailable'. */
  | { readonly kind: 'fail-before'; readonly error?: unknown }
  /** The call has its effect, but its answer is lost. A list fails after its first half. */
  | { readonly kind: 'fail-after'; readonly error?: unknown }
  /** Waits before the call; the signal still ends it. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** get returns fewer bytes than asked for, and a put stores fewer, both without an error. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** get returns, and put stores, the bytes with one bit changed. */
  | { readonly kind: 'flip'; readonly byte: number; readonly bit?: number }
  /** list leaves out keys that exist, and shows ones that do not. */
  | {
      readonly kind: 'stale-list'
      readonly hide?: (key: string) => boolean
      readonly ghosts?: readonly ListedObject[]
    }
  /** Runs in the middle: another writer, a crash by throwing. */
  | {
      readonly kind: 'run'
      readonly when: 'before' | 'after'
      readonly run: () => Promise<void> | void
    }

export interface FaultyOptions {
  readonly onCall?: (call: StoreCall) => Fault | undefined
}

export class FaultyStore implements Store {
  readonly #inner: Store
  readonly #onCall: (call: StoreCall) => Fault | undefined
  /** Every call so far. */
  readonly calls: StoreCall[] = []

  constructor(inner: Store, options: FaultyOptions = {}) {
    this.#inner = inner
    this.#onCall = options.onCall ?? (() => undefined)
  }

  get address(): string {
    return this.#inner.address
  }

  get features(): Store['features'] {
    return this.#inner.features
  }

  get lock(): Store['lock'] {
    const lock = this.#inner.lock
    if (lock === undefined) return undefined
    return wrapLock(lock, async ({ verb, key, options = {}, run }) => {
      const fault = this.#next(verb, key)
      await before(fault, options)
      const result = await run()
      await after(fault)
      return result
    })
  }

  /** How often an operation was called so far. */
  count(operation: StoreOperation): number {
    return this.calls.filter(call => call.operation === operation).length
  }

  async put(key: string, object: NewObject, options: PutOptions = {}): Promise<void> {
    const fault = this.#next('put', key)
    await before(fault, options)
    await this.#inner.put(key, { ...object, bytes: damaged(object.bytes, fault) }, options)
    await after(fault)
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const fault = this.#next('get', key)
    await before(fault, options)
    const bytes = await this.#inner.get(key, options)
    await after(fault)
    return damaged(bytes, fault)
  }

  async size(key: string, options: CallOptions = {}): Promise<number> {
    const fault = this.#next('size', key)
    await before(fault, options)
    const size = await this.#inner.size(key, options)
    await after(fault)
    return fault?.kind === 'short' ? Math.min(size, fault.bytes) : size
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    const fault = this.#next('list', prefix)
    await before(fault, options)
    const listed = await Array.fromAsync(this.#inner.list(prefix, options))
    if (fault?.kind === 'fail-after') {
      yield* listed.slice(0, Math.floor(listed.length / 2))
      throw lost(fault.error)
    }
    yield* fault?.kind === 'stale-list' ? stale(listed, fault) : listed
    await after(fault)
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    const fault = this.#next('delete', key)
    await before(fault, options)
    await this.#inner.delete(key, options)
    await after(fault)
  }

  async clock(options: CallOptions = {}): Promise<number | undefined> {
    const fault = this.#next('clock', '')
    await before(fault, options)
    const now = await this.#inner.clock(options)
    await after(fault)
    return now
  }

  async close(): Promise<void> {
    await this.#inner.close()
  }

  #next(operation: StoreOperation, key: string): Fault | undefined {
    const call = { index: this.calls.length, operation, key }
    this.calls.push(call)
    return this.#onCall(call)
  }
}

/** Fails the n-th call (from 0) of all, or of one operation. */
export function failNth(
  n: number,
  fault: Fault = { kind: 'fail-before' },
  operation?: StoreOperation,
): (call: StoreCall) => Fault | undefined {
  let seen = -1
  return call => {
    if (operation !== undefined && call.operation !== operation) return undefined
    seen += 1
    return seen === n ? fault : undefined
  }
}

async function before(fault: Fault | undefined, options: CallOptions): Promise<void> {
  throwIfAborted(options.signal)
  if (fault?.kind === 'fail-before') throw lost(fault.error)
  if (fault?.kind === 'run' && fault.when === 'before') await fault.run()
  if (fault?.kind !== 'slow') return
  await delay(fault.ms, undefined, options.signal ? { signal: options.signal } : {}).catch(() => {})
  throwIfAborted(options.signal)
}

async function after(fault: Fault | undefined): Promise<void> {
  if (fault?.kind === 'fail-after') throw lost(fault.error)
  if (fault?.kind === 'run' && fault.when === 'after') await fault.run()
}

function lost(error: unknown): unknown {
  return (
    error ?? new Failure('store-unavailable', 'cannot reach the store: a fault that a test ordered')
  )
}

function damaged(
  bytes: Uint8Array<ArrayBuffer>,
  fault: Fault | undefined,
): Uint8Array<ArrayBuffer> {
  if (fault?.kind === 'short') return bytes.slice(0, fault.bytes)
  if (fault?.kind !== 'flip' || bytes.length === 0) return bytes
  const copy = bytes.slice()
  const at = fault.byte % copy.length
  copy[at] = (copy[at] ?? 0) ^ (1 << (fault.bit ?? 0))
  return copy
}

function stale(
  listed: readonly ListedObject[],
  { hide, ghosts = [] }: Extract<Fault, { kind: 'stale-list' }>,
): ListedObject[] {
  const seen = hide ? listed.filter(object => !hide(object.key)) : listed
  return [...seen, ...ghosts].sort((a, b) => compareKeys(a.key, b.key))
}
