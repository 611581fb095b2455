import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { zstdFrameAt } from '../../src/format/zstd-frame.ts'
import { decompressFrame } from '../../src/pack/frame.ts'
import { fromBase64, readVector, vectorsOf } from './vectors.ts'

interface FrameVector {
  readonly base64: string
  readonly rawBytes: number
  readonly stored?: number
  readonly raw?: string
  readonly rawFill?: number
}

const isCorrupt = (error: unknown) => isFailure(error, 'corrupt')

function frame(raw: Uint8Array, { checksum = true, size = true, level = 3 } = {}): Uint8Array {
  return zstdCompressSync(raw, {
    ...(size && { pledgedSrcSize: raw.length }),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0,
      [constants.ZSTD_c_contentSizeFlag]: size ? 1 : 0,
    },
  })
}

describe('golden frames', () => {
  for (const vector of vectorsOf<FrameVector>('frames.json')) {
    it(`${vector.name}: ${vector.failure?.code ?? 'read'}`, () => {
      const bytes = fromBase64(vector.base64)
      const raw = readVector(vector, () => {
        const found = zstdFrameAt(bytes, 0)
        const wanted = vector.rawBytes
        const raw = decompressFrame(bytes.subarray(0, found.bytes), wanted, 'zstd')
        assert.deepEqual(found, { bytes: vector.stored, rawBytes: wanted })
        return raw
      })
      if (raw === undefined) return
      const wanted = vector.raw === undefined ? undefined : fromBase64(vector.raw)
      assert.deepEqual(
        new Uint8Array(raw),
        wanted ?? new Uint8Array(vector.rawBytes).fill(vector.rawFill ?? 0),
      )
    })
  }
})

describe('zstdFrameAt()', () => {
  it('finds the end of each of many frames, of any contents, size of header and level', () => {
    const raws = fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.integer({ min: 200, max: 200_000 }).map(length => new Uint8Array(length)),
        fc
          .integer({ min: 60_000, max: 140_000 })
          .map(length => Uint8Array.from({ length }, (_, at) => (at * at) >> 3)),
      ),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(raws, fc.boolean(), fc.integer({ min: 1, max: 9 }), (all, checksum, level) => {
        const frames = all.map(raw => frame(raw, { checksum, level }))
        const bytes = concatBytes(frames)
        let at = 0
        for (const [index, raw] of all.entries()) {
          const found = zstdFrameAt(bytes, at)
          assert.deepEqual(found, { bytes: frames[index]?.length, rawBytes: raw.length })
          at += found.bytes
        }
        assert.equal(at, bytes.length)
      }),
      { numRuns: 40 },
    )
  })

  it('refuses a frame that is cut anywhere', () => {
    const bytes = frame(Buffer.from('cut me, cut me, cut me, cut me, cut me somewhere'))
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => zstdFrameAt(bytes.subarray(0, length), 0), isCorrupt)
    }
  })

  it('refuses a frame that does not say its size: ours do', () => {
    assert.throws(() => zstdFrameAt(frame(new Uint8Array(100_000), { size: false }), 0), isCorrupt)
  })

  it('takes any bytes without any error but its own', () => {
    const magic = Buffer.from('28b52ffd', 'hex')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        try {
          const found = zstdFrameAt(concatBytes([magic, bytes]), 0)
          assert.ok(found.bytes <= bytes.length + 4)
        } catch (error) {
          assert.ok(isCorrupt(error), String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
