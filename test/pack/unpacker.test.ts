import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { decodeLead, type Lead } from '../../src/format/lead-frame.ts'
import type { BackupParameters } from '../../src/model/backup.ts'
import type { Sha256 } from '../../src/model/ids.ts'
import { generateIdentity, type Identity, loadIdentities } from '../../src/pack/identities.ts'
import { type PackedObject, Packer } from '../../src/pack/packer.ts'
import { Pieces } from '../../src/pack/pieces.ts'
import {
  checkHash,
  openSegment,
  openWithIdentity,
  type SegmentInside,
} from '../../src/pack/unpacker.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import { FakePool } from './fake-pool.ts'
import { framesOf, KeepingMaker, MiB, packOptions, rawBytes } from './packing.ts'

const label = 'segments/of-a-test'
const isCorrupt = (error: unknown) => isFailure(error, 'corrupt')
const shapes = (['zstd', 'none'] as const).flatMap(compress =>
  (['age', 'none'] as const).map(encrypt => ({ compress, encrypt })),
)

let recipient: string
let identities: readonly Identity[]
let pool: WorkerPool

before(async () => {
  const made = await generateIdentity({ classic: true })
  recipient = made.recipient
  identities = await loadIdentities(made.identityText, 'a test identity')
  pool = new WorkerPool(2)
})
after(async () => await pool.close())

type Shape = Pick<BackupParameters, 'compress' | 'encrypt'>

function parametersOf(shape: Shape): BackupParameters {
  return { segmentSize: 16 * MiB, frameSize: MiB, ...shape }
}

async function sealed(raw: Uint8Array<ArrayBuffer>, { compress, encrypt }: Shape) {
  const maker = new KeepingMaker()
  const recipients = encrypt === 'age' ? [recipient] : null
  const packer = new Packer(packOptions({ segmentSize: 16 * MiB, compress, recipients }), maker)
  for (const frame of framesOf(raw, 16 * MiB)) await packer.add(frame)
  await packer.finish()
  const [object] = maker.kept
  assert.ok(object && maker.kept.length === 1)
  return object
}

function insideOf(packed: PackedObject): SegmentInside {
  const { headerBytes, leadBytes, rawBytes, frames } = packed
  return { headerBytes, leadBytes, rawBytes, frames, fileKey: packed.fileKey?.slice() ?? null }
}

async function opened(
  bytes: Uint8Array<ArrayBuffer>,
  inside: SegmentInside,
  { use = pool, ...shape }: Shape & { readonly use?: WorkerPool },
) {
  const parts: Uint8Array[] = []
  const leads: Lead[] = []
  const options = { pool: use, parameters: parametersOf(shape), label }
  for await (const { raw, lead } of openSegment(cutAnywhere(bytes), inside, options)) {
    parts.push(raw)
    if (lead) leads.push(lead)
  }
  return { raw: concatBytes(parts), leads }
}

const fakePool = new FakePool().asPool

function cut(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer>[] {
  const count = Math.ceil(bytes.length / size)
  return Array.from({ length: count }, (_, n) => bytes.slice(n * size, (n + 1) * size))
}

/** In pieces that end nowhere in particular. */
function cutAnywhere(bytes: Uint8Array): Pieces {
  return new Pieces(cut(bytes, Math.max(1, Math.ceil(bytes.length / 7) + 3)))
}

describe('openSegment()', { timeout: 40_000 }, () => {
  for (const shape of shapes) {
    const name = `compress ${shape.compress}, encrypt ${shape.encrypt}`
    it(`gives back what was packed, of any length (${name})`, async () => {
      const lengths = [1, 62, 65_536 - 250, 65_536, MiB - 1, MiB, MiB + 1, 11 * MiB + 5, 16 * MiB]
      for (const length of lengths) {
        const raw = rawBytes(length, 0.2)
        const packed = await sealed(raw, shape)
        const read = await opened(packed.object.bytes.slice(), insideOf(packed), shape)
        assert.ok(Buffer.from(read.raw).equals(raw), `${length} bytes`)
        assert.equal(read.leads.length, 1)
      }
    })

    it(`L6: hands on nothing but what was packed, whatever byte is flipped (${name})`, async () => {
      const raw = rawBytes(3000, 0.3)
      const packed = await sealed(raw, shape)
      const inside = insideOf(packed)
      // Its header is not read here: the hash of the whole object covers that.
      for (let at = inside.headerBytes; at < packed.object.bytes.length; at += 1) {
        const bytes = packed.object.bytes.slice()
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at & 7))
        const read = await opened(bytes, inside, { ...shape, use: fakePool }).catch(
          (error: unknown) => error,
        )
        if (isCorrupt(read)) continue
        // Without tag or checksum only the hash of the object knows.
        const isUnguarded =
          shape.encrypt === 'none' && (shape.compress === 'none' || at < inside.leadBytes + 8)
        const isEqual = (read as { raw?: Uint8Array }).raw?.every((byte, n) => byte === raw[n])
        assert.ok(isUnguarded || isEqual, `byte ${at}: ${String(read)}`)
        assert.notEqual(shape.encrypt, 'age')
      }
    })

    it(`refuses an object that is cut anywhere, or longer (${name})`, async () => {
      const packed = await sealed(rawBytes(3000, 0.3), shape)
      const { bytes } = packed.object
      for (let length = packed.headerBytes; length < bytes.length; length += 7) {
        await assert.rejects(
          opened(bytes.slice(0, length), insideOf(packed), { ...shape, use: fakePool }),
          isCorrupt,
        )
      }
      const longer = concatBytes([bytes, new Uint8Array(1)])
      await assert.rejects(opened(longer, insideOf(packed), { ...shape, use: fakePool }), isCorrupt)
    })
  }

  it('gives back what shrinks so far that many groups of frames lie in one chunk of age', async () => {
    const raw = new Uint8Array(16 * MiB)
    for (const shape of shapes) {
      const packed = await sealed(raw, shape)
      const read = await opened(packed.object.bytes.slice(), insideOf(packed), shape)
      assert.ok(Buffer.from(read.raw).equals(raw))
    }
  })

  it('refuses an index that names other frames than there are', async () => {
    const shape = { compress: 'zstd', encrypt: 'age' } as const
    const packed = await sealed(rawBytes(2 * MiB + 9, 0.3), shape)
    const inside = insideOf(packed)
    const [a = 0, b = 0, c = 0] = inside.frames
    const wrong: Partial<SegmentInside>[] = [
      { frames: [a, b] },
      { frames: [a, b, c, 1] },
      { frames: [a + 1, b - 1, c] },
      { frames: [b, a, c] },
      { frames: [a, b, c + 1] },
      { frames: [a, b, c - 1] },
      { rawBytes: inside.rawBytes + 1 },
      { rawBytes: inside.rawBytes - 1 },
      { leadBytes: inside.leadBytes + 1 },
      { leadBytes: 0 },
      { headerBytes: inside.headerBytes - 1 },
      { fileKey: new Uint8Array(16) },
      { fileKey: null, headerBytes: 0 },
    ]
    for (const change of wrong) {
      const failing = opened(
        packed.object.bytes.slice(),
        { ...inside, ...change },
        { ...shape, use: fakePool },
      )
      await assert.rejects(failing, isCorrupt, JSON.stringify(change))
    }
  })

  it('settles what it began when its reader leaves early', async () => {
    const shape = { compress: 'zstd', encrypt: 'age' } as const
    const packed = await sealed(rawBytes(16 * MiB, 0.1), shape)
    const options = { pool, parameters: parametersOf(shape), label }
    const { bytes } = packed.object
    let released = 0
    const pieces = new Pieces([bytes], count => (released += count))
    const { length } = pieces
    for await (const _ of openSegment(pieces, insideOf(packed), options)) break
    assert.equal(bytes.length, 0, 'the bytes were not given back')
    assert.equal(released, length)
  })
})

describe('checkHash()', () => {
  it('L6: refuses every other length and every other byte than the manifest says', async () => {
    const bytes = rawBytes(300, 1)
    const sha256 = createHash('sha256').update(bytes).digest('hex') as Sha256
    const expected = { sha256, bytes: 300 }
    assert.deepEqual(concatBytes(await checkHash(cut(bytes, 7), expected, { pool, label })), bytes)
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = bytes.slice()
      altered[at] = (altered[at] ?? 0) ^ 128
      await assert.rejects(checkHash([altered], expected, { pool: fakePool, label }), isCorrupt)
    }
    for (const length of [0, 299]) {
      await assert.rejects(
        checkHash([bytes.slice(0, length)], expected, { pool: fakePool, label }),
        /has \d+ bytes/,
      )
    }
  })
})

describe('openWithIdentity()', { timeout: 40_000 }, () => {
  for (const shape of shapes) {
    const parameters = parametersOf(shape)
    const name = `compress ${shape.compress}, encrypt ${shape.encrypt}`
    it(`needs no index to give back what was packed (${name})`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 3 * MiB }),
          fc.constantFrom(0, 0.2, 1),
          async (length, share) => {
            const raw = rawBytes(length, share)
            const { object, leadBytes } = await sealed(raw, shape)
            const read = await openWithIdentity(object.bytes, stored(object.bytes), {
              identities,
              parameters,
              label,
            })
            assert.ok(Buffer.concat([...read.raw]).equals(raw))
            assert.equal(read.lead.n, 0)
            if (shape.encrypt === 'none')
              assert.equal(decodeLead(object.bytes, label).bytes, leadBytes)
          },
        ),
        { numRuns: 8 },
      )
    })
  }

  it('L6: opens nothing of an object of which any one byte was changed and hashed anew', async () => {
    const shape = { compress: 'zstd', encrypt: 'age' } as const
    const { object } = await sealed(rawBytes(500, 0.3), shape)
    const options = { identities, parameters: parametersOf(shape), label }
    await openWithIdentity(object.bytes, stored(object.bytes), options)
    for (let at = 0; at < object.bytes.length; at += 1) {
      const altered = object.bytes.slice()
      altered[at] = (altered[at] ?? 0) ^ (1 << (at & 7))
      await assert.rejects(openWithIdentity(altered, stored(object.bytes), options), isCorrupt)
      const opening = openWithIdentity(altered, stored(altered), options)
      await assert.rejects(opening, error => isCorrupt(error) || isFailure(error, 'identity-wrong'))
    }
    for (let length = 0; length < object.bytes.length; length += 1) {
      const cut = object.bytes.slice(0, length)
      await assert.rejects(openWithIdentity(cut, stored(cut), options), isCorrupt)
    }
  })

  it('says whose identity it is not, and names the object', async () => {
    const shape = { compress: 'zstd', encrypt: 'age' } as const
    const { object } = await sealed(rawBytes(500), shape)
    const other = await loadIdentities(
      (await generateIdentity({ classic: true })).identityText,
      'x',
    )
    const options = { identities: other, parameters: parametersOf(shape), label }
    await assert.rejects(openWithIdentity(object.bytes, stored(object.bytes), options), error => {
      return isFailure(error, 'identity-wrong') && error.message.includes(label)
    })
  })

  it('refuses a frame that says it is larger than frames are', async () => {
    const shape = { compress: 'zstd', encrypt: 'none' } as const
    const { object } = await sealed(rawBytes(MiB, 0.001), shape)
    const parameters = { ...parametersOf(shape), frameSize: MiB / 2 }
    const read = await openWithIdentity(object.bytes, stored(object.bytes), {
      identities: [],
      parameters,
      label,
    })
    assert.throws(() => [...read.raw], isCorrupt)
  })
})

function stored(bytes: Uint8Array): { readonly sha256: Sha256 } {
  return { sha256: createHash('sha256').update(bytes).digest('hex') as Sha256 }
}
