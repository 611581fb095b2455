import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { concatBytes } from '../../src/base/bytes.ts'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { encodeLead } from '../../src/format/lead-frame.ts'
import type { Compression } from '../../src/model/backup.ts'
import { type PackedFrame, packFrame } from '../../src/pack/frame.ts'
import { generateIdentity, type Identity, loadIdentities } from '../../src/pack/identities.ts'
import { sealObject } from '../../src/pack/seal.ts'
import type { SealRequest } from '../../src/pack/worker-protocol.ts'
import { openFile } from './age-file.ts'
import { rawBytes, sampleLead } from './packing.ts'

let recipient: string
let identities: readonly Identity[]

before(async () => {
  const made = await generateIdentity({ classic: true })
  recipient = made.recipient
  identities = await loadIdentities(made.identityText, 'a test identity')
})

function frameOf(raw: Uint8Array<ArrayBuffer>, compress: Compression = 'zstd'): PackedFrame {
  return packFrame(raw, { compress, level: 3, check: true })
}

function request(changes: Partial<SealRequest> = {}, compress: Compression = 'zstd'): SealRequest {
  const frames = [rawBytes(70_000, 0.9), rawBytes(1)].map(raw => frameOf(raw, compress))
  const lead = encodeLead(sampleLead)
  const base = { kind: 'seal', recipients: [recipient], hashes: [], check: true } as const
  return { ...base, lead, frames, ...changes }
}

describe('sealObject()', () => {
  it('puts lead and frames end to end into one age file', async () => {
    const wanted = request()
    const plain = concatBytes([wanted.lead, ...wanted.frames.map(({ bytes }) => bytes)])
    const sealed = await sealObject(wanted)
    assert.deepEqual(await openFile(sealed.bytes, identities), plain)
    assert.equal(sealed.fileKey?.length, 16)
    assert.deepEqual(Buffer.from(sealed.sha256), createHash('sha256').update(sealed.bytes).digest())
    assert.deepEqual(zstdDecompressSync(plain), Buffer.concat([rawBytes(70_000, 0.9), rawBytes(1)]))
  })

  it('leaves them in the clear without recipients', async () => {
    const wanted = request({ recipients: null }, 'none')
    const plain = concatBytes([wanted.lead, ...wanted.frames.map(({ bytes }) => bytes)])
    const sealed = await sealObject(wanted)
    assert.deepEqual(sealed.bytes, plain)
    assert.deepEqual([sealed.headerBytes, sealed.fileKey], [0, null])
  })

  it('takes only the hashes that are wanted', async () => {
    const none = await sealObject(request())
    assert.deepEqual(
      Object.keys(none).filter(name => name === 'crc32' || name === 'md5'),
      [],
    )
    const both = await sealObject(request({ hashes: ['crc32', 'md5'] }))
    assert.equal(both.crc32, crc32(both.bytes))
    assert.deepEqual(Buffer.from(both.md5 ?? []), createHash('md5').update(both.bytes).digest())
  })

  it('never uses a file key or a nonce twice', async () => {
    const sealed = await Promise.all(Array.from({ length: 8 }, () => sealObject(request())))
    const keys = sealed.map(({ fileKey }) => Buffer.from(fileKey ?? []).toString('hex'))
    const nonces = sealed.map(({ bytes, headerBytes }) =>
      Buffer.from(bytes.subarray(headerBytes, headerBytes + 16)).toString('hex'),
    )
    assert.equal(new Set(keys).size, 8)
    assert.equal(new Set(nonces).size, 8)
  })

  const faults: Readonly<Record<string, (frame: PackedFrame) => PackedFrame>> = {
    'a bit of a frame was flipped': frame => flipped(frame, frame.bytes.length - 6),
    "a bit of a frame's checksum was flipped": frame => flipped(frame, frame.bytes.length - 1),
    'a frame lost its end': frame => ({ ...frame, bytes: frame.bytes.slice(0, -1) }),
    'a frame grew': frame => ({ ...frame, bytes: concatBytes([frame.bytes, Buffer.alloc(1)]) }),
    'a frame is another one': frame => ({
      ...frame,
      bytes: frameOf(rawBytes(70_000, 0.5, 9)).bytes,
    }),
    'a frame has another CRC': frame => ({ ...frame, crc32: (frame.crc32 ?? 0) ^ 0x8000 }),
  }
  for (const [what, change] of Object.entries(faults)) {
    it(`gives nothing out when ${what} and it checks`, async () => {
      for (const recipients of [null, [recipient]]) {
        const [first, last] = request().frames
        assert.ok(first && last)
        const frames = () => [
          change({ ...first, bytes: first.bytes.slice() }),
          { ...last, bytes: last.bytes.slice() },
        ]
        const failing = sealObject(request({ recipients, frames: frames() }))
        await assert.rejects(failing, error => isFailure(error, 'corrupt'))
        // Not checking is the user's choice, and what the check costs.
        await sealObject(request({ recipients, frames: frames(), check: false }))
      }
    })
  }

  it('says in its refusal that it may be the memory, and that nothing was uploaded', async () => {
    const frames = request().frames.map(frame => ({ ...frame, crc32: 0 }))
    await assert.rejects(sealObject(request({ frames })), error => {
      assert.ok(error instanceof Failure)
      assert.match(error.hint ?? '', /faulty memory.*nothing was uploaded/)
      return true
    })
  })
})

function flipped(frame: PackedFrame, at: number): PackedFrame {
  const bytes = frame.bytes.slice()
  bytes[at] = (bytes[at] ?? 0) ^ 16
  return { ...frame, bytes }
}
