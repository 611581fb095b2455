import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { concatBytes, encodeUtf8, equalBytes } from '../../src/base/bytes.ts'
import { type Failure, isFailure } from '../../src/base/failure.ts'
import {
  ageHeaderLength,
  makeAgeHeader,
  maxAgeHeaderBytes,
  openAgeHeader,
} from '../../src/pack/age-header.ts'
import { generateIdentity, type Identity, loadIdentities } from '../../src/pack/identities.ts'

describe('age header', () => {
  let recipient: string
  let identities: readonly Identity[]
  let header: Uint8Array
  let fileKey: Uint8Array
  before(async () => {
    const made = await generateIdentity({ classic: true })
    recipient = made.recipient
    identities = await loadIdentities(made.identityText, 'a test identity')
    ;({ header, fileKey } = await makeAgeHeader([recipient]))
  })

  it('makes a new file key each time and opens to it', async () => {
    assert.equal(fileKey.length, 16)
    assert.ok(equalBytes(await openAgeHeader(header, identities), fileKey))
    const again = await makeAgeHeader([recipient])
    assert.ok(!equalBytes(again.fileKey, fileKey))
    assert.ok(!equalBytes(again.header, header))
  })

  it('opens for each of many recipients of one kind', async () => {
    const pairs = await Promise.all(Array.from({ length: 5 }, () => generateIdentity()))
    const many = await makeAgeHeader(pairs.map(pair => pair.recipient))
    for (const { identityText } of pairs) {
      const own = await loadIdentities(identityText, 'a test identity')
      assert.ok(equalBytes(await openAgeHeader(many.header, own), many.fileKey))
    }
    await assert.rejects(openAgeHeader(many.header, identities), isWrongIdentity)
  })

  it('refuses to be made for no one, for one twice, and for post-quantum beside classical', async () => {
    const { recipient: strong } = await generateIdentity()
    for (const list of [[], [recipient, recipient], [strong, recipient]]) {
      await assert.rejects(makeAgeHeader(list), error => isFailure(error, 'config-invalid'))
    }
  })

  it('names the file and the public key when no identity fits', async () => {
    const other = await generateIdentity({ classic: true })
    const wrong = await loadIdentities(other.identityText, 'another')
    await assert.rejects(openAgeHeader(header, wrong, 'segments/x.age'), error => {
      assert.ok(isWrongIdentity(error))
      assert.ok(error.message.includes('segments/x.age') && error.message.includes('age1…'))
      assert.ok(error.hint)
      return true
    })
    await assert.rejects(openAgeHeader(header, []), isWrongIdentity)
  })

  it('finds its end whatever follows', () => {
    for (const rest of ['', 'x', '\n--- \n', '-> X25519 a\n']) {
      const file = concatBytes([header, encodeUtf8(rest)])
      assert.equal(ageHeaderLength(file), header.length)
    }
  })

  it('L6: no altered bit of a header opens', async () => {
    for (let bit = 0; bit < header.length * 8; bit += 1) {
      const altered = Uint8Array.from(header)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await assert.rejects(openAgeHeader(altered, identities), isRefused, `bit ${bit}`)
    }
  })

  it('L6: no cut header opens', async () => {
    for (let length = 0; length < header.length; length += 1) {
      await assert.rejects(openAgeHeader(header.subarray(0, length), identities), isCorrupt)
    }
    await assert.rejects(
      openAgeHeader(concatBytes([header, new Uint8Array(1)]), identities),
      isCorrupt,
    )
  })

  it('refuses every malformed header, each for its rule', () => {
    const mac = `--- ${'A'.repeat(43)}\n`
    const body = `${'A'.repeat(43)}\n`
    const version = 'age-encryption.org/v1\n'
    const good = `${version}-> x y\n${body}${mac}`
    assert.equal(ageHeaderLength(encodeUtf8(good)), good.length)
    const broken: Record<string, string> = {
      empty: '',
      'another format': 'SSHSIG\n',
      'another version': good.replace('/v1', '/v2'),
      'version with more after it': good.replace('/v1', '/v1 '),
      'CRLF everywhere': good.replaceAll('\n', '\r\n'),
      'CR in one line': good.replace('x y', 'x y\r'),
      'no recipient': version + mac,
      'no MAC': `${version}-> x y\n${body}`,
      'empty MAC': good.replace(mac, '--- \n'),
      'short MAC': good.replace(mac, `--- ${'A'.repeat(42)}\n`),
      'long MAC': good.replace(mac, `--- ${'A'.repeat(44)}\n`),
      'MAC that is not canonical': good.replace(mac, `--- ${'A'.repeat(42)}B\n`),
      'MAC without line feed': good.slice(0, -1),
      'MAC without blank': good.replace('--- ', '---'),
      'MAC with two blanks': good.replace('--- ', '---  '),
      'MAC with a blank at its end': good.replace(mac, mac.replace('\n', ' \n')),
      'stanza without arguments': good.replace('-> x y', '->'),
      'stanza with an empty argument': good.replace('x y', 'x  y'),
      'stanza with a blank at its end': good.replace('x y', 'x y '),
      'stanza with a tab': good.replace('x y', 'x\ty'),
      'stanza beyond ASCII': good.replace('x y', 'x \u00e9'),
      'stanza that begins otherwise': good.replace('->', '=>'),
      'stanza without body': `${version}-> x y\n${mac}`,
      'body without its short line': `${version}-> x y\n${'A'.repeat(64)}\n${mac}`,
      'body line too long': `${version}-> x y\n${'A'.repeat(65)}\n${body}${mac}`,
      'two short body lines': `${version}-> x y\nAA\nAA\n${mac}`,
      'padded body': good.replace(body, 'AA==\n'),
      'body that is not canonical': good.replace(body, 'AB\n'),
      'body of an impossible length': good.replace(body, 'AAAAA\n'),
      'body of another alphabet': good.replace(body, 'A-_A\n'),
      'passphrase beside a recipient': `${version}-> scrypt a 1\n${body}-> x y\n${body}${mac}`,
      'passphrase after a recipient': `${version}-> x y\n${body}-> scrypt a 1\n${body}${mac}`,
      'empty line before the MAC': good.replace('---', '\n---'),
    }
    for (const [rule, text] of Object.entries(broken)) {
      assert.throws(() => ageHeaderLength(Buffer.from(text, 'latin1')), isCorrupt, rule)
    }
  })

  it('gives up on a huge header soon, and holds one of many stanzas', async () => {
    const stanza = `-> X25519 ${'A'.repeat(43)}\n${'A'.repeat(43)}\n`
    const headerOf = (stanzaCount: number): Uint8Array =>
      encodeUtf8(`age-encryption.org/v1\n${stanza.repeat(stanzaCount)}--- ${'A'.repeat(43)}\n`)
    assert.equal(ageHeaderLength(headerOf(600)), headerOf(600).length)
    const lines = headerOf(1000)
    const started = performance.now()
    assert.throws(() => ageHeaderLength(lines), isCorrupt)
    assert.throws(() => ageHeaderLength(new Uint8Array(64 << 20).fill(65)), isCorrupt)
    const endless = concatBytes([
      encodeUtf8('age-encryption.org/v1\n-> x\n'),
      new Uint8Array(1 << 20).fill(65),
    ])
    assert.throws(() => ageHeaderLength(endless), isCorrupt)
    assert.ok(performance.now() - started < 2000)
    const many = await Promise.all(
      Array.from({ length: 32 }, () => generateIdentity({ classic: true })),
    )
    const made = await makeAgeHeader(many.map(one => one.recipient))
    assert.ok(made.header.length < maxAgeHeaderBytes)
  })

  it('does not mind a stanza that is there twice, but for the MAC', async () => {
    const text = Buffer.from(header).toString('latin1')
    const stanza = text.slice(text.indexOf('->'), text.indexOf('---'))
    const doubled = Buffer.from(text.replace(stanza, stanza + stanza), 'latin1')
    assert.equal(ageHeaderLength(doubled), doubled.length)
    await assert.rejects(openAgeHeader(doubled, identities), isCorrupt)
  })
})

function isCorrupt(error: unknown): boolean {
  return isFailure(error, 'corrupt')
}

function isWrongIdentity(error: unknown): error is Failure {
  return isFailure(error, 'identity-wrong')
}

function isRefused(error: unknown): boolean {
  return isCorrupt(error) || isWrongIdentity(error)
}
