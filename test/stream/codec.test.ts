import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  array,
  assert as assertProperty,
  bigInt,
  constantFrom,
  integer,
  maxSafeInteger,
  nat,
  oneof,
  property,
  string,
  tuple,
  uint8Array,
} from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import {
  type AttributeId,
  attributeKey,
  attributeLengths,
  Command,
  commandLayouts,
  maxPayloadBytes,
} from '../../src/stream/commands.ts'
import { decodeStream, numberOf, textOf, timeOf } from '../../src/stream/decode.ts'
import { type Attributes, type AttributeValue, encodeCommand } from '../../src/stream/encode.ts'
import { guardAll, head, sampleCommands, sampleStream } from './sample-stream.ts'

const latin1 = (minLength: number, maxLength: number) =>
  string({
    unit: integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
    minLength,
    maxLength,
  })

const textAttributes = new Set(['path', 'pathTo', 'pathLink', 'clonePath', 'xattrName'])

function anyValue(id: AttributeId) {
  const { min, max } = attributeLengths[id] as { min: number; max: number }
  const name = attributeKey(id)
  if (textAttributes.has(name)) return latin1(min, Math.min(max, 40))
  if (name === 'xattrData' || max === maxPayloadBytes)
    return uint8Array({ minLength: min, maxLength: 300 })
  if (max === 16) return uint8Array({ minLength: 16, maxLength: 16 })
  if (max === 12) {
    const time = tuple(integer({ min: -(2 ** 50), max: 2 ** 50 }), nat(999_999_999))
    return time.map(([seconds, nanoseconds]) => ({ seconds, nanoseconds }))
  }
  if (max === 4) return integer({ min: 0, max: 0xffff_ffff })
  return oneof(maxSafeInteger().map(Math.abs), bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }))
}

const anyCommand = constantFrom(
  ...commandLayouts().filter(each => each.id !== Command.subvol && each.id !== Command.end),
).chain(layout => {
  const values = layout.required.map(anyValue) as ReturnType<typeof latin1>[]
  return tuple(...values).map(all => ({
    command: layout.command,
    attributes: all.map((value: AttributeValue, n) => [
      attributeKey(layout.required[n] as AttributeId),
      value,
    ]) as unknown as Attributes,
  }))
})

test('what encodeCommand() writes, decodeStream() reads back, in whatever pieces', () => {
  assertProperty(
    property(
      array(anyCommand, { maxLength: 6 }),
      integer({ min: 1, max: 300 }),
      (commands, pieceBytes) => {
        const encoded = commands.map(each => encodeCommand(each.command, each.attributes, 2))
        const stream = concatBytes([head(2), ...encoded, encodeCommand('end', [], 2)])
        const pieces: Uint8Array[] = []
        for (let at = 0; at < stream.length; at += pieceBytes)
          pieces.push(stream.subarray(at, at + pieceBytes))
        const decoded = decodeStream(pieces).toArray().slice(1, -1)
        assert.deepEqual(
          decoded.map(({ command, attributes }) => ({ command, attributes: plain(attributes) })),
          commands.map(({ command, attributes }) => ({ command, attributes: plain(attributes) })),
        )
      },
    ),
    { seed: 3, numRuns: 600, interruptAfterTimeLimit: 4000 },
  )
})

function plain(attributes: Attributes): unknown[] {
  return attributes.map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value])
}

test('decodeStream() of a stream encodes to the same bytes again', () => {
  for (const version of [1, 2]) {
    const commands = decodeStream([sampleStream(version)])
      .toArray()
      .slice(1)
    const again = commands.map(each => encodeCommand(each.command, each.attributes, version))
    assert.deepEqual(concatBytes(again), concatBytes(sampleCommands(version)))
  }
})

test('decodeStream() of a skeleton tells how long the payloads were', () => {
  for (const version of [1, 2]) {
    const { skeleton } = guardAll(sampleStream(version))
    const whole = decodeStream([sampleStream(version)]).toArray()
    const bare = decodeStream([skeleton], { payload: 'left-out' }).toArray()
    assert.deepEqual(
      bare,
      whole.map(each => ({
        ...each,
        attributes: each.attributes.filter(([name]) => name !== 'data'),
      })),
    )
    const write = bare.find(each => each.command === 'write')
    assert.equal(write?.payloadBytes, 70)
  }
})

test('numberOf(), textOf() and timeOf() read one attribute, and throw when it is none of theirs', () => {
  const commands = decodeStream([sampleStream(2)]).toArray()
  const mkdir = commands.find(each => each.command === 'mkdir')
  const utimes = commands.find(each => each.command === 'utimes')
  assert.ok(mkdir !== undefined && utimes !== undefined)
  assert.equal(textOf(mkdir, 'path'), 'o257-7-0')
  assert.equal(numberOf(mkdir, 'ino'), 257)
  assert.equal(timeOf(utimes, 'mtime').nanoseconds, 123_456_789)
  assert.throws(() => textOf(mkdir, 'ino'), TypeError)
  assert.throws(() => numberOf(mkdir, 'size'), TypeError)
})

test('decodeStream() throws when the stream stops before END', () => {
  const stream = sampleStream(2)
  assert.throws(() => decodeStream([stream.subarray(0, -1)]).toArray(), /before END/)
  assert.throws(() => decodeStream([]).toArray(), /before its header/)
})
