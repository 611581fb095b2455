// How many requests a run made and how many bytes it moved, for reports and cost.

import type { ListedObject, ListOptions, Store } from './store.ts'
import { wrapLock } from './wrap-lock.ts'

export interface StoreCounts {
  readonly put: number
  readonly get: number
  readonly size: number
  /** Pages of 1000 keys, as S3 bills them. */
  readonly list: number
  readonly delete: number
  readonly failed: number
  /** Bytes of objects sent, also of attempts that failed. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

type Counts = { -readonly [Name in keyof StoreCounts]: StoreCounts[Name] }

const keysPerPage = 1000

const billedAs = {
  'lock-state': 'get',
  versions: 'list',
  retention: 'get',
  retain: 'put',
  remove: 'delete',
} as const

/** The same store, and a view of its counts that goes on changing. */
export function withCount(store: Store): { readonly store: Store; readonly counts: StoreCounts } {
  const counts: Counts = {
    put: 0,
    get: 0,
    size: 0,
    list: 0,
    delete: 0,
    failed: 0,
    sentBytes: 0,
    receivedBytes: 0,
  }
  const counted = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call
    } catch (error) {
      counts.failed += 1
      throw error
    }
  }
  return {
    counts,
    store: {
      address: store.address,
      features: store.features,
      lock:
        store.lock &&
        wrapLock(store.lock, ({ verb, run }) => {
          counts[billedAs[verb]] += 1
          return counted(run())
        }),
      put: (key, object, options) => {
        counts.put += 1
        counts.sentBytes += object.bytes.length
        return counted(store.put(key, object, options))
      },
      get: async (key, options) => {
        counts.get += 1
        const bytes = await counted(store.get(key, options))
        counts.receivedBytes += bytes.length
        return bytes
      },
      size: (key, options) => {
        counts.size += 1
        return counted(store.size(key, options))
      },
      list: (prefix, options) => countPages(store, counts, { ...options, prefix }),
      delete: (key, options) => {
        counts.delete += 1
        return counted(store.delete(key, options))
      },
      clock: options => store.clock(options),
      close: () => store.close(),
    },
  }
}

async function* countPages(
  store: Store,
  counts: Counts,
  { prefix, ...options }: ListOptions & { readonly prefix: string },
): AsyncGenerator<ListedObject, void> {
  counts.list += 1
  let seen = 0
  try {
    for await (const object of store.list(prefix, options)) {
      if (seen > 0 && seen % keysPerPage === 0) counts.list += 1
      seen += 1
      yield object
    }
  } catch (error) {
    counts.failed += 1
    throw error
  }
}
