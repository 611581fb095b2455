// The send stream of a backup as it was: segments fetched ahead, each checked as a whole before a
// byte of it is opened, opened frame by frame, and the whole held against its SHA-256 at the end.

import { createHash } from 'node:crypto'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure } from '../base/failure.ts'
import { namedObjects } from '../catalog/commit.ts'
import type { Repository } from '../catalog/repository.ts'
import type { IndexSegment } from '../format/index-record.ts'
import type { Backup } from '../model/backup.ts'
import { openSegment } from '../pack/unpacker.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import { fetchesAhead, ObjectFetcher } from './fetch-objects.ts'
import { type BackupIndex, checkLead } from './read-index.ts'

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
  const objects = [...namedObjects(manifest)].filter(({ role }) => role === 'segment')
  const fetcher = new ObjectFetcher(objects, { store: repository.store, ...options })
  const fetch = async (object: (typeof objects)[number], over: AbortSignal) => ({
    key: object.key,
    sealed: await fetcher.fetch(object, over),
  })
  let n = 0
  for await (const { key, sealed } of mapInOrder(objects, fetchesAhead, fetch)) {
    const segment = index.segments[n]
    if (segment === undefined) throw new Error('the index has fewer segments than the manifest')
    const inside = insideOf(segment)
    const open = { pool: options.pool, parameters: manifest.parameters, label: key }
    for await (const { raw, lead } of openSegment(sealed, inside, open)) {
      if (lead) checkLead(lead, { manifest, role: 'segment', n, offset: segment.offset })
      yield raw
    }
    n += 1
  }
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
