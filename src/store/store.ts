import type { Retention } from '../model/lock.ts'
import type { NewObject, ObjectHash } from '../model/object.ts'

/**
 * A place that keeps objects: a bucket, a directory, a process's memory.
 *
 * What every store must give (test/store/contract.ts checks each line):
 * - put is atomic: a reader sees the whole object or none of it.
 * - put without `replace` creates: when the key exists already it changes nothing and rejects
 *   with Failure 'object-exists', also when several try at once (where `features` says so).
 * - read-after-write: once put has resolved, get, size and list see the object.
 * - get returns exactly the bytes asked for; less than asked is Failure 'corrupt'.
 * - get and size of an absent key reject with Failure 'object-missing'.
 * - list yields every key under the prefix once, in the order of the keys' bytes. An error while
 *   listing rejects: a list that ends normally is complete (L9).
 * - delete of an absent key resolves.
 * - keys follow src/store/keys.ts; no key is the folder of another (`a` beside `a/b`).
 * - a call whose signal is already aborted changes nothing and rejects with 'interrupted'.
 *
 * A store never retries; withRetry does, for failures that are retryable.
 */
export interface Store {
  /** How people know it, for messages: `s3://bucket/prefix`, `/mnt/nas/backups`. No secrets. */
  readonly address: string
  readonly features: StoreFeatures
  /** Absent where a store has neither versions nor locks. */
  readonly lock?: ObjectLock | undefined

  put(key: string, object: NewObject, options?: PutOptions): Promise<void>
  get(key: string, options?: GetOptions): Promise<Uint8Array<ArrayBuffer>>
  size(key: string, options?: CallOptions): Promise<number>
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>
  delete(key: string, options?: CallOptions): Promise<void>
  /** The place's own clock in milliseconds, or undefined where it has none of its own. */
  clock(options?: CallOptions): Promise<number | undefined>
  close(): Promise<void>
}

export interface StoreFeatures {
  /** put without `replace` is refused by the store itself when the key exists, also in a race. */
  readonly createIfAbsent: boolean
  /** Which hashes of a new object spare the store work of its own, or are checked by the server. */
  readonly wants: readonly ObjectHash[]
}

/** Segments may lie in an archive; metadata (manifests, indexes, …) must stay readable at once. */
export type ObjectKind = 'segment' | 'metadata'

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface TransferOptions extends CallOptions {
  /** A store waits for this before it moves each run of an object's bytes; for rate limits. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined
}

export interface PutOptions extends TransferOptions {
  readonly kind?: ObjectKind
  /** Instead of the one that the store was opened with for this kind; only where it has classes. */
  readonly storageClass?: string | undefined
  /** Overwrite what is there. Only RESTORE.md and probes need it (L5). */
  readonly replace?: boolean
  /** Failure 'refused' where the store does not truly lock: never taken for granted. */
  readonly retain?: Retention | undefined
}

export interface GetOptions extends TransferOptions {
  /** Half open, in bytes. */
  readonly range?: { readonly start: number; readonly end: number } | undefined
  /** A longer object is 'corrupt', before its bytes are held: for what a hostile store could swell. */
  readonly maxBytes?: number | undefined
  /** How long the whole object must be, also where a part is asked for; else it is 'corrupt'. */
  readonly objectBytes?: number | undefined
  /** Of a store with versions; else the newest. */
  readonly version?: string | undefined
}

export interface ListOptions extends CallOptions {
  /** Only keys that come after this one. */
  readonly after?: string | undefined
}

export interface ListedObject {
  readonly key: string
  readonly bytes: number
  /** When it was put, by the store's clock; absent where the store doesn't say. */
  readonly modifiedAt?: Date
}

/**
 * Versions and their locks. A store that has them keeps every version of a key: delete hides what
 * is there behind a marker, and put writes beside it. Only what is removed by its version is gone.
 */
export interface ObjectLock {
  /** Undefined: locks hold there. Else why they don't, in words. Asked of the store once. */
  whyNot(options?: CallOptions): Promise<string | undefined>
  /** Every version and marker of the keys under the prefix; of each key the newest first. */
  versions(prefix: string, options?: CallOptions): Promise<readonly ObjectVersion[]>
  /** Undefined where the version is not locked. */
  retention(version: VersionPlace, options?: CallOptions): Promise<Retention | undefined>
  /**
   * Sets the lock's end. The store refuses ('store-refused') to shorten it. Failure 'refused'
   * where locks don't hold: a store that doesn't know them could take this for a new object.
   */
  retain(version: VersionPlace, retention: Retention, options?: CallOptions): Promise<void>
  /** 'store-refused' while it is locked; one that is not there is no failure. */
  remove(version: VersionPlace, options?: RemoveOptions): Promise<void>
}

/** Without a version: the newest. */
export interface VersionPlace {
  readonly key: string
  readonly version?: string | undefined
}

export interface ObjectVersion {
  readonly key: string
  readonly version: string
  readonly bytes: number
  readonly isMarker: boolean
  /** Of its key; a marker that is the newest hides the others. */
  readonly isNewest: boolean
  readonly modifiedAt: Date
}

export interface RemoveOptions extends CallOptions {
  /** Use the right to lift locks of mode governance, where the credentials have it. */
  readonly lift?: boolean
}
