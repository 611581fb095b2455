// Deletion for good. Where a bucket keeps versions, deleting an object only hides it: what is to be
// gone is removed version by version, which a lock refuses.

import { dirname } from 'node:path/posix'
import { mapInOrder } from '../base/concurrency.ts'
import { isFailure } from '../base/failure.ts'
import type { ObjectLock, ObjectVersion, Store, VersionPlace } from '../store/store.ts'

export interface Eraser {
  /** Gone at once for whoever reads; then every version of it. */
  remove(key: string): Promise<void>
  /** The versions behind a marker, where an earlier run was cut after it. */
  removeRest(key: string): Promise<void>
  /** Yields each object when it is gone. */
  removeAll<Item extends { readonly key: string }>(objects: readonly Item[]): AsyncGenerator<Item>
  /** The end of the last lock among its versions; undefined when none is locked. */
  lockedUntil(key: string, now: Date): Promise<Date | undefined>
}

/** Objects deleted at a time. */
const deletesAtOnce = 8

/** `expectsLocks`: credentials that may not ask for the lock are then a failure. */
export async function openEraser(
  store: Store,
  { signal, expectsLocks }: { readonly signal: AbortSignal; readonly expectsLocks: boolean },
): Promise<Eraser> {
  const { lock } = store
  const why = await lock?.whyNot({ signal }).catch((error: unknown) => {
    if (isFailure(error, 'store-refused') && !expectsLocks) return error.message
    throw error
  })
  if (lock && why === undefined) return new VersionEraser(store, lock, signal)
  const remove = async (key: string) => store.delete(key, { signal })
  return {
    remove,
    removeRest: async () => await Promise.resolve(),
    lockedUntil: async () => await Promise.resolve(undefined),
    removeAll: objects =>
      mapInOrder(objects, deletesAtOnce, async object => {
        await remove(object.key)
        return object
      }),
  }
}

class VersionEraser implements Eraser {
  readonly #store: Store
  readonly #lock: ObjectLock
  readonly #signal: AbortSignal

  constructor(store: Store, lock: ObjectLock, signal: AbortSignal) {
    this.#store = store
    this.#lock = lock
    this.#signal = signal
  }

  async remove(key: string): Promise<void> {
    const options = { signal: this.#signal }
    const versions = await this.#versionsOf(key)
    // Without a marker, removing the newest version would show an older one.
    if (versions[0]?.isMarker === false) await this.#store.delete(key, options)
    await this.#removeVersions(await this.#versionsOf(key))
  }

  async removeRest(key: string): Promise<void> {
    const versions = await this.#versionsOf(key)
    if (versions[0]?.isMarker) await this.#removeVersions(versions)
  }

  async *removeAll<Item extends { readonly key: string }>(
    objects: readonly Item[],
  ): AsyncGenerator<Item> {
    for (const group of Map.groupBy(objects, ({ key }) => dirname(key)).values()) {
      const prefix = `${dirname(group[0]?.key ?? '')}/`
      const listed = await this.#lock.versions(prefix, { signal: this.#signal })
      const versions = Map.groupBy(listed, ({ key }) => key)
      yield* mapInOrder(group, deletesAtOnce, async object => {
        await this.#removeVersions(versions.get(object.key) ?? [])
        return object
      })
    }
  }

  async lockedUntil(key: string, now: Date): Promise<Date | undefined> {
    let last: Date | undefined
    for (const { version, isMarker } of await this.#versionsOf(key)) {
      if (isMarker) continue
      const place: VersionPlace = { key, version }
      const until = (await this.#lock.retention(place, { signal: this.#signal }))?.until
      if (until && until > now && (last === undefined || until > last)) last = until
    }
    return last
  }

  async #versionsOf(key: string): Promise<ObjectVersion[]> {
    const listed = await this.#lock.versions(key, { signal: this.#signal })
    return listed.filter(one => one.key === key)
  }

  /** Markers last: they hide the others. */
  async #removeVersions(versions: readonly ObjectVersion[]): Promise<void> {
    const inOrder = versions.toSorted((a, b) => Number(a.isMarker) - Number(b.isMarker))
    for (const { key, version } of inOrder) {
      await this.#lock.remove({ key, version }, { signal: this.#signal })
    }
  }
}
