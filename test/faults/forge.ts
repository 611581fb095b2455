// A backup made by hand, with the program's own pack and format code but without its guards: any
// stream, any manifest, any signer.

import { createHash, randomBytes } from 'node:crypto'
import { concatBytes } from '../../src/base/bytes.ts'
import { sha256Of } from '../../src/catalog/catalog.ts'
import { namedObjects } from '../../src/catalog/commit.ts'
import { type SigningKey, sign } from '../../src/catalog/signing.ts'
import {
  encodeIndexRecord,
  type IndexBegin,
  type IndexRecord,
  type IndexSegment,
} from '../../src/format/index-record.ts'
import { encodeLead } from '../../src/format/lead-frame.ts'
import { encodeManifest, manifestNamespace } from '../../src/format/manifest.ts'
import { manifestKey, type ObjectRole, signatureKey } from '../../src/format/object-key.ts'
import type { Manifest, ParentLink, StreamFacts } from '../../src/model/backup.ts'
import type { RepositoryId, RunId, SeriesId, Sha256, Uuid } from '../../src/model/ids.ts'
import { compressFrame } from '../../src/pack/frame.ts'
import { sealObject } from '../../src/pack/seal.ts'

type Bytes = Uint8Array<ArrayBuffer>

export interface Forgery {
  readonly repository: RepositoryId
  readonly series: SeriesId
  readonly seq: number
  readonly source: string
  readonly recipients: readonly string[]
  readonly signingKey: SigningKey
  readonly namespace?: string
  readonly stream: Bytes
  readonly facts: Omit<StreamFacts, 'bytes'>
  readonly parent?: ParentLink
  readonly createdAt?: Date
  /** Instead of the compressed frame. */
  readonly frame?: (frame: Bytes) => Bytes
  readonly segment?: (segment: IndexSegment) => IndexSegment
  readonly begin?: (begin: IndexBegin) => IndexBegin
  readonly manifest?: (manifest: Manifest) => Manifest
  /** The manifest's bytes, before they are signed. */
  readonly text?: (bytes: Bytes) => Bytes
  /** Raw bytes of the index instead of its records. */
  readonly index?: (raw: Bytes) => Bytes
  readonly indexFrame?: (frame: Bytes) => Bytes
}

const mebibyte = 1024 * 1024

/** Every object of the forged backup, by key. */
export async function forge(forgery: Forgery): Promise<Map<string, Bytes>> {
  const run = randomBytes(16).toString('hex') as RunId
  const segments = await segmentsOf(forgery, run)
  const index = await indexOf(forgery, run, segments)
  const manifest = manifestOf(forgery, run, { segments, index })
  const wanted = forgery.manifest?.(manifest) ?? manifest
  const objects = new Map<string, Bytes>()
  const made = [...segments.map(({ bytes }) => bytes), index]
  // Under the names that the true manifest gives them, whatever the forged one says.
  for (const [n, { key }] of [...namedObjects(manifest)].entries()) {
    objects.set(key, made[n] as Bytes)
  }
  const encoded = encodeManifest(wanted)
  const text = forgery.text?.(encoded) ?? encoded
  const { signingKey: key, namespace = manifestNamespace, series, seq } = forgery
  objects.set(manifestKey(series, seq), text)
  objects.set(signatureKey(series, seq), bytesOf(sign(text, { key, namespace })))
  return objects
}

async function segmentsOf(forgery: Forgery, run: RunId) {
  const segments: { bytes: Bytes; facts: IndexSegment }[] = []
  for (let offset = 0; offset < forgery.stream.length; offset += mebibyte) {
    const n = segments.length
    const raw = forgery.stream.slice(offset, offset + mebibyte)
    const lead = leadOf(forgery, run, { role: 'segment', n, offset })
    const frame = compressFrame(raw.slice(), 1)
    const sealed = await seal(forgery, { lead, frame: forgery.frame?.(frame) ?? frame })
    const facts: IndexSegment = {
      n,
      offset,
      raw: raw.length,
      sha256: sha256Of(sealed.bytes),
      bytes: sealed.bytes.length,
      header: sealed.headerBytes,
      key: Buffer.from(sealed.fileKey as Bytes).toString('base64'),
      lead: lead.length,
      frames: [(forgery.frame?.(frame) ?? frame).length],
    }
    segments.push({ bytes: sealed.bytes, facts: forgery.segment?.(facts) ?? facts })
  }
  return segments
}

async function indexOf(
  forgery: Forgery,
  run: RunId,
  segments: readonly { readonly facts: IndexSegment }[],
): Promise<Bytes> {
  const { stream, repository, series, seq, source, signingKey, facts } = forgery
  const begin: IndexBegin = {
    version: 1,
    repository,
    series,
    seq,
    run,
    signer: signingKey.fingerprint,
    source,
    host: 'forger',
    path: '/home',
    snapshotName: 'home',
    snapshotUuid: facts.uuid,
    command: ['btrfs', 'send'],
    kernel: '6.18',
    progs: '6.2',
    program: 'forger',
  }
  const end = {
    streamSha256: sha256Of(stream),
    streamBytes: stream.length,
    commands: 1,
    skeletonSha256: createHash('sha256').digest('hex') as Sha256,
    skeletonBytes: 0,
  }
  const records: IndexRecord[] = [
    { kind: 'begin', begin: forgery.begin?.(begin) ?? begin },
    ...segments.map(({ facts }) => ({ kind: 'segment', segment: facts }) as const),
    { kind: 'end', end },
  ]
  const raw = concatBytes(records.map(encodeIndexRecord))
  const wanted = forgery.index?.(raw) ?? raw
  const lead = leadOf(forgery, run, { role: 'index', n: 0, offset: 0 })
  const frame = compressFrame(wanted.slice(), 1)
  const changed = forgery.indexFrame?.(frame) ?? frame
  return (await seal(forgery, { lead, frame: changed })).bytes
}

async function seal(
  { recipients }: Forgery,
  { lead, frame }: { readonly lead: Bytes; readonly frame: Bytes },
) {
  return await sealObject({
    kind: 'seal',
    lead,
    frames: [{ bytes: frame.slice(), crc32: null }],
    recipients,
    hashes: [],
    check: false,
  })
}

function leadOf(
  { repository, series, seq }: Forgery,
  run: RunId,
  place: { readonly role: ObjectRole; readonly n: number; readonly offset: number },
): Bytes {
  return encodeLead({ repository, series, seq, run, ...place })
}

function manifestOf(
  forgery: Forgery,
  run: RunId,
  { segments, index }: { segments: readonly { facts: IndexSegment; bytes: Bytes }[]; index: Bytes },
): Manifest {
  const { repository, series, seq, facts, stream } = forgery
  const createdAt = forgery.createdAt ?? new Date()
  return {
    repository,
    series,
    seq,
    run,
    createdAt,
    snapshot: { uuid: facts.uuid, sourceUuid: null as Uuid | null, generation: 7, createdAt },
    stream: { ...facts, bytes: stream.length },
    parent: forgery.parent ?? null,
    previous: null,
    segments: segments.map(({ bytes }) => ({ sha256: sha256Of(bytes), bytes: bytes.length })),
    indexes: [{ sha256: sha256Of(index), bytes: index.length }],
    parameters: { segmentSize: mebibyte, frameSize: mebibyte, compress: 'zstd', encrypt: 'age' },
    program: 'forger',
  }
}

function bytesOf(text: string): Bytes {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}
