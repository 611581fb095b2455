// A store for those who may only put, and that remembers every put: whoever asks it anything else is
// told no, and counted.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Failure } from '../../src/base/failure.ts'
import type { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'

export class Puts {
  /** Whether the store heeds create-if-absent; else every put writes over what is there. */
  readonly heeds: boolean
  /** Calls that are no puts. */
  readonly asked: string[] = []
  readonly #hashes = new Map<string, string>()

  constructor(heeds: boolean) {
    this.heeds = heeds
  }

  around(inner: MemoryStore): Store {
    const deny = (what: string) => async (key: string) => {
      this.asked.push(`${what} ${key}`)
      throw new Failure('store-refused', `cannot ${what} ${key}: access denied`)
    }
    const { asked } = this
    return {
      address: inner.address,
      features: { ...inner.features, createIfAbsent: this.heeds },
      put: async (key, object, options = {}) => {
        await inner.put(key, object, this.heeds ? options : { ...options, replace: true })
        this.#remember(key, object.bytes)
      },
      get: deny('read'),
      size: deny('measure'),
      delete: deny('delete'),
      list: async function* (prefix) {
        asked.push(`list ${prefix}`)
        yield* []
        throw new Failure('store-refused', `cannot list ${prefix}: access denied`)
      },
      clock: async () => {
        asked.push('clock')
        return undefined
      },
      close: async () => {},
    }
  }

  /** L5: whatever was put again was the same. */
  #remember(key: string, bytes: Uint8Array): void {
    if (key === 'RESTORE.md') return
    const hash = createHash('sha256').update(bytes).digest('hex')
    assert.equal(this.#hashes.get(key) ?? hash, hash, `L5: ${key} was written over`)
    this.#hashes.set(key, hash)
  }
}
