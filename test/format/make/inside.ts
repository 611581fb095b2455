// Vectors of what lies inside an object: its lead, its frames, and the records of an index.

import { constants, zstdCompressSync } from 'node:zlib'
import { concatBytes, encodeUtf8 } from '../../../src/base/bytes.ts'
import { encodeIndexRecord, type IndexRecord } from '../../../src/format/index-record.ts'
import { encodeLead, type Lead } from '../../../src/format/lead-frame.ts'
import { patternBytes } from '../../support/objects.ts'
import { begin, end, repositoryId, runId, segment, seriesId } from '../samples.ts'
import type { Failing } from './documents.ts'

const lead: Lead = {
  role: 'segment',
  repository: repositoryId,
  series: seriesId,
  seq: 1,
  run: runId,
  n: 3,
  offset: 3 * 1024 * 1024,
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** A skippable frame of zstd around anything. */
function skippable(content: Uint8Array, { magic = 0x184d2a5b, length = content.length } = {}) {
  const frame = new Uint8Array(8 + content.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, magic, true)
  view.setUint32(4, length, true)
  frame.set(content, 8)
  return frame
}

export function leadVectors(): unknown[] {
  const bytes = encodeLead(lead)
  const members = { btrvault: 1, ...lead }
  const of = (value: unknown) => skippable(encodeUtf8(JSON.stringify(value)))
  const index: Lead = { ...lead, role: 'index', n: 0, offset: 0, seq: 999_999_999_999 }
  const none: Failing = {
    code: 'corrupt',
    words: 'cannot read vector: it does not begin with a lead frame',
  }
  const malformed: Failing = {
    code: 'corrupt',
    words: 'cannot read vector: its lead frame is malformed',
  }
  const { offset: _, ...withoutOffset } = members
  const sound = [
    { name: 'of a segment', base64: base64(bytes), value: lead, bytes: bytes.length },
    {
      name: 'of an index, with frames behind it',
      base64: base64(concatBytes([encodeLead(index), patternBytes(40)])),
      value: index,
      bytes: encodeLead(index).length,
    },
    {
      name: 'members in another order',
      canonical: false,
      base64: base64(of(Object.fromEntries(Object.entries(members).reverse()))),
      value: lead,
      bytes: bytes.length,
    },
  ]
  const broken: [name: string, bytes: Uint8Array, failure: Failing][] = [
    ['nothing', new Uint8Array(0), none],
    ['another skippable frame', skippable(bytes.subarray(8), { magic: 0x184d2a5c }), none],
    ['a frame of data', new Uint8Array(zstdCompressSync(bytes)), none],
    ['cut', bytes.subarray(0, -1), none],
    ['cut in its length', bytes.subarray(0, 7), none],
    ['a length beyond the bytes', skippable(bytes.subarray(8), { length: 0xffffffff }), none],
    [
      'longer than leads may be',
      skippable(encodeUtf8(JSON.stringify({ ...members, x: 'x'.repeat(4096) }))),
      none,
    ],
    ['no JSON', skippable(encodeUtf8('{')), malformed],
    ['not UTF-8', skippable(Buffer.of(0x22, 0xff, 0x22)), malformed],
    ['a byte order mark', skippable(encodeUtf8(`\ufeff${JSON.stringify(members)}`)), malformed],
    ['no object', of(null), malformed],
    [
      'a later version',
      of({ ...members, btrvault: 2 }),
      {
        code: 'refused',
        words: 'cannot read vector: its format version is 2, this program knows 1',
      },
    ],
    ['a member too many', of({ ...members, path: '/' }), malformed],
    ['a member too few', of(withoutOffset), malformed],
    ['a role that nobody knows', of({ ...members, role: 'manifest' }), malformed],
    ['an offset below 0', of({ ...members, offset: -1 }), malformed],
    ['a run in upper case', of({ ...members, run: runId.toUpperCase() }), malformed],
  ]
  return [
    ...sound,
    ...broken.map(([name, bytes, failure]) => ({ name, base64: base64(bytes), failure })),
  ]
}

export function frameVectors(): unknown[] {
  const zstd = (raw: Uint8Array, checksum = 1) =>
    new Uint8Array(
      zstdCompressSync(raw, {
        pledgedSrcSize: raw.length,
        params: { [constants.ZSTD_c_checksumFlag]: checksum },
      }),
    )
  const text = encodeUtf8(
    'a frame that shrinks, a frame that shrinks, a frame that shrinks, it does',
  )
  const raws: [name: string, raw: Uint8Array<ArrayBuffer>][] = [
    ['a single byte', encodeUtf8('x')],
    ['text', text],
    ['noise', patternBytes(300)],
    ['a megabyte of zeros', new Uint8Array(1024 * 1024)],
    ['70000 bytes, two sizes of header', new Uint8Array(70_000).fill(7)],
  ]
  const sound = raws.map(([name, raw]) => {
    const stored = zstd(raw)
    const facts = { base64: base64(stored), stored: stored.length, rawBytes: raw.length }
    // Runs of one byte are told by their byte, so that the table stays readable.
    const isRun = raw.length > 1000
    return { name, ...facts, ...(isRun ? { rawFill: raw[0] } : { raw: base64(raw) }) }
  })
  const good = zstd(text)
  const altered = (at: number, bit: number) => {
    const bytes = good.slice()
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ (1 << bit)
    return bytes
  }
  const malformed: Failing = {
    code: 'corrupt',
    words: 'cannot read a zstd frame: it is malformed or cut short',
  }
  const refused: Failing = { code: 'corrupt', words: 'cannot decompress a frame: zstd refuses it' }
  const length: Failing = {
    code: 'corrupt',
    words: 'cannot decompress a frame: its length is not what the index says',
  }
  const broken: [name: string, bytes: Uint8Array, rawBytes: number, failure: Failing][] = [
    ['nothing', new Uint8Array(0), 0, malformed],
    ['another magic number', altered(0, 0), text.length, malformed],
    ['cut before its checksum', good.subarray(0, -4), text.length, malformed],
    ['cut in its checksum', good.subarray(0, -1), text.length, malformed],
    ['cut in its header', good.subarray(0, 5), text.length, malformed],
    ['a wrong checksum', altered(-1, 7), text.length, refused],
    ['an altered byte', altered(20, 3), text.length, refused],
    ['shorter than the index says', good, text.length + 1, length],
    ['longer than the index says', good, text.length - 1, length],
    ['a bomb', zstd(new Uint8Array(1024 * 1024)), 1000, refused],
  ]
  return [
    ...sound,
    ...broken.map(([name, bytes, rawBytes, failure]) => ({
      name,
      base64: base64(bytes),
      rawBytes,
      failure,
    })),
  ]
}

export function indexVectors(): unknown[] {
  const segments = [0, 1, 2].map(n => ({ ...segment, n, offset: n * 1024 * 1024 }))
  const records: IndexRecord[] = [
    { kind: 'begin', begin },
    { kind: 'skeleton', bytes: encodeUtf8('the first piece of a skeleton') },
    { kind: 'segment', segment: segments[1] as typeof segment },
    { kind: 'segment', segment: { ...(segments[0] as typeof segment), key: null, header: 0 } },
    { kind: 'skeleton', bytes: patternBytes(64) },
    {
      kind: 'segment',
      segment: { ...(segments[2] as typeof segment), raw: 123_456, frames: [70_000] },
    },
    { kind: 'end', end },
  ]
  const [first, ...others] = records.map(encodeIndexRecord)
  const last = others.pop() ?? new Uint8Array(0)
  const whole = concatBytes([first as Uint8Array, ...others, last])
  const fails = (words: string): Failing => ({
    code: 'corrupt',
    words: `cannot read the index of vector: ${words}`,
  })
  const early = fails('it ends too early')
  const order = fails('its records are out of order')
  const malformed = fails('a record is malformed')
  const beginAs = (value: unknown) => record(1, encodeUtf8(JSON.stringify(value)))
  const around = (...middle: Uint8Array[]) => [first as Uint8Array, ...middle, last]
  const broken: [name: string, parts: readonly Uint8Array[], failure: Failing][] = [
    ['nothing', [], early],
    ['no end', [first as Uint8Array, ...others], early],
    ['cut in its end', [whole.subarray(0, -1)], early],
    ['cut in the head of a record', [first as Uint8Array, last.subarray(0, 4)], early],
    ['bytes after the end', [whole, Buffer.of(0)], early],
    ['a record after the end', [whole, last], order],
    ['no begin', [...others, last], order],
    ['a second begin', around(first as Uint8Array), order],
    [
      'a type that nobody knows',
      around(record(5, encodeUtf8('{}'))),
      fails('it has a record of an unknown type 5'),
    ],
    ['type 0', around(record(0, new Uint8Array(0))), fails('it has a record of an unknown type 0')],
    ['a body beyond the limit', around(Buffer.of(1, 0, 0, 4, 2)), fails('a record is too long')],
    ['no JSON', around(record(3, encodeUtf8('{'))), malformed],
    ['not UTF-8', around(record(3, Buffer.of(0x22, 0xff, 0x22))), malformed],
    ['a member too many', [beginAs({ ...begin, more: 1 }), last], malformed],
    ['a member too few', [beginAs({ ...begin, host: undefined }), last], malformed],
    [
      'a segment without frames',
      around(record(3, encodeUtf8(JSON.stringify({ ...segment, frames: null })))),
      malformed,
    ],
    [
      'a later version',
      [beginAs({ version: 2 }), last],
      {
        code: 'refused',
        words: 'cannot read the index of vector: its format version is 2, this program knows 1',
      },
    ],
  ]
  return [
    { name: 'every kind of record', base64: base64(whole), records: records.map(shown) },
    {
      name: 'the least',
      base64: base64(concatBytes([first as Uint8Array, last])),
      records: [records[0], records.at(-1)].map(one => shown(one as IndexRecord)),
    },
    ...broken.map(([name, parts, failure]) => ({
      name,
      base64: base64(concatBytes(parts)),
      failure,
    })),
  ]
}

/** As it stands in a table: bytes as base64. */
export function shown(record: IndexRecord): unknown {
  return record.kind === 'skeleton' ? { kind: 'skeleton', bytes: base64(record.bytes) } : record
}

function record(type: number, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(5)
  new DataView(head.buffer).setUint32(0, body.length, true)
  head[4] = type
  return concatBytes([head, body])
}
