// What the wrappers of a store have in common for locks: each call goes through one function.

import type { CallOptions, ObjectLock } from './store.ts'

export interface LockCall<T> {
  readonly verb: 'lock-state' | 'versions' | 'retention' | 'retain' | 'remove'
  readonly key: string
  readonly options: CallOptions | undefined
  readonly run: () => Promise<T>
}

/** The same locks, with every call made by `call`. */
export function wrapLock(lock: ObjectLock, call: <T>(one: LockCall<T>) => Promise<T>): ObjectLock {
  return {
    whyNot: options =>
      call({ verb: 'lock-state', key: '', options, run: () => lock.whyNot(options) }),
    versions: (key, options) =>
      call({ verb: 'versions', key, options, run: () => lock.versions(key, options) }),
    retention: (place, options) => {
      const run = () => lock.retention(place, options)
      return call({ verb: 'retention', key: place.key, options, run })
    },
    retain: (place, retention, options) => {
      const run = () => lock.retain(place, retention, options)
      return call({ verb: 'retain', key: place.key, options, run })
    },
    remove: (place, options) => {
      const run = () => lock.remove(place, options)
      return call({ verb: 'remove', key: place.key, options, run })
    },
  }
}
