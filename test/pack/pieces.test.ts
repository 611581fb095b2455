import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Pieces } from '../../src/pack/pieces.ts'

function piecesOf(lengths: readonly number[], onReleased?: (bytes: number) => void) {
  let next = 0
  const parts = lengths.map(length => Uint8Array.from({ length }, () => next++ & 255))
  const whole = Buffer.concat(parts)
  return { parts, whole, pieces: new Pieces(parts, onReleased) }
}

describe('Pieces', () => {
  it('copies every range as if the pieces were one', () => {
    const lengths = fc.array(fc.nat(9), { maxLength: 6 })
    fc.assert(
      fc.property(lengths, fc.nat(60), fc.nat(60), (some, a, b) => {
        const { pieces, whole } = piecesOf(some)
        assert.equal(pieces.length, whole.length)
        const [start, end] = a < b ? [a, b] : [b, a]
        assert.deepEqual(Buffer.from(pieces.copy(start, end)), whole.subarray(start, end))
      }),
    )
  })

  it('gives back each piece once, when all of it lies before', () => {
    const released: number[] = []
    const { parts, pieces, whole } = piecesOf([4, 3, 5], bytes => released.push(bytes))
    pieces.releaseBefore(3)
    assert.deepEqual(released, [])
    pieces.releaseBefore(6)
    assert.deepEqual(released, [4])
    assert.equal(parts[0]?.buffer.detached, true)
    assert.deepEqual(Buffer.from(pieces.copy(4, 12)), whole.subarray(4, 12))
    pieces.release()
    pieces.release()
    assert.deepEqual(released, [4, 3, 5])
  })

  it('never gives out zeros for what it gave back', () => {
    const { pieces } = piecesOf([4, 3])
    pieces.releaseBefore(4)
    assert.throws(() => pieces.copy(3, 5), /released/)
    assert.equal(pieces.copy(4, 7).length, 3)
  })
})
