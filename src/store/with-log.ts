// One debug line for each call of a store: what, how much, how long, how it ended.

import type { Clock } from '../base/clock.ts'
import { isFailure, messageOf } from '../base/failure.ts'
import { formatBytes, formatDuration, plural } from '../base/units.ts'
import type { ListedObject, ListOptions, Store } from './store.ts'
import { wrapLock } from './wrap-lock.ts'

export interface LogOptions {
  readonly clock: Clock
  readonly log: (line: string) => void
}

/** The same store, talking. Lines hold keys and sizes, never bytes or credentials (L10). */
export function withLog(store: Store, options: LogOptions): Store {
  const { clock, log } = options
  const told = async <T>(
    what: string,
    call: Promise<T>,
    result: (value: T) => string,
  ): Promise<T> => {
    const start = clock.now()
    try {
      const value = await call
      log(`${what}: ${result(value)} in ${formatDuration(clock.now() - start)}`)
      return value
    } catch (error) {
      log(`${what}: ${reason(error)} after ${formatDuration(clock.now() - start)}`)
      throw error
    }
  }
  const done = () => 'done'
  return {
    address: store.address,
    features: store.features,
    lock:
      store.lock &&
      wrapLock(store.lock, ({ verb, key, run }) => told(`${verb} ${key}`, run(), done)),
    put: (key, object, options) =>
      told(`put ${key}`, store.put(key, object, options), () => formatBytes(object.bytes.length)),
    get: (key, options) => {
      const range = options?.range ? ` ${options.range.start}-${options.range.end}` : ''
      return told(`get ${key}${range}`, store.get(key, options), bytes => formatBytes(bytes.length))
    },
    size: (key, options) => told(`size ${key}`, store.size(key, options), formatBytes),
    list: (prefix, listOptions) => logList(store, options, { ...listOptions, prefix }),
    delete: (key, options) => told(`delete ${key}`, store.delete(key, options), done),
    clock: options => told('clock', store.clock(options), done),
    close: () => store.close(),
  }
}

async function* logList(
  store: Store,
  { clock, log }: LogOptions,
  { prefix, ...options }: ListOptions & { readonly prefix: string },
): AsyncGenerator<ListedObject, void> {
  const start = clock.now()
  let seen = 0
  let end = 'left early'
  try {
    for await (const object of store.list(prefix, options)) {
      seen += 1
      yield object
    }
    end = 'done'
  } catch (error) {
    end = reason(error)
    throw error
  } finally {
    const took = formatDuration(clock.now() - start)
    log(`list ${prefix || '(all)'}: ${plural(seen, 'key')}, ${end} in ${took}`)
  }
}

function reason(error: unknown): string {
  return isFailure(error) ? `${error.code} (${error.message})` : messageOf(error)
}
