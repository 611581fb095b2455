import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { isFailure } from '../../src/base/failure.ts'
import { zstdFrameAt } from '../../src/format/zstd-frame.ts'
import { compressFrame, decompressFrame, frameSize, packFrame } from '../../src/pack/frame.ts'
import { rawBytes } from './packing.ts'

const isCorrupt = (error: unknown) => isFailure(error, 'corrupt')

describe('compressFrame() and decompressFrame()', () => {
  it('give back every length around the limits of zlib, of a block and of a frame', () => {
    const around = (length: number) => [length - 1, length, length + 1]
    const lengths = [
      1,
      2,
      62,
      63,
      64,
      ...around(65),
      ...around(128 * 1024),
      frameSize - 1,
      frameSize,
    ]
    for (const length of lengths) {
      for (const share of [0, 1]) {
        const raw = rawBytes(length, share)
        const stored = compressFrame(raw.slice(), 3)
        assert.deepEqual(Buffer.from(decompressFrame(stored, length, 'zstd')), Buffer.from(raw))
        assert.deepEqual(zstdFrameAt(stored, 0), { bytes: stored.length, rawBytes: length })
      }
    }
  })

  it('give back any bytes at any level', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 5000 }),
        fc.integer({ min: 1, max: 12 }),
        (bytes, level) => {
          const raw = new Uint8Array(bytes)
          const stored = compressFrame(raw, level)
          assert.deepEqual(new Uint8Array(decompressFrame(stored, raw.length, 'zstd')), raw)
          assert.deepEqual(new Uint8Array(zstdDecompressSync(stored)), raw)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('L6: no flipped bit of a frame gives other bytes', () => {
    const raw = rawBytes(3000, 0.4)
    const stored = compressFrame(raw.slice(), 3)
    const silent: number[] = []
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const altered = stored.slice()
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        // A bit that no decoder looks at may pass, but never with other bytes.
        assert.deepEqual(new Uint8Array(decompressFrame(altered, raw.length, 'zstd')), raw)
        silent.push(bit)
      } catch (error) {
        assert.ok(isCorrupt(error))
      }
    }
    assert.ok(silent.length <= 8, `bits ${silent.join(', ')} changed nothing`)
  })

  it('refuse a frame that is cut anywhere, or followed by anything', () => {
    const raw = rawBytes(3000, 0.4)
    const stored = compressFrame(raw.slice(), 3)
    for (let length = 0; length < stored.length; length += 1) {
      assert.throws(
        () => decompressFrame(stored.subarray(0, length), raw.length, 'zstd'),
        isCorrupt,
      )
    }
    const twice = Buffer.concat([stored, stored])
    assert.throws(() => decompressFrame(twice, raw.length, 'zstd'), isCorrupt)
  })

  it('refuse a frame whose length is not exactly the one that was said, in the clear too', () => {
    const raw = rawBytes(3000)
    const stored = compressFrame(raw.slice(), 3)
    for (const length of [0, 1, 2999, 3001, frameSize]) {
      assert.throws(() => decompressFrame(stored, length, 'zstd'), isCorrupt)
      assert.throws(() => decompressFrame(raw, length, 'none'), isCorrupt)
    }
  })

  it('stop a bomb at the length that was said', () => {
    const bomb = zstdCompressSync(new Uint8Array(256 * frameSize), {
      params: { [constants.ZSTD_c_compressionLevel]: 3 },
    })
    const before = process.memoryUsage().arrayBuffers
    assert.throws(() => decompressFrame(bomb, frameSize, 'zstd'), isCorrupt)
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * frameSize)
  })
})

describe('packFrame()', () => {
  const options = { compress: 'zstd', level: 1, check: true } as const

  it('gives the CRC of what it gives, and none where nobody checks', () => {
    const raw = rawBytes(100_000, 0.5)
    for (const compress of ['zstd', 'none'] as const) {
      const frame = packFrame(raw.slice(), { ...options, compress })
      assert.equal(frame.crc32, crc32(frame.bytes))
      const unchecked = packFrame(raw.slice(), { ...options, compress, check: false })
      assert.deepEqual(unchecked, { ...frame, crc32: null })
    }
  })

  const faults: Readonly<Record<string, typeof compressFrame>> = {
    'flips a bit': (raw, level) => flippedAt(compressFrame(raw, level), 40),
    'loses a byte of what it read': (raw, level) => compressFrame(raw.slice(0, -1), level),
    'compresses something else of that length': raw =>
      compressFrame(
        raw.map(byte => byte ^ 1),
        1,
      ),
    'gives what zstd does not know': raw => raw.slice(),
  }
  for (const [what, compressor] of Object.entries(faults)) {
    it(`finds a compressor that ${what}`, () => {
      const raw = rawBytes(100_000, 0.5)
      assert.throws(() => packFrame(raw, options, compressor), isCorrupt)
      packFrame(raw, { ...options, check: false }, compressor)
    })
  }
})

function flippedAt(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  bytes[at] = (bytes[at] ?? 0) ^ 16
  return bytes
}
