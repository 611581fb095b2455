// Vectors of tombstones: names, documents, and a signature that ssh-keygen accepts too.

import { decodeUtf8 } from '../../../src/base/bytes.ts'
import { SigningKey, sign } from '../../../src/catalog/signing.ts'
import { formatSshPublicKeyLine } from '../../../src/format/ssh-key.ts'
import { encodeTombstone, tombstoneNamespace } from '../../../src/format/tombstone.ts'
import { runId, seriesId, tombstone } from '../samples.ts'

const key = new SigningKey(new Uint8Array(32).fill(1))

export function tombstoneNameVectors(): unknown[] {
  const sound = [
    ['00000001.tombstone.json', 'tombstone', 1],
    ['00000001.tombstone.json.sig', 'tombstone-signature', 1],
    ['999999999999.tombstone.json', 'tombstone', 999_999_999_999],
  ].map(([name, role, seq]) => ({
    key: `manifests/${seriesId}/${name}`,
    means: { role, series: seriesId, seq },
  }))
  const broken = [
    '00000000.tombstone.json',
    '000000001.tombstone.json',
    '00000001.tombstone',
    '00000001.json.tombstone',
    '00000001.tombstone.tombstone.json',
    '00000001.tombstone.sig',
    '00000001.TOMBSTONE.json',
  ].map(name => ({ key: `manifests/${seriesId}/${name}`, means: null }))
  return [...sound, ...broken]
}

type Members = Record<string, unknown>

export function tombstoneVectors(): unknown[] {
  const bytes = encodeTombstone(tombstone)
  const text = decodeUtf8(bytes)
  const changes: [name: string, change: (members: Members) => unknown, words: string][] = [
    ['a member too many', m => Object.assign(m, { reason: 'old' }), 'document '],
    ['no run', m => delete m['run'], 'run '],
    ['a run in upper case', m => Object.assign(m, { run: runId.toUpperCase() }), 'run is not'],
    ['no manifest', m => Object.assign(m, { manifest: null }), 'manifest '],
    ['seq 0', m => Object.assign(m, { seq: 0 }), 'seq '],
    ['no notBefore', m => delete m['notBefore'], 'notBefore '],
    [
      'a notBefore that is before its making',
      m => Object.assign(m, { notBefore: '2026-12-21T09:31:07.041Z' }),
      'its objects might go before it was made',
    ],
  ]
  return [
    {
      name: 'a tombstone',
      kind: 'tombstone',
      text,
      value: tombstone,
      signature: sign(bytes, { key, namespace: tombstoneNamespace }),
      signers: `btrvault namespaces="${tombstoneNamespace}" ${formatSshPublicKeyLine(key.publicKey)}\n`,
    },
    ...changes.map(([name, change, words]) => {
      const members = JSON.parse(text) as Members
      change(members)
      return {
        name,
        kind: 'tombstone',
        text: JSON.stringify(members),
        failure: { code: 'corrupt', words: `cannot read tombstone vector: ${words}` },
      }
    }),
    {
      name: 'a later version',
      kind: 'tombstone',
      text: text.replace('"version": 1', '"version": 2'),
      failure: {
        code: 'refused',
        words: 'cannot read tombstone vector: its format version is 2, this program knows 1',
      },
    },
    {
      name: 'a manifest',
      kind: 'tombstone',
      text: text.replace('btrvault-tombstone', 'btrvault-manifest'),
      failure: {
        code: 'corrupt',
        words: 'cannot read tombstone vector: it is not a btrvault-tombstone',
      },
    },
  ]
}
