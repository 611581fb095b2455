// Any manifest, lead, record: for properties that must hold of all of them.

import * as fc from 'fast-check'
import type {
  IndexBegin,
  IndexEnd,
  IndexRecord,
  IndexSegment,
} from '../../src/format/index-record.ts'
import type { Lead } from '../../src/format/lead-frame.ts'
import type { RepositoryDocument } from '../../src/format/repository.ts'
import type { Manifest, StoredObject } from '../../src/model/backup.ts'
import type { EpochId, RepositoryId, RunId, SeriesId, Sha256, Uuid } from '../../src/model/ids.ts'

/** Objects as our own code makes them: with a prototype. */
function record<T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(members, { noNullPrototype: true })
}

const hex = (digits: number) =>
  fc
    .uint8Array({ minLength: digits / 2, maxLength: digits / 2 })
    .map(bytes => Buffer.from(bytes).toString('hex'))
const repository = hex(32).map(text => text as RepositoryId)
const series = hex(32).map(text => text as SeriesId)
const run = hex(32).map(text => text as RunId)
const sha256 = hex(64).map(text => text as Sha256)
const uuid = hex(32).map(
  text => text.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5') as Uuid,
)
const epoch = hex(32).map(text => text as EpochId)
const count = fc.nat(Number.MAX_SAFE_INTEGER)
const time = fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
const stored: fc.Arbitrary<StoredObject> = record({ sha256, bytes: count })

export const anyRepository: fc.Arbitrary<RepositoryDocument> = record({
  id: repository,
  createdAt: time,
})

export const anyManifest: fc.Arbitrary<Manifest> = record({
  program: fc.string({ maxLength: 30 }),
  repository,
  series,
  seq: fc.integer({ min: 2, max: 999_999_999_999 }),
  run,
  createdAt: time,
  snapshot: record({
    uuid,
    sourceUuid: fc.option(uuid),
    generation: count,
    createdAt: time,
  }),
  parent: fc.option(record({ seq: fc.constant(1), snapshot: uuid, manifest: sha256 })),
  previous: fc.option(sha256),
  parameters: record({
    frameSize: fc.constantFrom(1, 4096, 1_048_576),
    segmentSize: fc.constantFrom(1_048_576, 67_108_864),
    compress: fc.constantFrom('zstd' as const, 'none' as const),
    encrypt: fc.constantFrom('age' as const, 'none' as const),
  }),
  segments: fc.array(stored, { minLength: 1, maxLength: 5 }),
  indexes: fc.array(stored, { minLength: 1, maxLength: 3 }),
  stream: record({ uuid, ctransid: count, version: fc.constantFrom(1, 2) }),
})
  .chain(manifest => fc.option(epoch).map(id => ({ ...manifest, ...(id && { epoch: id }) })))
  .map(manifest => {
    const bytes = manifest.segments.length * manifest.parameters.segmentSize - 1
    return { ...manifest, stream: { ...manifest.stream, bytes } }
  })

export const anyLead: fc.Arbitrary<Lead> = record({
  role: fc.constantFrom('segment' as const, 'index' as const),
  repository,
  series,
  seq: count,
  run,
  n: count,
  offset: count,
})

const text = fc.string({ unit: 'binary', maxLength: 30 })

const anyBegin: fc.Arbitrary<IndexBegin> = record({
  version: fc.constant(1 as const),
  repository,
  series,
  seq: count,
  run,
  signer: text,
  source: text,
  host: text,
  path: text,
  snapshotName: text,
  snapshotUuid: uuid,
  command: fc.array(text, { maxLength: 6 }),
  kernel: text,
  progs: text,
  program: text,
}).chain(begun =>
  fc.option(text).map(name => ({ ...begun, ...(name !== null && { epoch: name }) })),
)

const anySegment: fc.Arbitrary<IndexSegment> = record({
  n: count,
  offset: count,
  raw: count,
  sha256,
  bytes: count,
  header: count,
  key: fc.option(fc.base64String({ maxLength: 24 })),
  lead: count,
  frames: fc.array(count, { maxLength: 8 }),
})

const anyEnd: fc.Arbitrary<IndexEnd> = record({
  streamSha256: sha256,
  streamBytes: count,
  commands: count,
  skeletonSha256: sha256,
  skeletonBytes: count,
})

/** A whole index: begin, anything, end. */
export const anyRecords: fc.Arbitrary<readonly IndexRecord[]> = fc
  .tuple(
    anyBegin,
    fc.array(
      fc.oneof(
        fc
          .uint8Array({ maxLength: 300 })
          .map(bytes => ({ kind: 'skeleton', bytes: new Uint8Array(bytes) }) as const),
        anySegment.map(segment => ({ kind: 'segment', segment }) as const),
      ),
      { maxLength: 12 },
    ),
    anyEnd,
  )
  .map(([begin, middle, end]) => [{ kind: 'begin', begin }, ...middle, { kind: 'end', end }])
