// The test vectors that every implementation of age is measured by (C2SP/CCTV).

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { inflateSync } from 'node:zlib'

import { armor } from 'age-encryption'

import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { ageHeaderLength, openAgeHeader } from '../../src/pack/age-header.ts'
import { openPayloadRange, type PayloadRun } from '../../src/pack/age-payload.ts'
import { loadIdentities } from '../../src/pack/identities.ts'
import { openFile } from './age-file.ts'

interface Vector {
  readonly expect: string
  readonly payload: string | undefined
  readonly identities: string
  readonly needsPassphrase: boolean
  readonly file: Uint8Array
  readonly isArmored: boolean
}

const published: { vectors: Record<string, string> } = JSON.parse(
  readFileSync(new URL('vectors/cctv-age.json', import.meta.url), 'utf8'),
)

describe('published age vectors', () => {
  it('are all there', () => {
    assert.equal(Object.keys(published.vectors).length, 143)
  })

  for (const [name, base64] of Object.entries(published.vectors)) {
    const vector = parseVector(Buffer.from(base64, 'base64'))
    // Objects are never encrypted to a passphrase, so there such files are refused.
    const expected = vector.needsPassphrase ? 'refused' : vector.expect
    it(`${name}: ${expected}`, () => holds(vector, expected))
  }
})

async function holds(vector: Vector, expected: string): Promise<void> {
  const chunks: Uint8Array[] = []
  const outcome = await openVector(vector, chunk => chunks.push(chunk.slice()))
  const released = concatBytes(chunks)
  switch (expected) {
    case 'success':
      assert.equal(outcome, 'success')
      assert.equal(sha256(released), vector.payload)
      return
    case 'payload failure': {
      assert.equal(outcome, 'corrupt')
      // The vectors speak of a reader that does not know the length. We do, so we may release less.
      const sound = await releasedByStreaming(vector)
      if (vector.payload !== undefined) assert.equal(sha256(sound), vector.payload)
      assert.ok(equalBytes(released, sound.subarray(0, released.length)))
      return
    }
    case 'no match':
      assert.equal(outcome, 'identity-wrong')
      return
    case 'refused':
      assert.ok(outcome === 'identity-wrong' || outcome === 'corrupt')
      return
    default:
      assert.ok(['header failure', 'HMAC failure', 'armor failure'].includes(expected), expected)
      assert.equal(outcome, 'corrupt')
  }
}

/** All that a reader could release who tries each chunk first as one of many, then as the last. */
async function releasedByStreaming(vector: Vector): Promise<Uint8Array> {
  const file = dearmored(vector) ?? assert.fail('its armor is damaged')
  const headerBytes = ageHeaderLength(file)
  const identities = await loadIdentities(vector.identities, 'the vector')
  const fileKey = await openAgeHeader(file.subarray(0, headerBytes), identities)
  const nonce = file.subarray(headerBytes, headerBytes + 16)
  const chunks = file.subarray(headerBytes + 16)
  const released: Uint8Array[] = []
  for (let index = 0; index * 65_552 < chunks.length; index += 1) {
    const sealedChunks = chunks.subarray(index * 65_552, (index + 1) * 65_552)
    const range = { fileKey, nonce, sealedChunks, firstChunkIndex: index }
    const plain = tryRange({ ...range, endsPayload: false })
    const last = plain ?? tryRange({ ...range, endsPayload: true })
    if (last !== undefined) released.push(last)
    if (plain === undefined) break
  }
  return concatBytes(released)
}

function tryRange(range: PayloadRun): Uint8Array | undefined {
  try {
    return openPayloadRange(range)
  } catch (error) {
    assert.ok(isFailure(error, 'corrupt'))
    return undefined
  }
}

function dearmored({ file, isArmored }: Vector): Uint8Array | undefined {
  if (!isArmored) return file
  try {
    return armor.decode(Buffer.from(file).toString('latin1'))
  } catch {
    return undefined
  }
}

async function openVector(vector: Vector, onPlain: (chunk: Uint8Array) => void): Promise<string> {
  const file = dearmored(vector)
  if (file === undefined) return 'corrupt'
  const identities =
    vector.identities === '' ? [] : await loadIdentities(vector.identities, 'the vector')
  try {
    await openFile(file, identities, onPlain)
    return 'success'
  } catch (error) {
    assert.ok(isFailure(error), String(error))
    return error.code
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parseVector(bytes: Buffer): Vector {
  const end = bytes.indexOf('\n\n')
  const fields = bytes
    .subarray(0, end)
    .toString()
    .split('\n')
    .map(line => line.split(/: (.*)/s))
  const all = (key: string) =>
    fields.filter(([name]) => name === key).map(([, value]) => value ?? '')
  const body = bytes.subarray(end + 2)
  const [expect] = all('expect')
  if (expect === undefined) throw new Failure('corrupt', 'a vector says nothing to expect')
  return {
    expect,
    payload: all('payload')[0],
    identities: all('identity').join('\n'),
    needsPassphrase: all('passphrase').length > 0,
    file: all('compressed')[0] === 'zlib' ? inflateSync(body) : body,
    isArmored: all('armored')[0] === 'yes',
  }
}
