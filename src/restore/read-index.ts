// The index of a backup, fetched, opened with an identity, and held against its signed manifest.

import { createHash } from 'node:crypto'
import { Failure } from '../base/failure.ts'
import { namedObjects } from '../catalog/commit.ts'
import type { Repository } from '../catalog/repository.ts'
import {
  type IndexBegin,
  IndexDecoder,
  type IndexEnd,
  type IndexRecord,
  type IndexSegment,
} from '../format/index-record.ts'
import type { Lead } from '../format/lead-frame.ts'
import type { ObjectRole } from '../format/object-key.ts'
import type { Backup, Manifest } from '../model/backup.ts'
import type { Identity } from '../pack/identities.ts'
import { openWithIdentity } from '../pack/unpacker.ts'

export interface BackupIndex {
  readonly begin: IndexBegin
  /** In the order of the stream. */
  readonly segments: readonly IndexSegment[]
  readonly end: IndexEnd
}

export interface ReadIndexOptions {
  readonly identities: readonly Identity[]
  readonly signal?: AbortSignal | undefined
  /** The skeleton, in order. A piece is only valid during the call. */
  readonly onSkeleton?: ((piece: Uint8Array) => void) | undefined
  readonly onFetched?: ((bytes: number) => void) | undefined
  /** The n-th object was right, to its last byte. */
  readonly onObject?: ((n: number) => void) | undefined
}

/** Failure 'identity-wrong' when no identity opens it, 'corrupt' when it is not what was signed. */
export async function readIndex(
  repository: Repository,
  backup: Backup,
  options: ReadIndexOptions,
): Promise<BackupIndex> {
  const draft = new IndexDraft(backup, options.onSkeleton)
  for await (const record of readRecords(repository, backup, options)) draft.add(record)
  return draft.finish()
}

/** Only what the index begins with: which source, host and path. Fetches one object. */
export async function readIndexBegin(
  repository: Repository,
  backup: Backup,
  options: ReadIndexOptions,
): Promise<IndexBegin> {
  for await (const record of readRecords(repository, backup, options)) {
    if (record.kind !== 'begin') break
    checkBegin(record.begin, backup)
    return record.begin
  }
  throw misfit(backup, 'it does not begin as an index')
}

async function* readRecords(
  { store }: Repository,
  { manifest }: Backup,
  { identities, signal, onFetched, onObject }: ReadIndexOptions,
): AsyncGenerator<IndexRecord, void, undefined> {
  const decoder = new IndexDecoder(`backup ${manifest.seq}`)
  let n = 0
  let offset = 0
  for (const object of namedObjects(manifest)) {
    if (object.role !== 'index') continue
    const bytes = await store.get(object.key, { signal, maxBytes: object.bytes })
    onFetched?.(bytes.length)
    const { parameters } = manifest
    const options = { identities, parameters, label: object.key }
    const { lead, raw } = await openWithIdentity(bytes, object, options)
    checkLead(lead, { manifest, role: 'index', n, offset })
    for (const piece of raw) {
      offset += piece.length
      yield* decoder.write(piece)
    }
    onObject?.(n)
    n += 1
  }
  decoder.finish()
}

/** An object that was sealed for another place is refused, though it decrypts. */
export function checkLead(
  lead: Lead,
  place: { manifest: Manifest; role: ObjectRole; n: number; offset: number },
): void {
  const { manifest, role, n, offset } = place
  const fits =
    lead.role === role &&
    lead.repository === manifest.repository &&
    lead.series === manifest.series &&
    lead.seq === manifest.seq &&
    lead.run === manifest.run &&
    lead.n === n &&
    lead.offset === offset
  if (fits) return
  const what = `${role} ${n} of backup ${manifest.seq}`
  throw new Failure('corrupt', `cannot use ${what}: it was sealed for another place`)
}

class IndexDraft {
  readonly #backup: Backup
  readonly #onSkeleton: ((piece: Uint8Array) => void) | undefined
  readonly #skeletonHash = createHash('sha256')
  readonly #segments = new Map<number, IndexSegment>()
  #skeletonBytes = 0
  #begin: IndexBegin | undefined
  #end: IndexEnd | undefined

  constructor(backup: Backup, onSkeleton: ((piece: Uint8Array) => void) | undefined) {
    this.#backup = backup
    this.#onSkeleton = onSkeleton
  }

  add(record: IndexRecord): void {
    switch (record.kind) {
      case 'begin':
        checkBegin(record.begin, this.#backup)
        this.#begin = record.begin
        break
      case 'skeleton':
        this.#skeletonHash.update(record.bytes)
        this.#skeletonBytes += record.bytes.length
        this.#onSkeleton?.(record.bytes)
        break
      case 'segment':
        checkSegment(record.segment, this.#backup)
        if (this.#segments.has(record.segment.n)) {
          throw misfit(this.#backup, `it names segment ${record.segment.n} twice`)
        }
        this.#segments.set(record.segment.n, record.segment)
        break
      case 'end':
        this.#end = record.end
        break
    }
  }

  finish(): BackupIndex {
    const [begin, end] = [this.#begin, this.#end]
    if (begin === undefined || end === undefined) throw misfit(this.#backup, 'it is incomplete')
    const { manifest } = this.#backup
    const problem =
      this.#segments.size !== manifest.segments.length
        ? 'it does not name every segment'
        : end.streamBytes !== manifest.stream.bytes
          ? 'its stream has another length'
          : end.skeletonBytes !== this.#skeletonBytes ||
              end.skeletonSha256 !== this.#skeletonHash.digest('hex')
            ? 'its skeleton is not the one it was made with'
            : undefined
    if (problem) throw misfit(this.#backup, problem)
    const segments = [...this.#segments.values()].sort((a, b) => a.n - b.n)
    return { begin, segments, end }
  }
}

/** The private repetition of who and what: a manifest signed anew by somebody else is caught here. */
function checkBegin(begin: IndexBegin, backup: Backup): void {
  const { manifest, signer } = backup
  const fits =
    begin.repository === manifest.repository &&
    begin.series === manifest.series &&
    begin.seq === manifest.seq &&
    begin.run === manifest.run &&
    begin.snapshotUuid === manifest.snapshot.uuid &&
    begin.signer === signer
  if (!fits) throw misfit(backup, 'it was made for another backup')
}

function checkSegment(segment: IndexSegment, backup: Backup): void {
  const { segments, parameters, stream } = backup.manifest
  const named = segments[segment.n]
  const offset = segment.n * parameters.segmentSize
  const fits =
    named !== undefined &&
    named.sha256 === segment.sha256 &&
    named.bytes === segment.bytes &&
    segment.offset === offset &&
    segment.raw === Math.min(parameters.segmentSize, stream.bytes - offset) &&
    (segment.key === null) === (parameters.encrypt === 'none')
  if (!fits) throw misfit(backup, `what it says of segment ${segment.n} is not what was signed`)
}

function misfit({ manifest }: Backup, why: string): Failure {
  return new Failure('corrupt', `cannot use the index of backup ${manifest.seq}: ${why}`)
}
