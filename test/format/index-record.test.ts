import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { encodeIndexRecord, IndexDecoder, type IndexRecord } from '../../src/format/index-record.ts'
import { anyRecords } from './arbitraries.ts'
import { shown } from './make/inside.ts'
import { begin, end, segment } from './samples.ts'
import { asJson, fromBase64, readVector, vectorsOf } from './vectors.ts'

interface IndexVector {
  readonly base64: string
  readonly records?: readonly unknown[]
}

/** A record's bytes are its receiver's only until the next is asked for. */
function decode(bytes: Uint8Array, pieceBytes = bytes.length): IndexRecord[] {
  const decoder = new IndexDecoder('vector')
  const records: IndexRecord[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const record of decoder.write(bytes.subarray(at, at + pieceBytes))) {
      records.push(record.kind === 'skeleton' ? { ...record, bytes: record.bytes.slice() } : record)
    }
  }
  decoder.finish()
  return records
}

const encode = (records: readonly IndexRecord[]) => concatBytes(records.map(encodeIndexRecord))

describe('golden indexes', () => {
  const vectors = [
    ...vectorsOf<IndexVector>('indexes.json'),
    ...vectorsOf<IndexVector>('epoch-indexes.json'),
  ]
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.failure?.code ?? 'read'}`, () => {
      const bytes = fromBase64(vector.base64)
      for (const pieceBytes of [Math.max(1, bytes.length), 1, 7]) {
        const records = readVector(vector, () => decode(bytes, pieceBytes))
        if (records === undefined) continue
        assert.deepEqual(asJson(records.map(shown)), vector.records)
        assert.deepEqual(encode(records), bytes)
      }
    })
  }
})

describe('encodeIndexRecord() and IndexDecoder', () => {
  it('give every index back, in pieces of any length', () => {
    fc.assert(
      fc.property(anyRecords, fc.integer({ min: 1, max: 500 }), (records, pieceBytes) => {
        assert.deepEqual(decode(encode(records), pieceBytes), records)
      }),
    )
  })

  it('L1: refuse an index that is cut anywhere', () => {
    const bytes = encode([
      { kind: 'begin', begin },
      { kind: 'skeleton', bytes: Buffer.from('bytes') },
      { kind: 'segment', segment },
      { kind: 'end', end },
    ])
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(
        () => decode(bytes.subarray(0, length)),
        error => isFailure(error, 'corrupt'),
      )
    }
  })

  it('take any bytes without any error but their own', () => {
    const sound = encode([
      { kind: 'begin', begin },
      { kind: 'end', end },
    ])
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), (at, byte) => {
        const altered = sound.slice()
        altered[at] = byte
        try {
          decode(altered)
        } catch (error) {
          assert.ok(isFailure(error, 'corrupt') || isFailure(error, 'refused'), String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })
})
