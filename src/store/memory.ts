// A store in this process's memory, for tests and dry runs.

import { Failure, throwIfAborted } from '../base/failure.ts'
import type { NewObject } from '../model/object.ts'
import { checkKey, checkPrefix, compareKeys } from './keys.ts'
import { MemoryVersions } from './memory-versions.ts'
import { checkRange, extentOf } from './ranges.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  PutOptions,
  Store,
  StoreFeatures,
} from './store.ts'

export interface MemoryStoreOptions {
  readonly address?: string
  readonly features?: StoreFeatures
  /** What clock() answers, and when objects were put; without it the store has no clock of its own. */
  readonly now?: () => number
  /** Versions and locks, as of a bucket made with object lock; needs `now`. */
  readonly locks?: { readonly mayLift: boolean } | undefined
}

export class MemoryStore implements Store {
  readonly address: string
  readonly features: StoreFeatures
  readonly #objects = new Map<string, Uint8Array<ArrayBuffer>>()
  readonly #putAt = new Map<string, number>()
  readonly #now: (() => number) | undefined
  readonly lock: MemoryVersions | undefined
  readonly #locks: MemoryStoreOptions['locks']

  constructor(options: MemoryStoreOptions = {}) {
    this.address = options.address ?? 'memory'
    this.features = options.features ?? { createIfAbsent: true, wants: [] }
    this.#now = options.now
    const { now, locks } = options
    this.#locks = locks
    if (!now || !locks) return
    this.lock = new MemoryVersions({
      now,
      mayLift: locks.mayLift,
      onChange: (key, bytes) => {
        if (bytes) this.#objects.set(key, bytes)
        else this.#objects.delete(key)
      },
    })
  }

  /** What is stored right now, for tests to look at. */
  get objects(): ReadonlyMap<string, Uint8Array<ArrayBuffer>> {
    return this.#objects
  }

  /** A store of its own with the same objects: the state after a crash, tried twice. */
  clone(): MemoryStore {
    const { address, features } = this
    const locks = this.#locks
    const copy = new MemoryStore({ address, features, locks, ...(this.#now && { now: this.#now }) })
    if (copy.lock) this.lock?.copyTo(copy.lock)
    for (const [key, bytes] of this.#objects) copy.#objects.set(key, bytes.slice())
    for (const [key, time] of this.#putAt) copy.#putAt.set(key, time)
    return copy
  }

  async put(key: string, object: NewObject, options: PutOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkKey(key)
    await options.pace?.(object.bytes.length)
    throwIfAborted(options.signal)
    if (!options.replace && this.#objects.has(key)) {
      throw new Failure('object-exists', `cannot put ${key}: it exists already`)
    }
    if (options.retain && !this.lock) {
      throw new Failure('refused', `cannot lock ${key}: this store does not lock`)
    }
    this.#objects.set(key, object.bytes.slice())
    this.lock?.add(key, object.bytes.slice(), options.retain)
    if (this.#now) this.#putAt.set(key, this.#now())
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(options.signal)
    checkKey(key)
    checkRange(options.range)
    const { version } = options
    const older = version === undefined ? undefined : this.lock?.bytesOf({ key, version })
    const bytes = older ?? this.#find(key, 'read')
    const { start, end } = extentOf(key, bytes.length, options)
    await options.pace?.(end - start)
    throwIfAborted(options.signal)
    return bytes.slice(start, end)
  }

  async size(key: string, options: CallOptions = {}): Promise<number> {
    throwIfAborted(options.signal)
    checkKey(key)
    return this.#find(key, 'measure').length
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    throwIfAborted(options.signal)
    checkPrefix(prefix)
    const after = options.after ?? ''
    const keys = [...this.#objects.keys()].filter(key => key.startsWith(prefix) && key > after)
    for (const key of keys.sort(compareKeys)) {
      throwIfAborted(options.signal)
      const bytes = this.#objects.get(key)
      if (bytes === undefined) continue
      const putAt = this.#putAt.get(key)
      const time = putAt === undefined ? {} : { modifiedAt: new Date(putAt) }
      yield { key, bytes: bytes.length, ...time }
    }
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkKey(key)
    if (this.lock && this.#objects.has(key)) this.lock.add(key, undefined)
    this.#objects.delete(key)
  }

  async clock(options: CallOptions = {}): Promise<number | undefined> {
    throwIfAborted(options.signal)
    return this.#now?.()
  }

  async close(): Promise<void> {}

  #find(key: string, verb: string): Uint8Array<ArrayBuffer> {
    const bytes = this.#objects.get(key)
    if (bytes === undefined)
      throw new Failure('object-missing', `cannot ${verb} ${key}: no such object`)
    return bytes
  }
}
