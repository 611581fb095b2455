// One of each thing that is written down, with every member set; tests change what they are about.

import type { IndexBegin, IndexEnd, IndexSegment } from '../../src/format/index-record.ts'
import type { Manifest } from '../../src/model/backup.ts'
import { asRepositoryId, asRunId, asSeriesId, asSha256, asUuid } from '../../src/model/ids.ts'
import type { Tombstone } from '../../src/model/tombstone.ts'

export const MiB = 1024 * 1024

function sure<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a sample is malformed')
  return value
}

export const repositoryId = sure(asRepositoryId('ace4849518ad143bc4dd69f8fe4e9d5c'))
export const seriesId = sure(asSeriesId('9f16d3e0a1c24b7f8e5d6c3b2a190807'))
export const runId = sure(asRunId('00112233445566778899aabbccddeeff'))
export const snapshotUuid = sure(asUuid('11111111-2222-3333-4444-555555555555'))
export const parentUuid = sure(asUuid('aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'))
export const sourceUuid = sure(asUuid('0a0b0c0d-1a1b-2a2b-3a3b-4a4b4c4d4e4f'))

/** A hash made of one digit. */
export function sha256Of(digit: string) {
  return sure(asSha256(digit.repeat(64)))
}

export const fullManifest: Manifest = {
  program: 'btrvault 0.1.0',
  repository: repositoryId,
  series: seriesId,
  seq: 1,
  run: runId,
  createdAt: new Date('2026-11-21T09:31:07.042Z'),
  snapshot: {
    uuid: snapshotUuid,
    sourceUuid,
    generation: 7001,
    createdAt: new Date('2026-11-21T09:30:00.000Z'),
  },
  stream: { uuid: snapshotUuid, ctransid: 7001, version: 2, bytes: 2 * MiB + 123_456 },
  parent: null,
  previous: null,
  parameters: { segmentSize: MiB, frameSize: MiB, compress: 'zstd', encrypt: 'age' },
  segments: [
    { sha256: sha256Of('1'), bytes: 500_000 },
    { sha256: sha256Of('2'), bytes: 600_000 },
    { sha256: sha256Of('3'), bytes: 70_000 },
  ],
  indexes: [{ sha256: sha256Of('4'), bytes: 3000 }],
}

export const incrementalManifest: Manifest = {
  ...fullManifest,
  seq: 2,
  createdAt: new Date('2026-11-22T09:31:07.042Z'),
  snapshot: {
    uuid: parentUuid,
    sourceUuid: null,
    generation: 7011,
    createdAt: new Date('2026-11-22T09:30:00.000Z'),
  },
  stream: { uuid: parentUuid, ctransid: 7011, version: 1, bytes: 99 },
  parent: { seq: 1, snapshot: snapshotUuid, manifest: sha256Of('5') },
  previous: sha256Of('5'),
  parameters: { segmentSize: 64 * MiB, frameSize: MiB, compress: 'none', encrypt: 'none' },
  segments: [{ sha256: sha256Of('6'), bytes: 300 }],
  indexes: [
    { sha256: sha256Of('7'), bytes: 3000 },
    { sha256: sha256Of('8'), bytes: 44 },
  ],
}

export const tombstone: Tombstone = {
  program: 'btrvault 0.2.0',
  repository: repositoryId,
  series: seriesId,
  seq: 1,
  run: runId,
  manifest: sha256Of('9'),
  createdAt: new Date('2026-12-21T09:31:07.042Z'),
  notBefore: new Date('2026-12-28T09:31:07.042Z'),
}

export const begin: IndexBegin = {
  version: 1,
  repository: repositoryId,
  series: seriesId,
  seq: 1,
  run: runId,
  signer: 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  source: 'home',
  host: 'example',
  path: '/home',
  snapshotName: 'home.20261121T093000Z',
  snapshotUuid,
  command: ['btrfs', 'send', '--proto', '2', '/.snapshots/home/home.20261121T093000Z'],
  kernel: '6.12.0',
  progs: '6.2',
  program: 'btrvault 0.1.0',
}

export const segment: IndexSegment = {
  n: 0,
  offset: 0,
  raw: MiB,
  sha256: sha256Of('1'),
  bytes: 500_000,
  header: 200,
  key: 'AAECAwQFBgcICQoLDA0ODw==',
  lead: 220,
  frames: [499_000],
}

export const end: IndexEnd = {
  streamSha256: sha256Of('a'),
  streamBytes: 2 * MiB + 123_456,
  commands: 1234,
  skeletonSha256: sha256Of('b'),
  skeletonBytes: 4567,
}
