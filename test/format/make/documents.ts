// Vectors of names and of JSON documents: sound ones, and each way to be wrong.

import { decodeUtf8 } from '../../../src/base/bytes.ts'
import { encodeManifest } from '../../../src/format/manifest.ts'
import { encodeRepository } from '../../../src/format/repository.ts'
import {
  fullManifest,
  incrementalManifest,
  repositoryId,
  runId,
  seriesId,
  sha256Of,
} from '../samples.ts'

export interface Failing {
  readonly code: string
  readonly words: string
}

export function nameVectors(): unknown[] {
  const sha256 = sha256Of('c')
  const place = { series: seriesId, run: runId, sha256 }
  const at = (folder: string, n: string, ending: string) =>
    `${folder}/${seriesId}/${runId}/${n}-${sha256}${ending}`
  const sound = [
    {
      key: at('segments', '00000000', '.age'),
      means: { role: 'segment', n: 0, ending: '.age', ...place },
    },
    {
      key: at('segments', '00000017', '.raw.age'),
      means: { role: 'segment', n: 17, ending: '.raw.age', ...place },
    },
    {
      key: at('indexes', '00000001', '.zst'),
      means: { role: 'index', n: 1, ending: '.zst', ...place },
    },
    {
      key: at('indexes', '123456789', '.raw'),
      means: { role: 'index', n: 123_456_789, ending: '.raw', ...place },
    },
    {
      key: `manifests/${seriesId}/00000001.json`,
      means: { role: 'manifest', series: seriesId, seq: 1 },
    },
    {
      key: `manifests/${seriesId}/00000001.json.sig`,
      means: { role: 'signature', series: seriesId, seq: 1 },
    },
    {
      key: `manifests/${seriesId}/999999999999.json`,
      means: { role: 'manifest', series: seriesId, seq: 999_999_999_999 },
    },
  ]
  const broken = [
    at('segments', '0000000', '.age'),
    at('segments', '000000000', '.age'),
    at('segments', '00000000', '.gpg'),
    at('segments', '00000000', ''),
    at('segments', '00000000', '.age.age'),
    at('segments', '00000000', '.age').toUpperCase(),
    at('segment', '00000000', '.age'),
    at('indexes', '-0000001', '.age'),
    at('indexes', '00000000', '.age').replace(sha256, sha256.slice(1)),
    at('indexes', '00000000', '.age').replace(seriesId, seriesId.toUpperCase()),
    at('indexes', '00000000', '.age').replace(runId, '..'),
    `x/${at('indexes', '00000000', '.age')}`,
    `${at('indexes', '00000000', '.age')}\n`,
    `manifests/${seriesId}/00000000.json`,
    `manifests/${seriesId}/1.json`,
    `manifests/${seriesId}/000000001.json`,
    `manifests/${seriesId}/1000000000000.json`,
    `manifests/${seriesId}/00000001.json.sig.sig`,
    `manifests/${seriesId}/00000001.JSON`,
    `manifests/${seriesId.slice(1)}/00000001.json`,
    `manifests/${seriesId}/deep/00000001.json`,
    'repository.json',
    'RESTORE.md',
    'probe/canary-0011223344556677',
    '',
  ].map(key => ({ key, means: null }))
  return [...sound, ...broken]
}

export function documentVectors(): unknown[] {
  const repository = { id: repositoryId, createdAt: new Date('2026-11-21T09:30:00.000Z') }
  const text = decodeUtf8(encodeRepository(repository))
  const sound = [
    { name: 'repository', kind: 'repository', text, value: repository },
    { name: 'manifest of a full backup', kind: 'manifest', text: full, value: fullManifest },
    {
      name: 'manifest of an incremental backup',
      kind: 'manifest',
      text: incremental,
      value: incrementalManifest,
    },
    {
      name: 'members in another order, no spaces',
      kind: 'manifest',
      canonical: false,
      text: JSON.stringify(Object.fromEntries(Object.entries(parsed(full)).reverse())),
      value: fullManifest,
    },
  ]
  return [...sound, ...brokenRepositories(text), ...brokenManifests()]
}

const full = decodeUtf8(encodeManifest(fullManifest))
const incremental = decodeUtf8(encodeManifest(incrementalManifest))

function parsed(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>
}

function brokenRepositories(text: string): unknown[] {
  const corrupt = (words: string): Failing => ({
    code: 'corrupt',
    words: `cannot read repository vector: ${words}`,
  })
  const notOurs = corrupt('it is not a btrvault-repository')
  const noJson = corrupt('it is not JSON in UTF-8')
  const kind = 'repository'
  return [
    { name: 'empty', kind, text: '', failure: noJson },
    { name: 'cut', kind, text: text.slice(0, -4), failure: noJson },
    { name: 'followed by more', kind, text: `${text}{}`, failure: noJson },
    { name: 'a byte order mark', kind, text: `\ufeff${text}`, failure: noJson },
    {
      name: 'not UTF-8',
      kind,
      base64: Buffer.concat([
        Buffer.from('{"format":"'),
        Buffer.of(0xff),
        Buffer.from('"}'),
      ]).toString('base64'),
      failure: noJson,
    },
    { name: 'a list', kind, text: '[]', failure: notOurs },
    { name: 'null', kind, text: 'null', failure: notOurs },
    { name: 'a manifest', kind, text: full, failure: notOurs },
    {
      name: 'without a version',
      kind,
      text: text.replace(/ "version": 1,\n/, ''),
      failure: notOurs,
    },
    {
      name: 'a version that is text',
      kind,
      text: text.replace('"version": 1', '"version": "1"'),
      failure: notOurs,
    },
    {
      name: 'a later version',
      kind,
      text: text.replace('"version": 1', '"version": 2'),
      failure: {
        code: 'refused',
        words: 'cannot read repository vector: its format version is 2, this program knows 1',
      },
    },
    {
      name: 'a later version is refused before all else',
      kind,
      text: '{"format":"btrvault-repository","version":7,"idea":true}',
      failure: { code: 'refused', words: 'cannot read repository vector: its format version is 7' },
    },
    {
      name: 'a member too many',
      kind,
      text: text.replace('{', '{"more": 1,'),
      failure: corrupt('document '),
    },
    {
      name: 'a member too few',
      kind,
      text: text.replace(/,\n "createdAt".*\n/, '\n'),
      failure: corrupt('createdAt '),
    },
    {
      name: 'an id in upper case',
      kind,
      text: text.replace(repositoryId, repositoryId.toUpperCase()),
      failure: corrupt('id is not a repository id'),
    },
    {
      name: 'an id that is too short',
      kind,
      text: text.replace(repositoryId, repositoryId.slice(2)),
      failure: corrupt('id is not a repository id'),
    },
    {
      name: 'a time of another zone',
      kind,
      text: text.replace('.000Z', '.000+01:00'),
      failure: corrupt('createdAt is not a UTC time'),
    },
    {
      name: 'a time without milliseconds',
      kind,
      text: text.replace('.000Z', 'Z'),
      failure: corrupt('createdAt is not a UTC time'),
    },
    {
      name: 'a day that does not exist',
      kind,
      text: text.replace('-11-21', '-02-30'),
      failure: corrupt('createdAt is not a UTC time'),
    },
  ]
}

type Members = Record<string, unknown>

/** A manifest to be spoilt. */
interface Draft extends Members {
  readonly snapshot: Members
  readonly stream: Members
  readonly parameters: Members
  readonly segments: Members[]
  readonly indexes: Members[]
}

/** One change to a sound manifest each; and where the reader must say that it is wrong. */
function brokenManifests(): unknown[] {
  const changes: [name: string, change: (members: Draft) => void, words: string][] = [
    ['a member too many', m => Object.assign(m, { host: 'example' }), 'document '],
    [
      'a member of the prototype',
      m => Object.defineProperty(m, '__proto__', { value: 1, enumerable: true }),
      'document ',
    ],
    ['a member too many inside', m => Object.assign(m.snapshot, { path: '/home' }), 'snapshot '],
    [
      'a member too many in a segment',
      m => Object.assign(m.segments[0] ?? {}, { key: 'x' }),
      'segments.0 ',
    ],
    ['no previous', m => delete m['previous'], 'previous '],
    ['seq 0', m => Object.assign(m, { seq: 0 }), 'seq '],
    ['a seq beyond the last', m => Object.assign(m, { seq: 1_000_000_000_000 }), 'seq '],
    ['a seq that is not whole', m => Object.assign(m, { seq: 1.5 }), 'seq '],
    ['a seq that is text', m => Object.assign(m, { seq: '1' }), 'seq '],
    [
      'a negative length',
      m => Object.assign(m.segments[0] ?? {}, { bytes: -1 }),
      'segments.0.bytes ',
    ],
    [
      'a number that is not exact',
      m => Object.assign(m.stream, { bytes: 2 ** 60 }),
      'stream.bytes ',
    ],
    [
      'an UUID in upper case',
      m => Object.assign(m.snapshot, { uuid: 'AAAAAAAA-2222-3333-4444-555555555555' }),
      'snapshot.uuid is not a UUID',
    ],
    [
      'a hash that is too short',
      m => Object.assign(m.indexes[0] ?? {}, { sha256: 'ab' }),
      'indexes.0.sha256 is not a SHA-256',
    ],
    ['no index', m => Object.assign(m, { indexes: [] }), 'indexes '],
    ['no segment', m => Object.assign(m, { segments: [] }), 'segments '],
    [
      'a stream version that nobody knows',
      m => Object.assign(m.stream, { version: 3 }),
      'stream.version ',
    ],
    [
      'a compression that nobody knows',
      m => Object.assign(m.parameters, { compress: 'xz' }),
      'parameters.compress ',
    ],
    [
      'an encryption that nobody knows',
      m => Object.assign(m.parameters, { encrypt: 'rot13' }),
      'parameters.encrypt ',
    ],
    [
      'frames of no length',
      m => Object.assign(m.parameters, { frameSize: 0 }),
      'parameters.frameSize ',
    ],
    [
      'a program name that is too long',
      m => Object.assign(m, { program: 'x'.repeat(65) }),
      'program ',
    ],
    [
      'a segment too few',
      m => m.segments.pop(),
      'its segments are not as many as its stream needs',
    ],
    [
      'a segment too many',
      m => m.segments.push({ ...m.segments[0] }),
      'its segments are not as many as its stream needs',
    ],
    [
      'segments that are no whole frames',
      m => Object.assign(m.parameters, { frameSize: 700_000 }),
      'its segment size is not a multiple of its frame size',
    ],
    [
      'a parent that is itself',
      m => Object.assign(m, { parent: { ...(parsed(incremental)['parent'] as object), seq: 1 } }),
      'its parent is not older than itself',
    ],
    [
      'a parent without its manifest',
      m =>
        Object.assign(m, {
          seq: 2,
          parent: { seq: 1, snapshot: m.snapshot['uuid'] },
        }),
      'parent.manifest ',
    ],
  ]
  const ofVersion = (version: number) => full.replace('"version": 1', `"version": ${version}`)
  return [
    ...changes.map(([name, change, words]) => {
      const members = parsed(full)
      change(members as Draft)
      return {
        name,
        kind: 'manifest',
        text: JSON.stringify(members),
        failure: { code: 'corrupt', words: `cannot read manifest vector: ${words}` },
      }
    }),
    {
      name: 'a later version',
      kind: 'manifest',
      text: ofVersion(2),
      failure: {
        code: 'refused',
        words: 'cannot read manifest vector: its format version is 2, this program knows 1',
      },
    },
    {
      name: 'version 0',
      kind: 'manifest',
      text: ofVersion(0),
      failure: { code: 'refused', words: 'cannot read manifest vector: its format version is 0' },
    },
    {
      name: 'a repository',
      kind: 'manifest',
      text: full.replace('btrvault-manifest', 'btrvault-repository'),
      failure: {
        code: 'corrupt',
        words: 'cannot read manifest vector: it is not a btrvault-manifest',
      },
    },
  ]
}
