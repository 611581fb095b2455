import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concatBytes, encodeUtf8 } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { decodeLead, encodeLead, type Lead } from '../../src/format/lead-frame.ts'
import { anyLead } from './arbitraries.ts'
import { fromBase64, readVector, vectorsOf } from './vectors.ts'

interface LeadVector {
  readonly base64: string
  readonly value?: Lead
  readonly bytes?: number
  readonly canonical?: false
}

describe('golden leads', () => {
  for (const vector of vectorsOf<LeadVector>('leads.json')) {
    it(`${vector.name}: ${vector.failure?.code ?? 'read'}`, () => {
      const plain = fromBase64(vector.base64)
      const read = readVector(vector, () => decodeLead(plain, 'vector'))
      if (read === undefined) return
      assert.deepEqual(read, { lead: vector.value, bytes: vector.bytes })
      if (vector.canonical ?? true) {
        assert.deepEqual(encodeLead(read.lead), plain.slice(0, read.bytes))
      }
    })
  }
})

describe('encodeLead() and decodeLead()', () => {
  it('give every lead back, whatever follows it', () => {
    fc.assert(
      fc.property(anyLead, fc.uint8Array({ maxLength: 50 }), (lead, rest) => {
        const bytes = encodeLead(lead)
        assert.deepEqual(decodeLead(concatBytes([bytes, rest]), 'any'), {
          lead,
          bytes: bytes.length,
        })
      }),
    )
  })

  it('write a frame that zstd skips', () => {
    fc.assert(
      fc.property(anyLead, fc.uint8Array({ minLength: 1, maxLength: 50 }), (lead, raw) => {
        const object = concatBytes([encodeLead(lead), zstdCompressSync(raw)])
        assert.deepEqual(new Uint8Array(zstdDecompressSync(object)), new Uint8Array(raw))
      }),
      { numRuns: 20 },
    )
  })

  it('refuse a lead that is cut anywhere, and never read beyond their bytes', () => {
    fc.assert(
      fc.property(anyLead, lead => {
        const bytes = encodeLead(lead)
        for (let length = 0; length < bytes.length; length += 1) {
          assert.throws(
            () => decodeLead(bytes.subarray(0, length), 'cut'),
            error => isFailure(error, 'corrupt'),
          )
        }
      }),
      { numRuns: 5 },
    )
  })

  it('take any bytes without any error but their own', () => {
    const head = encodeUtf8('[*M\x18')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, begins) => {
        const plain = begins ? concatBytes([head, bytes]) : bytes
        assert.throws(
          () => decodeLead(plain, 'noise'),
          error => isFailure(error, 'corrupt'),
        )
      }),
    )
  })
})
