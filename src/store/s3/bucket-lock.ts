// Versions of a bucket's objects, and their locks.
//
// A server that doesn't know the request can take PutObjectRetention for a put, and write its XML
// over the object (Swift's S3 layer does). So nothing about retention is ever sent before the
// bucket has said, word for word, that object lock is enabled.

import { createHash } from 'node:crypto'
import type {
  DeleteMarkerEntry,
  ListObjectVersionsCommandOutput,
  ObjectVersion as S3Version,
} from '@aws-sdk/client-s3'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Retention } from '../../model/lock.ts'
import { checkKey, checkPrefix, compareKeys } from '../keys.ts'
import type {
  CallOptions,
  ObjectLock,
  ObjectVersion,
  RemoveOptions,
  VersionPlace,
} from '../store.ts'
import type { S3Connection } from './client.ts'
import { decodeKey } from './list-bucket.ts'

export interface BucketLockOptions {
  readonly address: string
  readonly bucket: string
  /** The remote's own prefix; empty or with a `/` at its end. */
  readonly folder: string
  readonly connection: S3Connection
  /** Makes one request, and Failures out of what goes wrong. */
  readonly call: <T>(
    one: { readonly verb: string; readonly key: string; readonly signal: AbortSignal | undefined },
    request: (signal: AbortSignal) => Promise<T>,
  ) => Promise<T>
}

interface Marker {
  readonly KeyMarker?: string
  readonly VersionIdMarker?: string
}

export class BucketLock implements ObjectLock {
  readonly #options: BucketLockOptions
  #whyNot: Promise<string | undefined> | undefined
  #isConfirmed = false

  constructor(options: BucketLockOptions) {
    this.#options = options
  }

  whyNot(options: CallOptions = {}): Promise<string | undefined> {
    const asked = this.#whyNot ?? this.#askWhyNot(options)
    this.#whyNot = asked
    // What could not be found out is asked again.
    asked.catch(() => {
      this.#whyNot = undefined
    })
    return asked
  }

  async versions(prefix: string, { signal }: CallOptions = {}): Promise<readonly ObjectVersion[]> {
    checkPrefix(prefix)
    const found: ObjectVersion[] = []
    for (let at: Marker | undefined = {}; at !== undefined; ) {
      const page = await this.#versionsPage(prefix, at, signal)
      const markers = (page.DeleteMarkers ?? []).map(one => this.#versionOf(one, page, true))
      const others = (page.Versions ?? []).map(one => this.#versionOf(one, page, false))
      found.push(...others, ...markers)
      at = this.#nextMarker(page, at)
    }
    return found.sort(
      (a, b) =>
        compareKeys(a.key, b.key) ||
        Number(b.isNewest) - Number(a.isNewest) ||
        b.modifiedAt.getTime() - a.modifiedAt.getTime(),
    )
  }

  async retention(
    place: VersionPlace,
    { signal }: CallOptions = {},
  ): Promise<Retention | undefined> {
    await this.require(place.key, signal)
    try {
      const one = { verb: 'read the lock of', key: place.key, signal }
      const { Retention: found } = await this.#options.call(one, inner =>
        this.#options.connection.retention(this.#at(place), inner),
      )
      const { Mode, RetainUntilDate } = found ?? {}
      if (RetainUntilDate === undefined) return undefined
      return { mode: Mode === 'COMPLIANCE' ? 'compliance' : 'governance', until: RetainUntilDate }
    } catch (error) {
      if (isFailure(error, 'object-missing') && isNoRetention(error)) return undefined
      throw error
    }
  }

  async retain(
    place: VersionPlace,
    { mode, until }: Retention,
    { signal }: CallOptions = {},
  ): Promise<void> {
    await this.require(place.key, signal)
    const Mode = mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE'
    await this.#options.call({ verb: 'lock', key: place.key, signal }, inner =>
      this.#options.connection.retain(
        { ...this.#at(place), Retention: { Mode, RetainUntilDate: until } },
        inner,
      ),
    )
  }

  async remove(place: VersionPlace, { signal, lift }: RemoveOptions = {}): Promise<void> {
    const input = { ...this.#at(place), ...(lift && { BypassGovernanceRetention: true }) }
    await this.#options.call({ verb: 'remove', key: place.key, signal }, inner =>
      this.#options.connection.delete(input, inner),
    )
  }

  /** Failure 'refused' where locks don't hold. */
  async require(key: string, signal: AbortSignal | undefined): Promise<void> {
    checkKey(key)
    const why = await this.whyNot({ signal })
    if (why === undefined) return
    throw new Failure('refused', `cannot lock ${key} in ${this.#options.address}: ${why}`, {
      hint: 'make the bucket anew with object lock, or take lock: out of the configuration',
    })
  }

  /** Servers have taken the headers, said yes and locked nothing: the first is read back. */
  async confirm(
    key: string,
    wanted: Retention,
    { signal }: { readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    if (this.#isConfirmed) return
    const found = await this.retention({ key }, { signal }).catch((error: unknown) => {
      // Write-only credentials may not look.
      if (isFailure(error, 'store-refused')) return wanted
      throw error
    })
    const isLocked = found !== undefined && found.until.getTime() >= wanted.until.getTime() - 1000
    if (!isLocked) {
      throw new Failure('refused', `cannot lock ${key}: the store took the lock and forgot it`, {
        hint: 'this store does not keep locks, whatever it says: do not rely on it for that',
      })
    }
    this.#isConfirmed = true
  }

  async #askWhyNot({ signal }: CallOptions): Promise<string | undefined> {
    const { bucket, call, connection } = this.#options
    try {
      const one = { verb: 'ask the object lock of', key: '', signal }
      const { ObjectLockConfiguration: found } = await call(one, inner =>
        connection.lockConfiguration({ Bucket: bucket }, inner),
      )
      return found?.ObjectLockEnabled === 'Enabled' ? undefined : notEnabled
    } catch (error) {
      if (isFailure(error, 'object-missing')) return notEnabled
      const isOfServer =
        isFailure(error, 'store-refused') && namesOf(error).includes('NotImplemented')
      if (isOfServer) return 'the server does not know object lock'
      throw error
    }
  }

  async #versionsPage(
    prefix: string,
    at: Marker,
    signal: AbortSignal | undefined,
  ): Promise<ListObjectVersionsCommandOutput> {
    const { bucket, folder, call, connection } = this.#options
    const input = { Bucket: bucket, Prefix: folder + prefix, EncodingType: 'url', ...at } as const
    const one = { verb: 'list versions of', key: prefix, signal }
    return await call(one, inner => connection.versionsPage(input, inner))
  }

  /** L9: only a page that says it is the last is the last. */
  #nextMarker(page: ListObjectVersionsCommandOutput, at: Marker): Marker | undefined {
    if (page.IsTruncated === undefined) throw this.#unclear()
    if (!page.IsTruncated) return undefined
    const { NextKeyMarker, NextVersionIdMarker: VersionIdMarker, EncodingType } = page
    const KeyMarker = NextKeyMarker && decodeKey(NextKeyMarker, EncodingType)
    const isSame = KeyMarker === at.KeyMarker && VersionIdMarker === at.VersionIdMarker
    if (!KeyMarker || isSame) throw this.#unclear()
    return { KeyMarker, ...(VersionIdMarker && { VersionIdMarker }) }
  }

  #versionOf(
    entry: S3Version | DeleteMarkerEntry,
    { EncodingType }: ListObjectVersionsCommandOutput,
    isMarker: boolean,
  ): ObjectVersion {
    const { folder } = this.#options
    const name = entry.Key === undefined ? '' : decodeKey(entry.Key, EncodingType)
    const { VersionId: version, LastModified: modifiedAt, IsLatest: isNewest = false } = entry
    if (!name.startsWith(folder) || version === undefined || modifiedAt === undefined)
      throw this.#unclear()
    const bytes = 'Size' in entry ? (entry.Size ?? 0) : 0
    return { key: name.slice(folder.length), version, bytes, isMarker, isNewest, modifiedAt }
  }

  #at({ key, version }: VersionPlace) {
    const { bucket, folder } = this.#options
    return {
      Bucket: bucket,
      Key: folder + key,
      ...(version !== undefined && { VersionId: version }),
    }
  }

  #unclear(): Failure {
    const { address } = this.#options
    return new Failure(
      'store-unavailable',
      `cannot list versions in ${address}: an answer is not whole`,
    )
  }
}

/** For a put with a lock, where no other hash is sent: the store wants one. */
export function md5Header(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}

const notEnabled = 'the bucket was made without object lock'

function isNoRetention(error: Failure): boolean {
  return /NoSuchObjectLockConfiguration|ObjectLockConfigurationNotFound/.test(namesOf(error))
}

/** The store's own name for what was wrong; failures.ts keeps it as the cause. */
function namesOf({ cause }: Failure): string {
  return cause instanceof Error ? cause.message : String(cause)
}
