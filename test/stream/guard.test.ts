import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as assertProperty, integer, nat, property, record } from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { uuidToBytes } from '../../src/model/ids.ts'
import {
  encodeAttribute,
  encodeCommand,
  encodeRawCommand,
  encodeStreamHeader,
} from '../../src/stream/encode.ts'
import { type StreamExpectation, StreamGuard } from '../../src/stream/guard.ts'
import {
  encode,
  foreignUuid,
  guardAll,
  head,
  ownUuid,
  parentUuid,
  sampleCommands,
  sampleStream,
} from './sample-stream.ts'

const versions = [1, 2]

function refuses(stream: Uint8Array, why: RegExp, expect: StreamExpectation = {}): void {
  assert.throws(
    () => guardAll(stream, 1 << 20, { expect }),
    error => isFailure(error, 'corrupt') && why.test(error.message),
    String(why),
  )
}

function streamOf(...commands: Uint8Array[]): Uint8Array {
  return concatBytes([head(2), ...commands, encodeCommand('end', [], 2)])
}

test('StreamGuard tells what a stream is and counts what it holds', () => {
  const heads: unknown[] = []
  const { summary } = guardAll(sampleStream(2), 1 << 20, { onHead: each => heads.push(each) })
  assert.equal(heads.length, 1)
  assert.deepEqual(summary, {
    version: 2,
    uuid: ownUuid,
    ctransid: 7,
    parent: null,
    name: new Uint8Array(Buffer.from('snap')),
    bytes: sampleStream(2).length,
    commandCount: 24,
    payloadBytes: 120,
    createdCount: 7,
    longestPathBytes: 10,
    untrackedSymlinkCount: 0,
  })
})

test('the skeleton is the stream without its file data', () => {
  for (const version of versions) {
    const stream = Buffer.from(sampleStream(version))
    const { skeleton } = guardAll(stream)
    const data = Buffer.alloc(70, 'data')
    const encoded = Buffer.alloc(50, 'zstd')
    const cut = (bytes: Buffer, part: Buffer) => {
      const at = bytes.indexOf(part)
      return at < 0
        ? bytes
        : Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + part.length)])
    }
    assert.deepEqual(Buffer.from(skeleton), cut(cut(stream, data), encoded))
  }
})

test('StreamGuard finds the same whatever pieces a stream comes in', () => {
  for (const version of versions) {
    const stream = sampleStream(version)
    const whole = guardAll(stream)
    for (let pieceBytes = 1; pieceBytes < 130; pieceBytes += 1) {
      assert.deepEqual(guardAll(stream, pieceBytes), whole)
    }
  }
})

test('nothing that StreamGuard hands out changes when its chunks are used again', () => {
  const whole = guardAll(sampleStream(2))
  const stream = Buffer.from(sampleStream(2))
  const pieces: Uint8Array[] = []
  const guard = new StreamGuard({ expect: {}, onSkeleton: piece => pieces.push(piece) })
  for (let at = 0; at < stream.length; at += 100) {
    const chunk = stream.subarray(at, at + 100)
    guard.write(chunk)
    chunk.fill(0)
  }
  assert.deepEqual({ summary: guard.finish(), skeleton: concatBytes(pieces) }, whole)
})

test('L1: StreamGuard refuses a stream cut off anywhere', () => {
  for (const version of versions) {
    const stream = sampleStream(version)
    for (let length = 0; length < stream.length; length += 1) {
      assert.throws(
        () => guardAll(stream.subarray(0, length)),
        /^Failure: cannot accept send stream/,
      )
    }
  }
})

test('L6: StreamGuard refuses a stream with any one bit changed', () => {
  for (const version of versions) {
    const stream = sampleStream(version)
    for (let bit = 0; bit < stream.length * 8; bit += 1) {
      const flipped = stream.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.throws(() => guardAll(flipped), /^Failure: cannot accept send stream/, `bit ${bit}`)
    }
  }
})

test('StreamGuard refuses another magic, version 0, 3 and up, and says how to send instead', () => {
  refuses(Buffer.from('btrfs-strean\0'), /does not begin like one/)
  refuses(Buffer.from('hello'), /does not begin like one/)
  refuses(encodeStreamHeader(0), /version 0/)
  refuses(encodeStreamHeader(255), /version 255/)
  assert.throws(
    () => guardAll(encodeStreamHeader(3)),
    error => isFailure(error) && error.hint === 'send it with `btrfs send --proto 2`',
  )
})

test('the snapshot is named exactly once, first', () => {
  const [subvol, end] = [head(2).subarray(17), encodeCommand('end', [], 2)]
  const mkdir = encode('mkdir', { path: 'x', ino: 257 }, 2)
  const header = encodeStreamHeader(2)
  refuses(concatBytes([header, end]), /end at offset 17: it comes before/)
  refuses(concatBytes([header, mkdir, subvol, end]), /mkdir at offset 17: it comes before/)
  refuses(concatBytes([header, subvol, subvol, end]), /second snapshot/)
  refuses(concatBytes([header, subvol, head(2, parentUuid).subarray(17), end]), /second snapshot/)
})

test('nothing may follow END, not one byte', () => {
  const stream = sampleStream(2)
  refuses(concatBytes([stream, Buffer.from([0])]), /bytes after its END/)
  refuses(concatBytes([stream, stream]), /bytes after its END/)
  refuses(concatBytes([stream, encodeCommand('end', [], 2)]), /bytes after its END/)
  const guard = new StreamGuard({ expect: {} })
  guard.write(stream)
  assert.throws(() => guard.write(Buffer.from([0])), /bytes after its END/)
})

test('a stream must be of the snapshot, the state and the parent that were expected', () => {
  const end = encodeCommand('end', [], 2)
  const full = concatBytes([head(2), end])
  const difference = concatBytes([head(2, parentUuid), end])
  const parent = { uuid: parentUuid, ctransid: 5 }
  guardAll(full, 99, { expect: { uuid: ownUuid, ctransid: 7, parent: null } })
  guardAll(difference, 99, { expect: { uuid: ownUuid, ctransid: 7, parent } })
  refuses(full, /and not 99999999-/, { uuid: foreignUuid })
  refuses(full, /ctransid 7 and not 8: the snapshot was changed/, { ctransid: 8 })
  refuses(full, /it is a full stream, not a difference/, { parent })
  refuses(difference, /it needs the parent aaaaaaaa/, { parent: null })
  refuses(difference, /its parent is aaaaaaaa/, { parent: { uuid: foreignUuid, ctransid: 5 } })
  refuses(difference, /its parent is of ctransid 5 and not 6/, {
    parent: { ...parent, ctransid: 6 },
  })
})

test('a clone takes from this snapshot or its parent, in the states that the stream names', () => {
  const clone = (uuid: typeof ownUuid, ctransid: number) =>
    encode(
      'clone',
      {
        path: 'a',
        fileOffset: 0,
        cloneLen: 4096,
        cloneUuid: uuidToBytes(uuid),
        cloneCtransid: ctransid,
        clonePath: 'b',
        cloneOffset: 0,
      },
      2,
    )
  const end = encodeCommand('end', [], 2)
  const difference = (command: Uint8Array) => concatBytes([head(2, parentUuid), command, end])
  guardAll(difference(clone(ownUuid, 7)))
  guardAll(difference(clone(parentUuid, 5)))
  refuses(difference(clone(foreignUuid, 7)), /neither the snapshot nor its parent/)
  refuses(difference(clone(parentUuid, 7)), /another state \(ctransid 7\)/)
  refuses(streamOf(clone(parentUuid, 5)), /neither the snapshot nor its parent/)
})

test('attributes must be known, of their command, whole, single and of their size', () => {
  const path = encodeAttribute('path', 'x', 2)
  const ino = encodeAttribute('ino', 257, 2)
  const mkdir = (...parts: Uint8Array[]) => streamOf(encodeRawCommand(4, concatBytes(parts)))
  guardAll(mkdir(ino, path))
  refuses(mkdir(path), /mkdir at offset 67: it has no ino/)
  refuses(mkdir(ino), /it has no path/)
  refuses(mkdir(path, ino, path), /path twice/)
  refuses(mkdir(path, ino, encodeAttribute('mode', 1, 2)), /mode, which does not belong there/)
  refuses(mkdir(path, ino, Buffer.from([99, 0, 0, 0])), /attribute 99, which does not belong/)
  refuses(mkdir(path, Buffer.from([3, 0, 4, 0, 1, 0, 0, 0])), /its ino has 4 bytes/)
  refuses(mkdir(path, ino, Buffer.from([15])), /cut off/)
  refuses(mkdir(path, ino, Buffer.from([15, 0, 1])), /cut off/)
  refuses(mkdir(path, Buffer.from([3, 0, 9, 0, 1])), /longer than the command/)
})

test('file data ends its command, in both versions', () => {
  const parts = [encodeAttribute('path', 'x', 1), encodeAttribute('fileOffset', 0, 1)]
  const data = encodeAttribute('data', Buffer.alloc(9), 1)
  const v1 = (...all: Uint8Array[]) =>
    concatBytes([head(1), encodeRawCommand(15, concatBytes(all)), encodeCommand('end', [], 1)])
  guardAll(v1(...parts, data))
  refuses(v1(...parts, data, Buffer.from([1])), /data is not its last attribute/)
  refuses(v1(parts[0] as Uint8Array, data, parts[1] as Uint8Array), /it has no file_offset/)
  refuses(v1(...parts), /it has no data/)
  refuses(streamOf(encodeRawCommand(15, concatBytes(parts))), /it has no data/)
})

test('lengths beyond the limits are refused as soon as they are read', () => {
  const claim = (id: number, length: number) => {
    const command = Buffer.alloc(10)
    command.writeUInt32LE(length)
    command.writeUInt16LE(id, 4)
    return concatBytes([head(2), command])
  }
  refuses(claim(4, 0xffff_ffff), /mkdir at offset 67: it claims 4294967295 bytes/)
  refuses(claim(15, 20 * 1024 * 1024), /it claims/)
  refuses(claim(26, 0), /unknown number 26/)
  refuses(claim(0, 0), /unknown number 0/)
  refuses(concatBytes([head(1), claim(23, 0).subarray(67)]), /version 1 does not have that command/)
})

test('a stream without file data is no backup', () => {
  const update = encode('updateExtent', { path: 'x', fileOffset: 0, size: 1 }, 2)
  refuses(streamOf(update), /sent without file data/)
})

test('what the format cannot show: a dropped or doubled command leaves every checksum right', () => {
  const commands = sampleCommands(2)
  for (const index of [1, 8]) {
    const without = commands.toSpliced(index, 1)
    guardAll(concatBytes([head(2), ...without]))
    const doubled = commands.toSpliced(index, 0, commands[index] as Uint8Array<ArrayBuffer>)
    guardAll(concatBytes([head(2), ...doubled]))
  }
})

test('a message never holds a path (L10)', () => {
  const secret = 'my-secret-name/../x'
  const hostile = streamOf(encode('mkdir', { path: secret, ino: 257 }, 2))
  assert.throws(
    () => guardAll(hostile),
    error => isFailure(error, 'corrupt') && !error.message.includes('secret'),
  )
})

test('whatever bytes come, StreamGuard throws a Failure or accepts', () => {
  const seeds = [sampleStream(1), sampleStream(2)]
  const mutation = record({ at: nat(), byte: nat(255), kind: nat(3) })
  const survives = property(
    nat(1),
    array(mutation, { minLength: 1, maxLength: 8 }),
    integer({ min: 1, max: 400 }),
    (seed, mutations, pieceBytes) => {
      const stream = mutations.reduce(mutate, Buffer.from(seeds[seed] as Uint8Array))
      try {
        guardAll(stream, pieceBytes)
      } catch (error) {
        assert.ok(isFailure(error, 'corrupt'), String(error))
      }
    },
  )
  assertProperty(survives, { seed: 20_260, numRuns: 20_000, interruptAfterTimeLimit: 2500 })
})

interface Mutation {
  readonly at: number
  readonly byte: number
  readonly kind: number
}

function mutate(bytes: Buffer, { at, byte, kind }: Mutation): Buffer {
  const index = at % Math.max(1, bytes.length)
  if (kind === 0) return Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + 1)])
  if (kind === 1) {
    return Buffer.concat([bytes.subarray(0, index), Buffer.from([byte]), bytes.subarray(index)])
  }
  if (kind === 2) return Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + byte)])
  const changed = Buffer.from(bytes)
  changed[index] = byte
  return changed
}
