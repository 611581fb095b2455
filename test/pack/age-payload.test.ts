import assert from 'node:assert/strict'
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import {
  chunkRunOf,
  openPayload,
  openPayloadRange,
  PayloadSealer,
  payloadChunkBytes,
  plainPayloadBytes,
  sealedPayloadBytes,
} from '../../src/pack/age-payload.ts'
import { sealPayload } from './age-file.ts'

const sizes = [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 1_000_000]
const fileKey = randomBytes(16)
const sealedChunkBytes = payloadChunkBytes + 16

function open(payload: Uint8Array): { plain: Uint8Array; failed: unknown } {
  const chunks: Uint8Array[] = []
  try {
    openPayload(fileKey, payload, chunk => chunks.push(chunk.slice()))
    return { plain: concatBytes(chunks), failed: undefined }
  } catch (failed) {
    return { plain: concatBytes(chunks), failed }
  }
}

/** What a malicious writer who knows the file key could make: any chunks with any flags. */
function forge(
  chunks: readonly { plain: Uint8Array; last: boolean; index?: number }[],
): Uint8Array {
  const nonce = randomBytes(16)
  const key = new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
  const parts: Uint8Array[] = [nonce]
  for (const [position, { plain, last, index = position }] of chunks.entries()) {
    const chunkNonce = Buffer.alloc(12)
    chunkNonce.writeUInt32BE(index, 7)
    chunkNonce[11] = last ? 1 : 0
    const cipher = createCipheriv('chacha20-poly1305', key, chunkNonce, { authTagLength: 16 })
    parts.push(cipher.update(plain), cipher.final(), cipher.getAuthTag())
  }
  return concatBytes(parts)
}

describe('age payload', () => {
  it('comes back for every size around a chunk, in pieces of every size', () => {
    for (const size of sizes) {
      const plain = randomBytes(size)
      for (const piece of [1009, 65_535, 65_536, 65_537, 200_000, Math.max(1, size)]) {
        const sealed = sealPayload(fileKey, plain, piece)
        const { plain: got, failed } = open(sealed)
        assert.equal(failed, undefined)
        assert.ok(equalBytes(got, plain), `${size} bytes in pieces of ${piece}`)
      }
    }
  })

  it('foretells both lengths', () => {
    for (const size of sizes) assert.equal(plainPayloadBytes(sealedPayloadBytes(size)), size)
    assert.equal(sealedPayloadBytes(0), 32)
    assert.equal(sealedPayloadBytes(65_536), 16 + 65_552)
    assert.equal(sealedPayloadBytes(65_537), 16 + 65_552 + 17)
  })

  it('plainPayloadBytes() refuses lengths that no plaintext has', () => {
    for (const length of [0, 16, 31, 16 + 65_552 + 1, 16 + 65_552 + 15, 16 + 65_552 + 16]) {
      assert.throws(() => plainPayloadBytes(length), isCorrupt, String(length))
    }
  })

  it('is written after what is before it, and nowhere else', () => {
    const out = new Uint8Array(7 + sealedPayloadBytes(10) + 5).fill(0xee)
    const sealer = new PayloadSealer(fileKey, randomBytes(16), out, 7)
    sealer.write(new Uint8Array(10))
    assert.equal(sealer.finish(), out.length - 5)
    assert.ok(out.subarray(0, 7).every(byte => byte === 0xee))
    assert.ok(out.subarray(-5).every(byte => byte === 0xee))
  })

  it('PayloadSealer refuses to write or finish twice, and to run over its room', () => {
    const sealer = new PayloadSealer(fileKey, randomBytes(16), new Uint8Array(64), 0)
    sealer.finish()
    assert.throws(() => sealer.write(new Uint8Array(1)), /after finish/)
    assert.throws(() => sealer.finish(), /called before/)
    const small = new PayloadSealer(fileKey, randomBytes(16), new Uint8Array(40), 0)
    small.write(new Uint8Array(20))
    assert.throws(() => small.finish(), RangeError)
  })

  it('L6: no flipped bit passes, and nothing of its chunk is released', () => {
    const plain = randomBytes(40)
    const sealed = sealPayload(fileKey, plain)
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = Uint8Array.from(sealed)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const { plain: released, failed } = open(altered)
      assert.ok(isCorrupt(failed), `bit ${bit}`)
      assert.equal(released.length, 0, `bit ${bit}`)
    }
  })

  it('L6: a flipped bit in a later chunk releases exactly the chunks before it', () => {
    const plain = randomBytes(3 * payloadChunkBytes + 5)
    const sealed = sealPayload(fileKey, plain)
    for (const chunk of [0, 1, 2, 3]) {
      const altered = Uint8Array.from(sealed)
      const at = 16 + chunk * sealedChunkBytes + 3
      altered[at] = (altered[at] ?? 0) ^ 0x10
      const { plain: released, failed } = open(altered)
      assert.ok(isCorrupt(failed))
      assert.ok(equalBytes(released, plain.subarray(0, chunk * payloadChunkBytes)))
    }
  })

  it('L6: a payload cut anywhere near a chunk boundary never opens', () => {
    const plain = randomBytes(3 * payloadChunkBytes)
    const sealed = sealPayload(fileKey, plain)
    for (let chunk = 0; chunk <= 3; chunk += 1) {
      for (const off of [-17, -16, -15, -1, 0, 1, 15, 16, 17]) {
        const length = 16 + chunk * sealedChunkBytes + off
        if (length < 0 || length >= sealed.length) continue
        const { plain: released, failed } = open(sealed.subarray(0, length))
        assert.ok(isCorrupt(failed), `cut to ${length}`)
        assert.ok(equalBytes(released, plain.subarray(0, released.length)))
      }
    }
  })

  it('holds the rules of the last chunk against a writer who knows the file key', () => {
    const full = new Uint8Array(payloadChunkBytes)
    const some = new Uint8Array(10)
    const none = new Uint8Array(0)
    const broken: [string, Uint8Array][] = [
      ['no last flag', forge([{ plain: some, last: false }])],
      ['no last flag on a full chunk', forge([{ plain: full, last: false }])],
      ['an empty chunk not marked last', forge([{ plain: none, last: false }])],
      [
        'last flag too early',
        forge([
          { plain: full, last: true },
          { plain: some, last: true },
        ]),
      ],
      [
        'an empty last chunk',
        forge([
          { plain: full, last: false },
          { plain: none, last: true },
        ]),
      ],
      [
        'a short chunk before the end',
        forge([
          { plain: some, last: false },
          { plain: some, last: true },
        ]),
      ],
      [
        'chunks swapped',
        forge([
          { plain: full, last: false, index: 1 },
          { plain: full, last: true, index: 0 },
        ]),
      ],
      [
        'a chunk missing',
        forge([
          { plain: full, last: false },
          { plain: some, last: true, index: 2 },
        ]),
      ],
      [
        'a chunk twice',
        forge([
          { plain: full, last: false },
          { plain: full, last: false, index: 0 },
          { plain: some, last: true },
        ]),
      ],
      ['bytes after the last chunk', concatBytes([forge([{ plain: some, last: true }]), some])],
      ['nonce only', randomBytes(16)],
      ['nothing', none],
    ]
    for (const [rule, payload] of broken) assert.ok(isCorrupt(open(payload).failed), rule)
    assert.equal(open(forge([{ plain: none, last: true }])).failed, undefined)
    assert.equal(
      open(
        forge([
          { plain: full, last: false },
          { plain: some, last: true },
        ]),
      ).failed,
      undefined,
    )
  })

  it('opens any range by its whole chunks', () => {
    for (const size of [1, 65_536, 65_537, 131_072, 300_000]) {
      const plain = randomBytes(size)
      const sealed = sealPayload(fileKey, plain)
      for (const [from, to] of [
        [0, 1],
        [0, size],
        [size - 1, size],
        [size >> 1, (size >> 1) + 1],
        [Math.min(65_535, size - 1), size],
      ] as const) {
        const run = chunkRunOf(from, to, size)
        const got = openPayloadRange({
          fileKey,
          nonce: sealed.subarray(0, 16),
          sealedChunks: sealed.subarray(run.start, run.end),
          firstChunkIndex: run.firstChunkIndex,
          endsPayload: run.endsPayload,
        })
        assert.ok(
          equalBytes(
            got.subarray(from - run.plainStart, to - run.plainStart),
            plain.subarray(from, to),
          ),
        )
      }
    }
    for (const [from, to] of [
      [0, 0],
      [5, 4],
      [-1, 3],
      [0, 11],
    ] as const) {
      assert.throws(() => chunkRunOf(from, to, 10), RangeError)
    }
  })

  it('L6: a range of other chunks, or with the end claimed wrongly, does not open', () => {
    const sealed = sealPayload(fileKey, randomBytes(3 * payloadChunkBytes))
    const nonce = sealed.subarray(0, 16)
    const chunk = (index: number) =>
      sealed.subarray(16 + index * sealedChunkBytes, 16 + (index + 1) * sealedChunkBytes)
    const range = (sealedChunks: Uint8Array, firstChunkIndex: number, endsPayload: boolean) =>
      openPayloadRange({ fileKey, nonce, sealedChunks, firstChunkIndex, endsPayload })
    assert.equal(range(chunk(1), 1, false).length, payloadChunkBytes)
    assert.equal(range(chunk(2), 2, true).length, payloadChunkBytes)
    assert.throws(() => range(chunk(1), 0, false), isCorrupt)
    assert.throws(() => range(chunk(1), 2, false), isCorrupt)
    assert.throws(() => range(chunk(1), 1, true), isCorrupt)
    assert.throws(() => range(chunk(2), 2, false), isCorrupt)
    assert.throws(() => range(chunk(1).subarray(0, -1), 1, false), isCorrupt)
    assert.throws(() => range(new Uint8Array(0), 0, true), isCorrupt)
    assert.throws(
      () =>
        openPayloadRange({
          fileKey: randomBytes(16),
          nonce,
          sealedChunks: chunk(1),
          firstChunkIndex: 1,
          endsPayload: false,
        }),
      isCorrupt,
    )
  })
})

function isCorrupt(error: unknown): boolean {
  return isFailure(error, 'corrupt')
}
