import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pagedBytes, releaseBytes, releaseOwnBytes } from '../../src/base/bytes.ts'

const MiB = 1024 * 1024

describe('releaseOwnBytes()', () => {
  it('gives back memory that only these bytes lie in', () => {
    const alone = new Uint8Array(MiB)
    const most = new Uint8Array(new ArrayBuffer(MiB), 0, MiB / 2)
    for (const bytes of [alone, most]) {
      releaseOwnBytes(bytes)
      assert.ok(bytes.buffer.detached)
    }
  })

  it('leaves memory that Node shares among many', () => {
    const shared = Buffer.from('a few bytes')
    assert.ok(shared.buffer.byteLength > shared.length, 'Node has no pool any more')
    releaseOwnBytes(shared)
    assert.equal(shared.toString(), 'a few bytes')
  })
})

describe('pagedBytes()', () => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, MiB + 1]) {
    it(`gives ${length} zeros, to be written, moved to another thread and released`, () => {
      const bytes = pagedBytes(length)
      assert.equal(bytes.length, length)
      assert.ok(bytes.every(byte => byte === 0))
      bytes.fill(7)
      const moved = structuredClone(bytes, { transfer: [bytes.buffer] })
      assert.equal(moved.length, length)
      assert.ok(moved.every(byte => byte === 7))
      releaseBytes(moved)
      assert.equal(moved.length, 0)
    })
  }

  it('goes back to the kernel when it is released', () => {
    const before = process.memoryUsage.rss()
    for (let round = 0; round < 20; round += 1) releaseBytes(pagedBytes(16 * MiB).fill(1))
    assert.ok(process.memoryUsage.rss() - before < 64 * MiB)
  })
})
