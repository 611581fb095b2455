import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { frameSize } from '../../src/pack/frame.ts'
import { FrameCutter } from '../../src/pack/frame-cutter.ts'
import { rawBytes } from './packing.ts'

it('FrameCutter cuts pieces of any length into whole frames and a rest, in order', () => {
  const pieceLength = fc.oneof(
    fc.nat(5000),
    fc.integer({ min: frameSize - 2, max: frameSize + 2 }),
    fc.constant(3 * frameSize),
  )
  fc.assert(
    fc.property(fc.array(pieceLength, { maxLength: 12 }), lengths => {
      const pieces = lengths.map((length, n) => rawBytes(length, 0.01, n))
      const cutter = new FrameCutter()
      const frames = pieces.flatMap(piece => [...cutter.write(piece)])
      assert.ok(frames.every(({ length }) => length === frameSize))
      const rest = cutter.finish()
      const all = rest === undefined ? frames : [...frames, rest]
      const total = lengths.reduce((sum, length) => sum + length, 0)
      assert.equal(rest?.length ?? 0, total % frameSize)
      assert.ok(equalBytes(concatBytes(all), concatBytes(pieces)))
      assert.equal(cutter.finish(), undefined)
    }),
    { numRuns: 40 },
  )
})

it('FrameCutter gives each frame a buffer of its own, for its taker moves it away', () => {
  const cutter = new FrameCutter()
  const piece = rawBytes(2 * frameSize + 10, 0.01)
  const frames = [...cutter.write(piece), cutter.finish()]
  assert.equal(new Set(frames.map(frame => frame?.buffer)).size, 3)
  assert.ok(!frames.some(frame => frame?.buffer === piece.buffer))
})
