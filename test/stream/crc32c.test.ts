import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { crc32c, crc32cPlain, createCrc32cWindow, plainWindow } from '../../src/stream/crc32c.ts'
import { assembleModule, compileCrc32c } from '../../src/stream/crc32c-wasm.ts'

/** Bit by bit, from the polynomial alone. */
function slow(bytes: Uint8Array, crc: number): number {
  let value = crc
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0)
  }
  return value >>> 0
}

function bytesOf(length: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(1, length) })
    .update(String(length))
    .digest()
    .subarray(0, length)
}

test('crc32c() gives the published check value of CRC-32C, its register inverted before and after', () => {
  assert.equal(~crc32c(Buffer.from('123456789'), 0xffffffff) >>> 0, 0xe3069283)
})

test('crc32c() agrees with the polynomial for every length to 700 and around its blocks', () => {
  const lengths = [...Array(700).keys(), 4095, 65_535, 65_536, 65_537, 131_199]
  for (const length of lengths) {
    const bytes = bytesOf(length)
    const expected = slow(bytes, 0xdeadbeef)
    assert.equal(crc32c(bytes, 0xdeadbeef), expected, `${length} bytes`)
    assert.equal(crc32cPlain(0xdeadbeef, bytes, { start: 0, end: length }), expected)
  }
})

test('crc32c() continues from any cut', () => {
  const bytes = bytesOf(1500)
  const whole = crc32c(bytes)
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.equal(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), whole)
  }
})

test('a window gives the CRC of any of its parts, with and without WebAssembly', () => {
  const bytes = bytesOf(2000)
  assert.notEqual(compileCrc32c(), undefined, 'this Node runs the module')
  for (const window of [createCrc32cWindow(2000), plainWindow(2000)]) {
    window.bytes.set(bytes)
    for (let start = 0; start < 70; start += 1) {
      for (const end of [start, start + 1, start + 127, start + 128, start + 129, 1000, 2000]) {
        assert.equal(window.of(1, start, end), slow(bytes.subarray(start, end), 1))
      }
    }
  }
})

test('the module that is assembled is small enough to be read', () => {
  assert.ok(assembleModule().length < 2500)
})
