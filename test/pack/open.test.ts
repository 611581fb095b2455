import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { encodeLead } from '../../src/format/lead-frame.ts'
import { chunkRunOf, payloadNonceBytes } from '../../src/pack/age-payload.ts'
import { compressFrame } from '../../src/pack/frame.ts'
import { openFrames } from '../../src/pack/open.ts'
import type { OpenRequest } from '../../src/pack/worker-protocol.ts'
import { sealPayload } from './age-file.ts'
import { rawBytes, sampleLead } from './packing.ts'

const isCorrupt = (error: unknown) => isFailure(error, 'corrupt')
const raws = Array.from({ length: 7 }, (_, n) => rawBytes(40_000 + n, 0.8, n))
const frames = raws.map(raw => ({ bytes: compressFrame(raw.slice(), 3), rawBytes: raw.length }))
const lead = encodeLead(sampleLead)
const plain = concatBytes([lead, ...frames.map(({ bytes }) => bytes)])
const fileKey = new Uint8Array(randomBytes(16))
const payload = new Uint8Array(sealPayload(fileKey, plain))
const nonce = payload.slice(0, payloadNonceBytes)

/** Where frame `n` begins in the plaintext. */
function startOf(n: number): number {
  return frames.slice(0, n).reduce((sum, { bytes }) => sum + bytes.length, lead.length)
}

/** The frames [first, end), as a reader with an index would ask for them. */
function requestOf(first: number, end: number): OpenRequest {
  const run = chunkRunOf(startOf(first), startOf(end), plain.length)
  return {
    kind: 'open',
    sealed: payload.slice(run.start, run.end),
    key: { fileKey: fileKey.slice(), nonce: nonce.slice() },
    firstChunk: run.firstChunkIndex,
    final: run.endsPayload,
    skipBytes: startOf(first) - run.plainStart,
    frames: frames
      .slice(first, end)
      .map(one => ({ storedBytes: one.bytes.length, rawBytes: one.rawBytes })),
    compress: 'zstd',
  }
}

describe('openFrames()', () => {
  it('opens any run of frames alone, from whole chunks and the file key', () => {
    for (let first = 0; first < frames.length; first += 1) {
      for (let end = first + 1; end <= frames.length; end += 1) {
        const { raw } = openFrames(requestOf(first, end))
        assert.deepEqual(raw, concatBytes(raws.slice(first, end)))
      }
    }
  })

  it('gives the bytes before the first frame too, for the lead is there', () => {
    const request = { ...requestOf(0, 2), skipBytes: lead.length }
    assert.deepEqual(openFrames(request).skipped, lead)
  })

  it('L6: hands nothing on when any bit of what it was given was flipped', () => {
    fc.assert(
      fc.property(fc.nat(payload.length * 8 - 1), bit => {
        const request = requestOf(0, frames.length)
        const { sealed } = request
        const at = (bit >> 3) % sealed.length
        sealed[at] = (sealed[at] ?? 0) ^ (1 << (bit & 7))
        assert.throws(() => openFrames(request), isCorrupt)
      }),
      { numRuns: 150 },
    )
  })

  const lies: Readonly<Record<string, (request: OpenRequest) => OpenRequest>> = {
    'another file key': request => ({ ...request, key: { fileKey: new Uint8Array(16), nonce } }),
    'another nonce': request => ({
      ...request,
      key: { fileKey: fileKey.slice(), nonce: new Uint8Array(16) },
    }),
    'another place': request => ({ ...request, firstChunk: 1 }),
    'the end claimed to come later': request => ({ ...request, final: false }),
    'a missing last chunk': request => ({ ...request, sealed: request.sealed.slice(0, 65_552) }),
    'a frame too many': request => ({
      ...request,
      frames: [...request.frames, { storedBytes: 1, rawBytes: 1 }],
    }),
    'frames one byte off': request => ({ ...request, skipBytes: request.skipBytes + 1 }),
    'frames that are longer raw': request => ({
      ...request,
      frames: request.frames.map(one => ({ ...one, rawBytes: one.rawBytes + 1 })),
    }),
  }
  for (const [what, lie] of Object.entries(lies)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => openFrames(lie(requestOf(0, frames.length))), isCorrupt)
    })
  }

  it('opens an object in the clear by its frames', () => {
    const request = {
      ...requestOf(0, frames.length),
      sealed: plain.slice(),
      key: null,
      skipBytes: lead.length,
    }
    assert.deepEqual(openFrames(request).raw, concatBytes(raws))
    const cut = { ...request, sealed: plain.slice(0, -1) }
    assert.throws(() => openFrames(cut), isCorrupt)
  })
})
