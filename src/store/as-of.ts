// A store as it was at a time, for reading: what was deleted, hidden or written over since is read
// as it lay there then. Needs a store that keeps versions.

import { Failure } from '../base/failure.ts'
import { compareKeys } from './keys.ts'
import { readOnly } from './read-only.ts'
import type { CallOptions, ListedObject, ListOptions, ObjectVersion, Store } from './store.ts'

/** Failure 'refused' at the first call where the store keeps no versions. */
export function asOf(store: Store, time: Date): Store {
  const past = new Past(store, time)
  return {
    ...readOnly(store),
    get: async (key, options) => {
      const { version } = await past.find(key, 'read', options)
      return await store.get(key, { ...options, version })
    },
    size: async (key, options) => (await past.find(key, 'measure', options)).bytes,
    list: (prefix, options) => past.list(prefix, options),
  }
}

class Past {
  readonly #store: Store
  readonly #time: Date
  readonly #found = new Map<string, ObjectVersion>()

  constructor(store: Store, time: Date) {
    this.#store = store
    this.#time = time
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    const { after = '' } = options
    for (const one of await this.#present(prefix, options)) {
      const { key, bytes, modifiedAt } = one
      this.#found.set(key, one)
      if (after === '' || compareKeys(key, after) > 0) yield { key, bytes, modifiedAt }
    }
  }

  async find(key: string, verb: string, options?: CallOptions): Promise<ObjectVersion> {
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const found = (await this.#present(key, options)).find(one => one.key === key)
    if (found === undefined) {
      const then = this.#time.toISOString()
      throw new Failure('object-missing', `cannot ${verb} ${key}: it was not there at ${then}`)
    }
    this.#found.set(key, found)
    return found
  }

  /** What was the newest version of each key then, in the order of the keys. */
  async #present(prefix: string, { signal }: CallOptions = {}): Promise<ObjectVersion[]> {
    const { lock, address } = this.#store
    if (lock === undefined) {
      throw new Failure('refused', `cannot look into the past of ${address}: it keeps no versions`)
    }
    const then = new Map<string, ObjectVersion>()
    for (const one of await lock.versions(prefix, { signal })) {
      if (one.modifiedAt <= this.#time && !then.has(one.key)) then.set(one.key, one)
    }
    return [...then.values()].filter(({ isMarker }) => !isMarker)
  }
}
