// The send stream of a backup as it was: segments fetched ahead, each checked as a whole before a
// byte of it is opened, opened frame by frame, and the whole held against its SHA-256 at the end.

import { createHash } from 'node:crypto'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure } from '../base/failure.ts'
import { namedObjects } from '../catalog/commit.ts'
import type { Repository } from '../catalog/repository.ts'
import type { IndexSegment } from '../format/index-record.ts'
import type { Backup, StoredObject } from '../model/backup.ts'
import { checkHash, openSegment } from '../pack/unpacker.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import { type BackupIndex, checkLead } from './read-index.ts'

/** Sealed bytes that may be in memory: what is opened and what was fetched ahead. */
const fetchBudgetBytes = 128 * 1024 * 1024
const mostFetches = 8

export interface ReadStreamOptions {
  readonly pool: WorkerPool
  readonly signal?: AbortSignal | undefined
  readonly onFetched?: ((bytes: number) => void) | undefined
}

/** Ends normally only when every byte was what `btrfs send` wrote (L1, L6); else Failure 'corrupt'. */
export async function* readStream(
  repository: Repository,
  link: { readonly backup: Backup; readonly index: BackupIndex },
  options: ReadStreamOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const hash = createHash('sha256')
  for await (const raw of readFrames(repository, link, options)) {
    hash.update(raw)
    yield raw
  }
  if (hash.digest('hex') === link.index.end.streamSha256) return
  throw new Failure(
    'corrupt',
    `cannot use the stream of backup ${link.backup.manifest.seq}: its SHA-256 is not what the index says`,
  )
}

/** The same, for who takes the SHA-256 of all of it: only that tells that nothing is missing. */
export async function* readFrames(
  repository: Repository,
  { backup, index }: { readonly backup: Backup; readonly index: BackupIndex },
  options: ReadStreamOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { manifest } = backup
  let n = 0
  for await (const fetched of fetchSegments(repository, backup, options)) {
    const segment = index.segments[n]
    if (segment === undefined) throw new Error('the index has fewer segments than the manifest')
    const inside = insideOf(segment)
    const { parameters } = manifest
    const open = { pool: options.pool, parameters, label: fetched.key }
    for await (const { raw, lead } of openSegment(fetched.bytes, inside, open)) {
      if (lead) checkLead(lead, { manifest, role: 'segment', n, offset: segment.offset })
      yield raw
    }
    n += 1
  }
}

async function* fetchSegments(
  { store }: Repository,
  { manifest }: Backup,
  { pool, signal, onFetched }: ReadStreamOptions,
) {
  const objects = [...namedObjects(manifest)].filter(({ role }) => role === 'segment')
  const fetch = async (object: StoredObject & { readonly key: string }) => {
    const bytes = await store.get(object.key, { signal, maxBytes: object.bytes })
    onFetched?.(bytes.length)
    return { key: object.key, bytes: await checkHash(bytes, object, { pool, label: object.key }) }
  }
  yield* mapInOrder(objects, fetchesAtOnce(objects), fetch)
}

/** How many of the objects may be in memory at a time. */
export function fetchesAtOnce(objects: readonly StoredObject[]): number {
  const largest = objects.reduce((most, { bytes }) => Math.max(most, bytes), 1)
  return Math.min(mostFetches, Math.max(2, Math.floor(fetchBudgetBytes / largest)))
}

/** What the index says of a segment, as it is opened with. */
export function insideOf(segment: IndexSegment) {
  return {
    headerBytes: segment.header,
    fileKey: segment.key === null ? null : new Uint8Array(Buffer.from(segment.key, 'base64')),
    leadBytes: segment.lead,
    rawBytes: segment.raw,
    frames: segment.frames,
  }
}
