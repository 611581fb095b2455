import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { decodeUtf8, encodeUtf8 } from '../../src/base/bytes.ts'
import { Failure } from '../../src/base/failure.ts'
import {
  checkVersion,
  encodeDocument,
  timeField,
  uuidField,
} from '../../src/format/json-document.ts'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.ts'
import { decodeRepository, encodeRepository } from '../../src/format/repository.ts'
import { decodeTombstone, encodeTombstone } from '../../src/format/tombstone.ts'
import { asJson, fromBase64, readVector, vectorsOf } from './vectors.ts'

interface DocumentVector {
  readonly kind: 'repository' | 'manifest' | 'tombstone'
  readonly text?: string
  readonly base64?: string
  readonly value?: unknown
  readonly canonical?: false
}

const kinds = {
  repository: { decode: decodeRepository, encode: encodeRepository },
  manifest: { decode: decodeManifest, encode: encodeManifest },
  tombstone: { decode: decodeTombstone, encode: encodeTombstone },
}

describe('golden documents', () => {
  const vectors = [
    ...vectorsOf<DocumentVector>('documents.json'),
    ...vectorsOf<DocumentVector>('epoch-documents.json'),
    ...vectorsOf<DocumentVector>('tombstones.json'),
  ]
  for (const vector of vectors) {
    const ending = vector.failure?.code ?? 'read'
    it(`${vector.kind}: ${vector.name}: ${ending}`, () => {
      const { decode, encode } = kinds[vector.kind]
      const bytes =
        vector.base64 === undefined ? encodeUtf8(vector.text ?? '') : fromBase64(vector.base64)
      const value = readVector(vector, () => decode(bytes, 'vector'))
      if (value === undefined) return
      assert.deepEqual(asJson(value), vector.value)
      // Both take what its own decoder gave.
      const again = encode(value as never)
      if (vector.canonical ?? true) assert.deepEqual(again, bytes)
      else assert.deepEqual(decode(again, 'vector'), value)
    })
  }
})

describe('encodeDocument()', () => {
  it('puts each member, and each element of a list, on a line of its own, for sed to read', () => {
    const text = decodeUtf8(
      encodeDocument({ a: 1, b: { c: 'x y' }, d: [{ e: 1 }, { e: 2 }], f: [] }),
    )
    assert.equal(
      text,
      '{\n "a": 1,\n "b": {"c":"x y"},\n "d": [\n  {"e":1},\n  {"e":2}\n ],\n "f": []\n}\n',
    )
  })

  it('writes JSON of the same value, whatever it holds', () => {
    const members = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue())
    fc.assert(
      fc.property(members, value => {
        assert.deepEqual(JSON.parse(decodeUtf8(encodeDocument(value))), asJson(value))
      }),
    )
  })
})

describe('fields', () => {
  it('take a time only as it is written', () => {
    for (const text of [
      '2026-11-21T09:30:00.000Z',
      '0000-01-01T00:00:00.000Z',
      '9999-12-31T23:59:59.999Z',
    ]) {
      assert.equal(timeField.parse(text).toISOString(), text)
    }
    for (const text of [
      '2026-11-21T09:30:00Z',
      '2026-11-21',
      '2026-11-21T24:00:00.000Z',
      ' 2026-11-21T09:30:00.000Z',
      '1',
      '',
    ]) {
      assert.ok(!timeField.safeParse(text).success, text)
    }
  })

  it('take an UUID in one spelling', () => {
    const spelling = '0a0b0c0d-1a1b-2a2b-3a3b-4a4b4c4d4e4f'
    assert.equal(uuidField.parse(spelling), spelling)
    for (const text of [
      spelling.toUpperCase(),
      spelling.replaceAll('-', ''),
      `{${spelling}}`,
      `${spelling} `,
    ]) {
      assert.ok(!uuidField.safeParse(text).success, text)
    }
  })
})

it('checkVersion() refuses each version but the one that is known, and says what to do', () => {
  checkVersion(1, 1, 'a thing')
  for (const version of [0, 2, -1, 1.5, 1e300]) {
    assert.throws(
      () => checkVersion(version, 1, 'a thing'),
      error => {
        assert.ok(error instanceof Failure)
        assert.equal(error.code, 'refused')
        assert.equal(error.hint, 'use a newer btrvault')
        return true
      },
    )
  }
})
