// For restore, verify and list: whatever goes wrong above, nothing on the remote changes.

import { Failure } from '../base/failure.ts'
import type { Store } from './store.ts'
import { wrapLock } from './wrap-lock.ts'

/** The same store, with put and delete refused. */
export function readOnly(store: Store): Store {
  return {
    address: store.address,
    features: store.features,
    lock:
      store.lock &&
      wrapLock(store.lock, async ({ verb, key, run }) => {
        if (verb === 'retain' || verb === 'remove') throw refusal(`${verb} ${key}`)
        return await run()
      }),
    put: async key => {
      throw refusal(`put ${key}`)
    },
    get: (key, options) => store.get(key, options),
    size: (key, options) => store.size(key, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: async key => {
      throw refusal(`delete ${key}`)
    },
    clock: options => store.clock(options),
    close: () => store.close(),
  }
}

function refusal(what: string): Failure {
  return new Failure('refused', `cannot ${what}: the store is open for reading only`)
}
