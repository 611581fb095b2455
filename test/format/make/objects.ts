// Vectors of whole objects: each ending once, over several age chunks and frames; and what was
// done to them.

import { createHash } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import { concatBytes } from '../../../src/base/bytes.ts'
import { encodeLead, type Lead } from '../../../src/format/lead-frame.ts'
import { objectEnding } from '../../../src/format/object-key.ts'
import type { BackupParameters } from '../../../src/model/backup.ts'
import { patternBytes } from '../../support/objects.ts'
import { repositoryId, runId, seriesId } from '../samples.ts'
import { ageFile } from './age.ts'
import type { Failing } from './documents.ts'

/** Made for these vectors, and public: never to be used for anything else. */
export const identity = 'AGE-SECRET-KEY-1D4HCSEUECVCJN2XW6GN6Y4K9Z0SNDSU7FDRHFE5SMSSYAXZDVU7SQM99QW'
export const recipient = 'age1thkg3s8uqftvsff7awrrv7v7vhcfe56gf7y0z8ufksv294weresq94383q'
const otherIdentity = 'AGE-SECRET-KEY-1AS8ANHDLKJP6MY3M8GM6AYJXV2TSQYF44RY0WUPT8W9Y075MNG9SEEM2NE'

export type Change =
  | { readonly flip: readonly [byte: number, bit: number] }
  | { readonly cut: number }
  | { readonly append: string }

interface Made {
  readonly file: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly vector: Record<string, unknown>
  readonly headerBytes: number
  readonly leadBytes: number
  readonly frames: readonly number[]
}

/** Small, for 40 KiB must be enough in a repository of source: a format does not ask for 1 MiB. */
const frameSize = 16_384
const segmentSize = 8 * frameSize

export function objectVectors() {
  const shapes = (['zstd', 'none'] as const).flatMap(compress =>
    (['age', 'none'] as const).map(encrypt => ({ compress, encrypt })),
  )
  const made = shapes.map((shape, index) => makeObject({ segmentSize, frameSize, ...shape }, index))
  const broken = made.flatMap(brokenVectors)
  const [sealed] = made
  const stranger = {
    name: 'with the identity of somebody else',
    of: sealed?.vector['name'],
    change: { append: '' },
    identity: otherIdentity,
    failure: { code: 'identity-wrong', words: 'cannot open vector: it is not encrypted to' },
  }
  const files = made.map(({ file, bytes }) => [file, bytes] as const)
  return { vectors: [...made.map(({ vector }) => vector), ...broken, stranger], files }
}

function makeObject(parameters: BackupParameters, index: number): Made {
  const lead: Lead = {
    role: index % 2 === 0 ? 'segment' : 'index',
    repository: repositoryId,
    series: seriesId,
    seq: 1,
    run: runId,
    n: 1,
    offset: segmentSize,
  }
  // In the clear a few bytes show all there is; in age they must reach over chunks of 64 KiB.
  const raw = rawOf(parameters)
  const frames = framesOf(raw, parameters)
  const plain = concatBytes([encodeLead(lead), ...frames])
  const sealed =
    parameters.encrypt === 'age' ? ageFile(plain, recipient, 10 * (index + 1)) : undefined
  const bytes = sealed?.file ?? plain
  const file = `${lead.role}${objectEnding(parameters)}`
  const headerBytes = sealed?.header.length ?? 0
  const leadBytes = encodeLead(lead).length
  const stored = frames.map(({ length }) => length)
  const key = sealed === undefined ? null : Buffer.from(sealed.fileKey).toString('base64')
  const vector = {
    name: `${lead.role}, compress ${parameters.compress}, encrypt ${parameters.encrypt}`,
    file: `objects/${file}`,
    parameters,
    identity,
    sha256: sha256(bytes),
    lead,
    raw: { sha256: sha256(raw), bytes: raw.length },
    inside: { header: headerBytes, key, lead: leadBytes, frames: stored, raw: raw.length },
  }
  return { file, bytes, vector, headerBytes, leadBytes, frames: stored }
}

function rawOf({ compress, encrypt }: BackupParameters): Uint8Array<ArrayBuffer> {
  const noise = patternBytes(compress === 'zstd' ? 3000 : 1000)
  const length = encrypt === 'age' && compress === 'none' ? 70_000 : 3 * frameSize + 100
  const raw = new Uint8Array(length)
  for (let at = 0; at < length; at += frameSize) raw.set(noise.subarray(0, length - at), at)
  return raw
}

function framesOf(raw: Uint8Array, { compress }: BackupParameters): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let at = 0; at < raw.length; at += frameSize) {
    const frame = raw.subarray(at, at + frameSize)
    const params = { [constants.ZSTD_c_checksumFlag]: 1 }
    const options = { pledgedSrcSize: frame.length, params }
    frames.push(compress === 'none' ? frame : zstdCompressSync(frame, options))
  }
  return frames
}

function brokenVectors({ vector, bytes, headerBytes, leadBytes, frames }: Made): unknown[] {
  const { name: of, parameters } = vector as { name: string; parameters: BackupParameters }
  const broken: [name: string, change: Change, failure: Failing][] = []
  if (parameters.encrypt === 'age') {
    const damaged = { code: 'corrupt', words: 'cannot open vector: its age header is damaged' }
    const tag = (chunk: number) => ({
      code: 'corrupt',
      words: `cannot decrypt chunk ${chunk} of an age file: wrong tag`,
    })
    const lastChunk = Math.ceil((bytes.length - headerBytes - 16) / 65_552) - 1
    const mac = headerBytes - 10
    // Flipped, it must still be a letter of base64.
    const bit = /[A-Za-z0-9]/.test(String.fromCharCode((bytes[mac] ?? 0) ^ 1)) ? 0 : 1
    broken.push(
      [
        'another version of age',
        { flip: [20, 1] },
        {
          code: 'corrupt',
          words: 'cannot read an age header: it does not begin as an age v1 file',
        },
      ],
      ['a flipped bit in the MAC of the header', { flip: [mac, bit] }, damaged],
      ['a flipped bit in the nonce', { flip: [headerBytes, 0] }, tag(0)],
      ['a flipped bit in the lead', { flip: [headerBytes + 16 + 10, 5] }, tag(0)],
      ['a flipped bit in the last tag', { flip: [bytes.length - 1, 7] }, tag(lastChunk)],
      ['a last byte cut off', { cut: bytes.length - 1 }, tag(lastChunk)],
      ['a byte more', { append: 'AA==' }, tag(lastChunk)],
      [
        'nothing but a header',
        { cut: headerBytes },
        { code: 'corrupt', words: 'cannot decrypt an age file: its last chunk is cut short' },
      ],
    )
    if (lastChunk > 0)
      broken.push(['a whole last chunk cut off', { cut: headerBytes + 16 + 65_552 }, tag(0)])
  } else {
    const noLead = {
      code: 'corrupt',
      words: 'cannot read vector: it does not begin with a lead frame',
    }
    broken.push(
      ['no lead', { flip: [0, 0] }, noLead],
      ['a lead that is longer than all', { flip: [6, 7] }, noLead],
      ['nothing', { cut: 0 }, noLead],
    )
    if (parameters.compress === 'zstd') {
      const malformed = {
        code: 'corrupt',
        words: 'cannot read a zstd frame: it is malformed or cut short',
      }
      const second = leadBytes + (frames[0] ?? 0)
      broken.push(
        [
          'a flipped bit in a frame',
          { flip: [leadBytes + 1000, 3] },
          { code: 'corrupt', words: 'cannot decompress a frame: zstd refuses it' },
        ],
        ['a second frame that is none', { flip: [second, 0] }, malformed],
        ['the last byte cut off', { cut: bytes.length - 1 }, malformed],
        ['a byte more', { append: 'AA==' }, malformed],
      )
    }
  }
  return broken.map(([name, change, failure]) => ({ name: `${of}: ${name}`, of, change, failure }))
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
