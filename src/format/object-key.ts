// The names of objects in a repository, both directions (docs/format.md §2).

import { Failure } from '../base/failure.ts'
import type { BackupParameters } from '../model/backup.ts'
import {
  asRunId,
  asSeriesId,
  asSha256,
  type RunId,
  type SeriesId,
  type Sha256,
} from '../model/ids.ts'

export const repositoryKey = 'repository.json'
export const restoreGuideKey = 'RESTORE.md'
export const manifestPrefix = 'manifests/'

export type ObjectRole = 'segment' | 'index'

export interface ObjectPlace {
  readonly role: ObjectRole
  readonly series: SeriesId
  readonly run: RunId
  readonly n: number
  readonly sha256: Sha256
}

const folders: Record<ObjectRole, string> = { segment: 'segments', index: 'indexes' }
export const roleFolders: readonly string[] = Object.values(folders)

/** `.age` is zstd inside age; what is left out of that changes the ending. */
export function objectEnding(parameters: Pick<BackupParameters, 'compress' | 'encrypt'>): string {
  if (parameters.encrypt === 'age') return parameters.compress === 'zstd' ? '.age' : '.raw.age'
  return parameters.compress === 'zstd' ? '.zst' : '.raw'
}

/** All segments, or all indexes, of a series. */
export function rolePrefix(role: ObjectRole, series: SeriesId): string {
  return `${folders[role]}/${series}/`
}

export function runPrefix(role: ObjectRole, series: SeriesId, run: RunId): string {
  return `${rolePrefix(role, series)}${run}/`
}

export function objectKey(place: ObjectPlace, ending: string): string {
  const name = `${String(place.n).padStart(8, '0')}-${place.sha256}${ending}`
  return `${runPrefix(place.role, place.series, place.run)}${name}`
}

/** Undefined when the key is not the name of a segment or an index. */
export function parseObjectKey(key: string): ObjectPlace | undefined {
  const match =
    /^(segments|indexes)\/([0-9a-f]+)\/([0-9a-f]+)\/(\d{8,15})-([0-9a-f]+)(\.age|\.raw\.age|\.zst|\.raw)$/.exec(
      key,
    )
  if (!match) return undefined
  const series = asSeriesId(match[2] as string)
  const run = asRunId(match[3] as string)
  const sha256 = asSha256(match[5] as string)
  if (!series || !run || !sha256) return undefined
  const role = match[1] === 'segments' ? 'segment' : 'index'
  const place = { role, series, run, n: Number(match[4]), sha256 } as const
  // One object, one name: a number with zeros too many is not ours.
  return objectKey(place, match[6] as string) === key ? place : undefined
}

export function manifestKey(series: SeriesId, seq: number): string {
  return `${manifestPrefix}${series}/${String(seq).padStart(8, '0')}.json`
}

export function signatureKey(series: SeriesId, seq: number): string {
  return `${manifestKey(series, seq)}.sig`
}

export function tombstoneKey(series: SeriesId, seq: number): string {
  return manifestKey(series, seq).replace(/\.json$/, '.tombstone.json')
}

export function tombstoneSignatureKey(series: SeriesId, seq: number): string {
  return `${tombstoneKey(series, seq)}.sig`
}

/** What may lie in the folder of a series' manifests under one number. */
export type ManifestPart = 'manifest' | 'signature' | 'tombstone' | 'tombstone-signature'

export interface ManifestPlace {
  readonly series: SeriesId
  readonly seq: number
  readonly part: ManifestPart
}

/** Undefined when the key is not the name of a manifest, a tombstone or a signature of either. */
export function parseManifestKey(key: string): ManifestPlace | undefined {
  const match = /^manifests\/([0-9a-f]+)\/(\d{8,12})(\.tombstone)?\.json(\.sig)?$/.exec(key)
  const series = match ? asSeriesId(match[1] as string) : undefined
  if (!match || !series) return undefined
  const seq = Number(match[2])
  const part = parts[(match[3] ? 2 : 0) + (match[4] ? 1 : 0)] as ManifestPart
  // One thing, one name: a number with zeros too many is not ours.
  return seq < 1 || keyOfPart[part](series, seq) !== key ? undefined : { series, seq, part }
}

const parts = ['manifest', 'signature', 'tombstone', 'tombstone-signature'] as const

const keyOfPart: Readonly<Record<ManifestPart, (series: SeriesId, seq: number) => string>> = {
  manifest: manifestKey,
  signature: signatureKey,
  tombstone: tombstoneKey,
  'tombstone-signature': tombstoneSignatureKey,
}

/** Backups of one series are numbered from 1; docs/format.md §4 gives the bound. */
export const lastSeq = 999_999_999_999

export function nextSeq(used: Iterable<number>): number {
  let highest = 0
  for (const seq of used) highest = Math.max(highest, seq)
  if (highest >= lastSeq)
    throw new Failure('refused', 'cannot number another backup: seq is used up')
  return highest + 1
}
