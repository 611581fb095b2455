// For remotes to which this machine only writes: whatever goes wrong above, nothing else is asked.

import { Failure } from '../base/failure.ts'
import type { Store } from './store.ts'

/** The same store, with everything but put refused before it is sent. */
export function writeOnly(store: Store): Store {
  return {
    address: store.address,
    features: store.features,
    put: (key, object, options) => store.put(key, object, options),
    get: async key => {
      throw refusal(`read ${key}`)
    },
    size: async key => {
      throw refusal(`measure ${key}`)
    },
    // oxlint-disable-next-line require-yield
    list: async function* (prefix) {
      throw refusal(`list ${prefix}`)
    },
    delete: async key => {
      throw refusal(`delete ${key}`)
    },
    // To ask the time is to read something.
    clock: async () => undefined,
    close: () => store.close(),
  }
}

function refusal(what: string): Failure {
  return new Failure('store-refused', `cannot ${what}: the store is open for writing only`)
}
