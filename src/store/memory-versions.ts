// The versions of a memory store's objects, and their locks, which it keeps to.

import { Failure, throwIfAborted } from '../base/failure.ts'
import type { Retention } from '../model/lock.ts'
import { compareKeys } from './keys.ts'
import type {
  CallOptions,
  ObjectLock,
  ObjectVersion,
  RemoveOptions,
  VersionPlace,
} from './store.ts'

type Bytes = Uint8Array<ArrayBuffer>

interface Version {
  readonly id: string
  readonly bytes: Bytes | undefined
  readonly madeMs: number
  retention: Retention | undefined
}

export interface MemoryVersionsOptions {
  readonly now: () => number
  /** What its key has now, or nothing; called after each change of it. */
  readonly onChange: (key: string, bytes: Bytes | undefined) => void
  /** Whoever asks has the right to lift locks of mode governance. */
  readonly mayLift: boolean
}

export class MemoryVersions implements ObjectLock {
  readonly #options: MemoryVersionsOptions
  /** Newest last. */
  readonly #versions = new Map<string, Version[]>()
  #made = 0

  constructor(options: MemoryVersionsOptions) {
    this.#options = options
  }

  /** A new version; without bytes a marker. */
  add(key: string, bytes: Bytes | undefined, retention?: Retention): void {
    this.#made += 1
    const madeMs = this.#options.now()
    const all = this.#versions.get(key) ?? []
    this.#versions.set(key, [...all, { id: `v${this.#made}`, bytes, madeMs, retention }])
    this.#options.onChange(key, bytes)
  }

  bytesOf(place: VersionPlace): Bytes | undefined {
    return this.#find(place).bytes
  }

  copyTo(copy: MemoryVersions): void {
    copy.#made = this.#made
    for (const [key, all] of this.#versions) {
      copy.#versions.set(
        key,
        all.map(one => ({ ...one })),
      )
    }
  }

  async whyNot(options: CallOptions = {}): Promise<string | undefined> {
    throwIfAborted(options.signal)
    return undefined
  }

  async versions(prefix: string, options: CallOptions = {}): Promise<readonly ObjectVersion[]> {
    throwIfAborted(options.signal)
    const keys = [...this.#versions.keys()].filter(key => key.startsWith(prefix))
    return keys.sort(compareKeys).flatMap(key =>
      (this.#versions.get(key) ?? []).toReversed().map(
        ({ id, bytes, madeMs }, index): ObjectVersion => ({
          key,
          version: id,
          bytes: bytes?.length ?? 0,
          isMarker: bytes === undefined,
          isNewest: index === 0,
          modifiedAt: new Date(madeMs),
        }),
      ),
    )
  }

  async retention(place: VersionPlace, options: CallOptions = {}): Promise<Retention | undefined> {
    throwIfAborted(options.signal)
    return this.#find(place).retention
  }

  async retain(
    place: VersionPlace,
    retention: Retention,
    options: CallOptions = {},
  ): Promise<void> {
    throwIfAborted(options.signal)
    const found = this.#find(place)
    const isWeaker = found.retention?.mode === 'compliance' && retention.mode === 'governance'
    if (isWeaker || (found.retention && found.retention.until > retention.until))
      throw new Failure('store-refused', `cannot lock ${place.key}: its lock would be shorter`)
    found.retention = retention
  }

  async remove(place: VersionPlace, { signal, lift = false }: RemoveOptions = {}): Promise<void> {
    throwIfAborted(signal)
    const { key } = place
    const all = this.#versions.get(key) ?? []
    const found = all.find(({ id }) => id === (place.version ?? all.at(-1)?.id))
    if (found === undefined) return
    const { retention } = found
    const isLifted = retention?.mode === 'governance' && lift && this.#options.mayLift
    if (retention && retention.until.getTime() > this.#options.now() && !isLifted)
      throw new Failure('store-refused', `cannot remove ${key}: it is locked`)
    const left = all.filter(one => one !== found)
    if (left.length === 0) this.#versions.delete(key)
    else this.#versions.set(key, left)
    this.#options.onChange(key, left.at(-1)?.bytes)
  }

  #find({ key, version }: VersionPlace): Version {
    const all = this.#versions.get(key) ?? []
    const found = all.find(({ id }) => id === (version ?? all.at(-1)?.id))
    if (found?.bytes !== undefined) return found
    throw new Failure('object-missing', `cannot find a version of ${key}: no such object`)
  }
}
