// One stream, read once, for every level from bytes on: each object against its hash, each segment
// opened, the whole held against its guard, its hash and its index. After the first thing that is
// wrong the stream as a whole is lost, but what is left of its objects is still looked at.

import { createHash } from 'node:crypto'
import { releaseBytes } from '../base/bytes.ts'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure } from '../base/failure.ts'
import type { Repository } from '../catalog/repository.ts'
import type { StreamFacts } from '../model/backup.ts'
import type { Identity } from '../pack/identities.ts'
import { openSegment } from '../pack/unpacker.ts'
import { StreamGuard } from '../stream/guard.ts'
import type { SymlinkNames } from '../stream/symlink-names.ts'
import { fetchesAhead } from './fetch-objects.ts'
import { type BackupIndex, checkLead, readIndex } from './read-index.ts'
import { insideOf } from './read-stream.ts'
import type { BackupLedger } from './verify-ledger.ts'
import {
  failureOf,
  fetchChecked,
  fetcherOf,
  placesIn,
  type ReadObjectsOptions,
  verifyBytes,
} from './verify-objects.ts'

export interface VerifyIndexOptions extends ReadObjectsOptions {
  readonly identities: readonly Identity[]
}

/** The index, if it is the one that belongs to the signed manifest; else findings are entered. */
export async function verifyIndex(
  repository: Repository,
  one: BackupLedger,
  options: VerifyIndexOptions,
): Promise<BackupIndex | undefined> {
  const places = [...placesIn(one, 'index')]
  if (places.some(({ n }) => one.hasFailed(n))) return void (await readRest(0))
  let opened = 0
  const onObject = (n: number) => {
    opened = n + 1
    one.proveObject(one.placeOf('index', n), 'decrypts')
  }
  try {
    return await readIndex(repository, one.backup, { ...options, onObject })
  } catch (error) {
    const failure = failureOf(error)
    if (await readRest(opened)) {
      const place = places[opened]
      if (place === undefined) one.enter('decrypts', failure)
      else one.enterObject(place.n, 'decrypts', failure)
    }
    return undefined
  }

  /** Whether what follows has its bytes at least: then it is not they that are wrong. */
  async function readRest(from: number): Promise<boolean> {
    await verifyBytes(repository, places.slice(from), options)
    return places.slice(from).every(({ n }) => one.isProven(n, 'bytes'))
  }
}

export interface StreamTask extends ReadObjectsOptions {
  readonly repository: Repository
  readonly one: BackupLedger
  readonly index: BackupIndex
  /** The parent's stream facts; null for a full backup. */
  readonly parent: StreamFacts | null
  /** Symlinks that the chain has made so far; updated. */
  readonly symlinks: SymlinkNames
  readonly onOpened: (rawBytes: number) => void
}

type Step = { readonly raw: Uint8Array<ArrayBuffer> } | { readonly failure: Failure }

export class StreamProof {
  readonly #task: StreamTask
  readonly #source: AsyncGenerator<Step, void, undefined>
  readonly #guard: StreamGuard
  readonly #hash = createHash('sha256')
  readonly #skeleton = { hash: createHash('sha256'), bytes: 0 }
  #failure: Failure | undefined
  #done = false

  constructor(task: StreamTask) {
    this.#task = task
    this.#source = openedSegments(task)
    const { uuid, ctransid } = task.one.backup.manifest.stream
    this.#guard = new StreamGuard({
      expect: { uuid, ctransid, parent: task.parent },
      symlinks: task.symlinks,
      onSkeleton: piece => {
        this.#skeleton.hash.update(piece)
        this.#skeleton.bytes += piece.length
      },
    })
  }

  /**
   * The stream, for a consumer that may stop early. Ends normally only when all of it was right
   * (L1, L6); else throws why not.
   */
  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    for (;;) {
      const raw = await this.#next()
      if (this.#failure !== undefined) throw this.#failure
      if (raw === undefined) return
      yield raw
    }
  }

  /** Why the stream as a whole is lost; undefined while it is not. */
  get failure(): Failure | undefined {
    return this.#failure
  }

  /** Checks what pieces() was not asked for, to the end. */
  async rest(): Promise<void> {
    while (!this.#done) {
      const raw = await this.#next()
      if (raw !== undefined) releaseBytes(raw)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.return()
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { value: step } = await this.#source.next()
    if (step === undefined) {
      this.#done = true
      this.#check(() => this.#finish())
      return undefined
    }
    if ('failure' in step) {
      // Its own object has the finding.
      this.#failure ??= step.failure
      return undefined
    }
    const { raw } = step
    this.#task.onOpened(raw.length)
    this.#check(() => {
      this.#guard.write(raw)
      this.#hash.update(raw)
    })
    return raw
  }

  #check(look: () => void): void {
    if (this.#failure !== undefined) return
    try {
      look()
    } catch (error) {
      this.#failure = failureOf(error)
      this.#task.one.enter('decrypts', this.#failure)
    }
  }

  #finish(): void {
    const { one, index } = this.#task
    const { seq } = one.backup.manifest
    const { commandCount, bytes } = this.#guard.finish()
    const { end } = index
    const wrong =
      this.#hash.digest('hex') !== end.streamSha256
        ? 'its SHA-256 is not what the index says'
        : bytes !== end.streamBytes || commandCount !== end.commands
          ? 'its index counts other bytes or commands'
          : this.#skeleton.bytes !== end.skeletonBytes ||
              this.#skeleton.hash.digest('hex') !== end.skeletonSha256
            ? 'its index has the skeleton of another stream'
            : undefined
    if (wrong) throw new Failure('corrupt', `cannot use the stream of backup ${seq}: ${wrong}`)
    one.prove('decrypts')
  }
}

/** Raw bytes in the order of the stream; a segment that is wrong is told and passed over. */
async function* openedSegments(task: StreamTask): AsyncGenerator<Step, void, undefined> {
  const { repository, one, index, pool } = task
  const { manifest } = one.backup
  const places = [...placesIn(one, 'segment')]
  const fetcher = fetcherOf(repository, places, task)
  const fetch = async (place: (typeof places)[number], over: AbortSignal) => ({
    place,
    sealed: await fetchChecked(fetcher, place, { over, onAnswer: task.onAnswer }),
  })
  for await (const { place, sealed } of mapInOrder(places, fetchesAhead, fetch)) {
    const { n, object } = place
    const segment = index.segments[n]
    if (segment === undefined) throw new Error('the index has fewer segments than the manifest')
    if (sealed instanceof Failure) {
      yield { failure: sealed }
      continue
    }
    const open = { pool, parameters: manifest.parameters, label: object.key }
    try {
      for await (const { raw, lead } of openSegment(sealed, insideOf(segment), open)) {
        if (lead) checkLead(lead, { manifest, role: 'segment', n, offset: segment.offset })
        yield { raw }
      }
      one.proveObject(n, 'decrypts')
    } catch (error) {
      const failure = failureOf(error)
      one.enterObject(n, 'decrypts', failure)
      yield { failure }
    }
  }
}
