// Objects in a bucket. Each is one PUT of known length with its hashes computed beforehand: no
// multipart, nothing to clean up, and a retry changes nothing.

import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { asBuffer, toHex } from '../../base/bytes.ts'
import { Failure, interruption, isFailure, throwIfAborted } from '../../base/failure.ts'
import type { Retention } from '../../model/lock.ts'
import type { NewObject } from '../../model/object.ts'
import { describeRemote, endpointProblem, type S3Address } from '../../model/remote.ts'
import { checkKey, checkPrefix } from '../keys.ts'
import { checkRange } from '../ranges.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  PutOptions,
  Store,
  StoreFeatures,
} from '../store.ts'
import { BucketLock, md5Header } from './bucket-lock.ts'
import { connectS3, type S3Connection } from './client.ts'
import { s3Failure } from './failures.ts'
import { listBucket } from './list-bucket.ts'
import { readBody } from './read-body.ts'

export interface S3Options extends Omit<S3Address, 'kind'> {
  /**
   * False where a trial found that the server ignores or refuses `If-None-Match: *`: put then
   * looks first, which is no protection in a race.
   */
  readonly createIfAbsent?: boolean | undefined
  /** What is put will be locked. */
  readonly locks?: boolean | undefined
  /** Never looks: where createIfAbsent is false, a put may then write over what exists. */
  readonly writeOnly?: boolean | undefined
}

type Knowledge = Pick<S3Options, 'createIfAbsent' | 'locks' | 'writeOnly'>

/** Makes no request yet: what is wrong with the bucket shows at the first call. */
export async function openS3Store(options: S3Options): Promise<Store> {
  const address: S3Address = { ...options, kind: 's3' }
  const problem = options.endpoint === undefined ? undefined : endpointProblem(options.endpoint)
  if (problem !== undefined) {
    throw new Failure('config-invalid', `cannot use ${describeRemote(address)}: ${problem}`)
  }
  return new S3Store(address, await connectS3(address), options)
}

/** Small enough for a rate limit to be even, and for a slow one not to look like a dead line. */
const pacedPieceBytes = 32 * 1024

class S3Store implements Store {
  readonly address: string
  readonly features: StoreFeatures
  readonly lock: BucketLock
  readonly #options: S3Address
  readonly #connection: S3Connection
  readonly #folder: string
  readonly #checksums: 'crc32' | 'none'
  readonly #looks: boolean

  constructor(options: S3Address, connection: S3Connection, knowledge: Knowledge) {
    const { createIfAbsent = true, locks = false, writeOnly = false } = knowledge
    this.#looks = !createIfAbsent && !writeOnly
    this.address = describeRemote(options)
    this.#options = options
    this.#connection = connection
    this.#folder = options.prefix === '' ? '' : `${options.prefix}/`
    this.#checksums = options.checksums ?? (options.endpoint === undefined ? 'crc32' : 'none')
    // A put with a lock needs a hash that the server checks: of the two, any will do.
    const wants =
      this.#checksums === 'crc32' ? (['crc32'] as const) : locks ? (['md5'] as const) : []
    this.features = { createIfAbsent, wants }
    this.lock = new BucketLock({
      address: this.address,
      bucket: options.bucket,
      folder: this.#folder,
      connection,
      call: (one, request) => this.#call(one, request),
    })
  }

  async put(key: string, object: NewObject, options: PutOptions = {}): Promise<void> {
    checkKey(key)
    const { retain } = options
    if (retain) await this.lock.require(key, options.signal)
    await this.#call({ verb: 'put', key, signal: options.signal }, async signal => {
      const create = options.replace !== true
      if (create && this.#looks) await this.#refuseExisting(key, signal)
      await this.#send(key, object, { ...options, signal })
    })
    if (retain) await this.lock.confirm(key, retain, { signal: options.signal })
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    checkKey(key)
    checkRange(options.range)
    const { range } = options
    // HTTP has no way to ask for no bytes.
    if (range !== undefined && range.start === range.end)
      return await this.#getNothing(key, options)
    return await this.#call({ verb: 'read', key, signal: options.signal }, async signal => {
      const Range = range && `bytes=${range.start}-${range.end - 1}`
      const output = await this.#connection.get(
        {
          ...this.#at(key),
          ...(Range && { Range }),
          ...(options.version !== undefined && { VersionId: options.version }),
        },
        signal,
      )
      return await readBody(output, { key, options })
    })
  }

  async size(key: string, options: CallOptions = {}): Promise<number> {
    checkKey(key)
    return await this.#call({ verb: 'measure', key, signal: options.signal }, async signal => {
      const { ContentLength } = await this.#connection.head(this.#at(key), signal)
      if (ContentLength === undefined) throw unclear(`measure ${key}`, 'no size')
      return ContentLength
    })
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    checkPrefix(prefix)
    const listing = {
      bucket: this.#options.bucket,
      folder: this.#folder,
      prefix,
      after: options.after,
      page: (input: Parameters<S3Connection['listPage']>[0]) =>
        this.#call({ verb: 'list', key: prefix, signal: options.signal }, signal =>
          this.#connection.listPage(input, signal),
        ),
    }
    for await (const object of listBucket(listing)) {
      throwIfAborted(options.signal)
      yield object
    }
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    checkKey(key)
    await this.#call({ verb: 'delete', key, signal: options.signal }, async signal => {
      await this.#connection.delete(this.#at(key), signal)
    })
  }

  async clock(options: CallOptions = {}): Promise<number | undefined> {
    throwIfAborted(options.signal)
    const before = this.#connection.answers().count
    try {
      await this.#call(
        { verb: 'ask the time of', key: 'repository.json', signal: options.signal },
        async signal => {
          await this.#connection.head(this.#at('repository.json'), signal)
        },
      )
    } catch (error) {
      // Write-only credentials may not look, but even a refusal is dated.
      if (options.signal?.aborted || this.#connection.answers().count === before) throw error
    }
    const date = Date.parse(this.#connection.answers().date ?? '')
    return Number.isNaN(date) ? undefined : date
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  async #send(
    key: string,
    object: NewObject,
    options: PutOptions & { readonly signal: AbortSignal },
  ): Promise<void> {
    const stop = new AbortController()
    const { pace } = options
    const whole = asBuffer(object.bytes)
    const body = pace === undefined || whole.length === 0 ? whole : pacedBody(whole, pace)
    if (body instanceof Readable) body.once('error', error => stop.abort(error))
    const hash = this.#options.payload === 'unsigned' ? 'UNSIGNED-PAYLOAD' : toHex(object.sha256)
    try {
      const { ETag } = await this.#connection.put(
        {
          ...this.#at(key),
          ...this.#writeOptions(object, options),
          Body: body,
          ContentLength: whole.length,
          payloadHash: hash,
        },
        AbortSignal.any([options.signal, stop.signal]),
      )
      // A proxy or portal in between answers 200 to everything; a store that stored says what.
      if (ETag === undefined) throw unclear(`put ${key}`, 'no ETag')
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error
    } finally {
      if (body instanceof Readable) body.destroy()
    }
  }

  #writeOptions(object: NewObject, options: PutOptions) {
    const { kind = 'metadata', replace, retain } = options
    const { storageClass, sse } = this.#options
    const usual = kind === 'segment' ? storageClass?.segments : storageClass?.metadata
    const StorageClass = options.storageClass ?? usual
    const conditional = replace !== true && this.features.createIfAbsent
    return {
      ...(conditional && { IfNoneMatch: '*' }),
      ...(this.#checksums === 'crc32' && { ChecksumCRC32: crc32Header(object) }),
      ...(object.md5 && { ContentMD5: asBuffer(object.md5).toString('base64') }),
      ...(retain && this.#lockOptions(object, retain)),
      ...(StorageClass !== undefined && { StorageClass: StorageClass as 'STANDARD' }),
      ...(sse && { ServerSideEncryption: sse.kind }),
      ...(sse?.kind === 'aws:kms' && sse.kmsKeyId !== undefined && { SSEKMSKeyId: sse.kmsKeyId }),
    }
  }

  #lockOptions(object: NewObject, { mode, until }: Retention) {
    const isHashed = object.md5 !== undefined || this.#checksums === 'crc32'
    return {
      ObjectLockMode: mode === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
      ObjectLockRetainUntilDate: until,
      ...(!isHashed && { ContentMD5: md5Header(object.bytes) }),
    }
  }

  async #refuseExisting(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#connection.head(this.#at(key), signal)
    } catch (error) {
      const failure = s3Failure(`put ${this.address}/${key}`, error)
      if (isFailure(failure, 'object-missing')) return
      // Who may list only a part of the bucket is told "denied" of what is absent.
      if (!isFailure(failure, 'store-refused')) throw error
      const first = await this.list(key, { signal }).next()
      if (first.done || first.value.key !== key) return
    }
    throw new Failure('object-exists', `cannot put ${this.address}/${key}: it exists already`)
  }

  async #getNothing(key: string, options: GetOptions): Promise<Uint8Array<ArrayBuffer>> {
    const at = options.range?.start ?? 0
    const size = await this.size(key, options)
    if (at <= size) return new Uint8Array(0)
    throw new Failure(
      'corrupt',
      `cannot read ${key}: it has ${size} bytes, byte ${at} was asked for`,
    )
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#folder + key }
  }

  async #call<T>(call: Call, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { verb, key, signal } = call
    throwIfAborted(signal)
    try {
      return await request(signal ?? new AbortController().signal)
    } catch (error) {
      if (signal?.aborted) throw interruption(signal)
      throw s3Failure(`${verb} ${this.address}/${key}`, error)
    }
  }
}

interface Call {
  readonly verb: string
  readonly key: string
  readonly signal: AbortSignal | undefined
}

function unclear(what: string, lacking: string): Failure {
  return new Failure('store-unavailable', `cannot ${what}: the store's answer has ${lacking}`)
}

function crc32Header(object: NewObject): string {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(object.crc32 ?? crc32(object.bytes))
  return header.toString('base64')
}

// With its length and hash known, a stream goes out exactly like a buffer: no chunked framing.
function pacedBody(whole: Buffer, pace: (bytes: number) => Promise<void>): Readable {
  async function* pieces() {
    for (let at = 0; at < whole.length; at += pacedPieceBytes) {
      const piece = whole.subarray(at, at + pacedPieceBytes)
      await pace(piece.length)
      yield piece
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: pacedPieceBytes })
}
