// Vectors of epochs: their ids, and what manifests and indexes say of them.

import { concatBytes, decodeUtf8 } from '../../../src/base/bytes.ts'
import { epochIdOf } from '../../../src/catalog/epoch-id.ts'
import { SigningKey, seriesSecretOf } from '../../../src/catalog/signing.ts'
import { encodeIndexRecord, type IndexRecord } from '../../../src/format/index-record.ts'
import { encodeManifest } from '../../../src/format/manifest.ts'
import { asEpochId, asSeriesId, type SeriesId } from '../../../src/model/ids.ts'
import { begin, end, incrementalManifest, seriesId } from '../samples.ts'

export function epochVectors(): unknown[] {
  const other = asSeriesId('00000000000000000000000000000000')
  return [
    [1, seriesId, 'monthly'],
    [1, seriesId, 'daily-2026-1'],
    [1, other, 'monthly'],
    [2, seriesId, 'monthly'],
  ].map(([byte, series, epoch]) => {
    const seed = new Uint8Array(32).fill(Number(byte))
    const id = epochIdOf(seriesSecretOf(new SigningKey(seed)), series as SeriesId, String(epoch))
    const name = `${epoch} of key ${byte} in ${series}`
    return { name, seed: Buffer.from(seed).toString('hex'), series, epoch, id }
  })
}

export function epochDocumentVectors(): unknown[] {
  const value = { ...incrementalManifest, epoch: asEpochId('0e0f'.repeat(8)) }
  const text = decodeUtf8(encodeManifest(value))
  const as = (name: string, member: string) => ({
    name,
    kind: 'manifest',
    text: text.replace(/"epoch": "[^"]*"/, member),
    failure: { code: 'corrupt', words: 'cannot read manifest vector: epoch' },
  })
  return [
    { name: 'manifest of a backup of an epoch', kind: 'manifest', text, value },
    as('an epoch that is null', '"epoch": null'),
    as('an epoch in capitals', `"epoch": "${'0E0F'.repeat(8)}"`),
    as('an epoch by its name', '"epoch": "monthly"'),
  ]
}

export function epochIndexVectors(): unknown[] {
  const { version, repository, series, seq, run, signer, source, ...rest } = begin
  const first = { version, repository, series, seq, run, signer }
  const indexOf = (epoch: unknown): IndexRecord[] => [
    { kind: 'begin', begin: { ...first, source, epoch: epoch as string, ...rest } },
    { kind: 'end', end },
  ]
  const base64 = (records: readonly IndexRecord[]) =>
    Buffer.from(concatBytes(records.map(encodeIndexRecord))).toString('base64')
  const broken = [null, 7, ['monthly']].map(epoch => ({
    name: `an epoch that is ${JSON.stringify(epoch)}`,
    base64: base64(indexOf(epoch)),
    failure: {
      code: 'corrupt',
      words: 'cannot read the index of vector: a record is malformed',
    },
  }))
  const sound = indexOf('monthly')
  return [{ name: 'of an epoch', base64: base64(sound), records: sound }, ...broken]
}
