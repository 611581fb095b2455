// The levels of verify that need no key: every object is listed with its size, every object was
// read and has its hash. One that is damaged stops nothing.

import { forEachLimited } from '../base/concurrency.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { namedObjects } from '../catalog/commit.ts'
import type { Repository } from '../catalog/repository.ts'
import { type ObjectRole, rolePrefix } from '../format/object-key.ts'
import type { Backup, Manifest } from '../model/backup.ts'
import type { SeriesId } from '../model/ids.ts'
import { Pieces } from '../pack/pieces.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import { fetchesAhead, ObjectFetcher } from './fetch-objects.ts'
import type { BackupLedger, NamedObject, SeriesLedger } from './verify-ledger.ts'

/** Objects of the series that no manifest names: a run that goes on, or what one left behind. */
export interface UnnamedObjects {
  readonly count: number
  readonly bytes: number
}

export interface SeriesToVerify {
  readonly series: SeriesId
  readonly ledger: SeriesLedger
  /** Forgotten ones: nothing is proven of them, and their objects are theirs. */
  readonly hidden: readonly Backup[]
}

/** One list for each kind of object; enters what is missing or has another size. */
export async function verifyPresent(
  { store }: Repository,
  { series, ledger, hidden }: SeriesToVerify,
  signal: AbortSignal,
): Promise<UnnamedObjects> {
  const ofHidden = new Set(hidden.flatMap(({ manifest }) => keysOf(manifest)))
  const unnamed = { count: 0, bytes: 0 }
  for (const role of ['segment', 'index'] as const) {
    const expected = placesOf(ledger, role)
    try {
      for await (const { key, bytes } of store.list(rolePrefix(role, series), { signal })) {
        const place = expected.get(key)
        if (place !== undefined) {
          expected.delete(key)
          enterSize(place, bytes)
        } else if (!ofHidden.has(key)) {
          unnamed.count += 1
          unnamed.bytes += bytes
        }
      }
      // L9: only a list that ended normally tells that something is not there.
      for (const place of expected.values()) enterMissing(place)
    } catch (error) {
      const failure = failureOf(error)
      for (const { one, n } of expected.values()) one.enterObject(n, 'present', failure)
    }
  }
  return unnamed
}

function keysOf(manifest: Manifest): string[] {
  return [...namedObjects(manifest)].map(({ key }) => key)
}

/** One object of one backup. */
export interface Place {
  readonly one: BackupLedger
  readonly n: number
  readonly object: NamedObject
}

export interface ReadObjectsOptions {
  readonly pool: WorkerPool
  readonly signal: AbortSignal
  readonly onFetched: (bytes: number) => void
  /** Told of every answer of the store: undefined for one that came. */
  readonly onAnswer: (failure: Failure | undefined) => void
}

/** Reads whole objects, several at a time, and holds them against their hashes. */
export async function verifyBytes(
  repository: Repository,
  places: readonly Place[],
  options: ReadObjectsOptions,
): Promise<void> {
  const fetcher = fetcherOf(repository, places, options)
  const read = async (place: Place, over: AbortSignal) => {
    const sealed = await fetchChecked(fetcher, place, { over, onAnswer: options.onAnswer })
    if (sealed instanceof Pieces) sealed.release()
  }
  await forEachLimited(places, fetchesAhead, read)
}

export function fetcherOf(
  { store }: Repository,
  places: readonly Place[],
  { pool, signal, onFetched, onAnswer }: ReadObjectsOptions,
): ObjectFetcher {
  return new ObjectFetcher(
    places.map(({ object }) => object),
    {
      store,
      pool,
      signal,
      onFetched: bytes => {
        onAnswer(undefined)
        onFetched(bytes)
      },
    },
  )
}

/** The object, if it is what its manifest says; else a finding is entered. */
export async function fetchChecked(
  fetcher: ObjectFetcher,
  { one, n, object }: Place,
  { over, onAnswer }: Pick<ReadObjectsOptions, 'onAnswer'> & { readonly over: AbortSignal },
): Promise<Pieces | Failure> {
  const { key } = object
  if (one.hasFailed(n)) return new Failure('object-missing', `cannot read ${key}: it is known bad`)
  try {
    const sealed = await fetcher.fetch(object, over)
    one.proveObject(n, 'bytes')
    return sealed
  } catch (error) {
    const failure = failureOf(error)
    onAnswer(failure)
    one.enterObject(n, 'bytes', failure)
    return failure
  }
}

export function* placesIn(one: BackupLedger, role?: ObjectRole): Generator<Place> {
  for (const [n, object] of one.objects.entries()) {
    if (role === undefined || object.role === role) yield { one, n, object }
  }
}

/** What a person may meet; an interruption and a bug end everything. */
export function failureOf(error: unknown): Failure {
  if (!isFailure(error) || error.code === 'interrupted') throw error
  return error
}

function placesOf(ledger: SeriesLedger, role: ObjectRole): Map<string, Place> {
  const places = new Map<string, Place>()
  for (const one of ledger.backups) {
    for (const place of placesIn(one, role)) places.set(place.object.key, place)
  }
  return places
}

function enterSize({ one, n, object }: Place, bytes: number): void {
  if (bytes === object.bytes) return one.proveObject(n, 'present')
  const why = `it has ${bytes} bytes, its manifest says ${object.bytes}`
  one.enterObject(n, 'present', new Failure('corrupt', `cannot use ${object.key}: ${why}`))
}

function enterMissing({ one, n, object }: Place): void {
  const failure = new Failure('object-missing', `cannot use ${object.key}: it is not in the store`)
  one.enterObject(n, 'present', failure)
}
