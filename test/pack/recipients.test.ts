import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'

import { type Failure, isFailure } from '../../src/base/failure.ts'
import { formatSshPublicKeyLine } from '../../src/format/ssh-key.ts'
import { generateIdentity } from '../../src/pack/identities.ts'
import {
  checkRecipients,
  isPostQuantum,
  maxRecipientCount,
  parseRecipient,
  recipientSetHash,
} from '../../src/pack/recipients.ts'

const classic = (await generateIdentity({ classic: true })).recipient
const hybrid = (await generateIdentity()).recipient
const ed25519 = sshEd25519Line()
const rsa = rsaPem(2048)

describe('parseRecipient()', () => {
  it('knows every kind, and its canonical text parses to itself', () => {
    const samples: [string, string][] = [
      [classic, 'x25519'],
      [hybrid, 'hybrid'],
      [ed25519, 'ssh-ed25519'],
      [`  ${ed25519} me@my-host\n`, 'ssh-ed25519'],
      [rsa, 'ssh-rsa'],
    ]
    for (const [text, kind] of samples) {
      const recipient = parseRecipient(text)
      assert.equal(recipient.kind, kind)
      assert.deepEqual(parseRecipient(recipient.text), recipient)
      assert.ok(!recipient.text.includes('my-host') && !recipient.label.includes('my-host'))
      assert.ok(recipient.label.length < 40)
    }
  })

  it('gives an RSA key in its three forms one text', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const forms = (['spki', 'pkcs1'] as const).map(type =>
      publicKey.export({ type, format: 'pem' }),
    )
    const [spki, pkcs1] = forms.map(form => parseRecipient(form))
    assert.deepEqual(spki, pkcs1)
    assert.deepEqual(parseRecipient(`${spki?.text} a comment`), spki)
  })

  it('L10: refuses a secret, and says so without a word of it', async () => {
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const secrets = [
      (await generateIdentity()).identityText,
      (await generateIdentity({ classic: true })).identityText.split('\n')[2] ?? '',
      (await generateIdentity({ classic: true })).identityText.toLowerCase(),
      'AGE-PLUGIN-YUBIKEY-1QQPQQPQQPQ',
      pem.export({ type: 'pkcs8', format: 'pem' }),
      pem.export({ type: 'pkcs1', format: 'pem' }),
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n-----END OPENSSH PRIVATE KEY-----',
    ]
    for (const secret of secrets) {
      const failure = refusal(secret)
      assert.match(failure.message, /identity|private key/)
      assertNothingOf(secret, failure)
    }
  })

  it('L10: never repeats a text that it does not know', () => {
    for (const text of ['hunter2-hunter2', 'age1', 'age1QQQQ', 'tok_9a8b7c6d5e4f3a2b1c0d', '']) {
      const failure = refusal(text)
      if (text.length > 6) assert.ok(!failure.message.includes(text.slice(0, 8)))
      assert.ok(failure.hint)
    }
  })

  it('refuses a key of which a letter is wrong or missing', () => {
    for (const good of [classic, hybrid]) {
      for (const at of [12, good.length >> 1, good.length - 1]) {
        const other = good[at] === 'q' ? 'p' : 'q'
        refusal(good.slice(0, at) + other + good.slice(at + 1))
        refusal(good.slice(0, at) + good.slice(at + 1))
      }
      refusal(good.toUpperCase())
      refusal(`${good} ${good}`)
    }
    refusal(ed25519.slice(0, -4))
    refusal(`${ed25519}\n${ed25519}`)
    refusal(rsa.replace(/\n.{4}/, '\n'))
  })

  it('refuses the types that age cannot encrypt to, each by its name or type', () => {
    assert.match(refusal('age1yubikey1qwerty').message, /plugin/)
    assert.match(refusal('ssh-dss AAAAB3NzaC1kc3MAAACB').message, /type of ssh key/)
    assert.match(refusal('ecdsa-sha2-nistp256 AAAAE2VjZHNh').message, /unknown/)
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    assert.match(refusal(ec.export({ type: 'spki', format: 'pem' })).message, /not RSA/)
    assert.match(refusal('-----BEGIN CERTIFICATE-----\nMIIB\n').message, /not a public key/)
  })

  it('refuses RSA keys that are too short, too long, or would not hide anything', () => {
    assert.match(refusal(rsaPem(1024)).message, /1024 bits/)
    assert.match(refusal(rsaLine(new Uint8Array(2048).fill(255), [1, 0, 1])).message, /16384 bits/)
    const modulus = new Uint8Array(256).fill(255)
    for (const exponent of [[], [1], [2], [1, 0, 0], [1, 0, 0, 0, 1]])
      refusal(rsaLine(modulus, exponent))
    refusal(
      rsaLine(
        Uint8Array.from(modulus, (byte, at) => (at === 255 ? 254 : byte)),
        [1, 0, 1],
      ),
    )
    parseRecipient(rsaLine(modulus, [1, 0, 1]))
  })

  it('refuses ssh-ed25519 points that are not on the curve or of small order', () => {
    const zero = new Uint8Array(32)
    const one = Uint8Array.from(zero, (_, at) => (at === 0 ? 1 : 0))
    // y = 2 is not on the curve; 2^255 - 19 and above are not canonical.
    const two = Uint8Array.from(zero, (_, at) => (at === 0 ? 2 : 0))
    const prime = Uint8Array.from(zero, (_, at) => (at === 0 ? 0xed : at === 31 ? 0x7f : 0xff))
    const minusOne = Uint8Array.from(prime, (byte, at) => (at === 0 ? 0xec : byte))
    const order8 = Buffer.from(
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'hex',
    )
    for (const publicKey of [zero, one, two, prime, minusOne, order8]) {
      refusal(formatSshPublicKeyLine({ kind: 'ed25519', publicKey }))
    }
    // y = 3 is a good point, and p + 3 another spelling of it.
    const three = Uint8Array.from(zero, (_, at) => (at === 0 ? 3 : 0))
    parseRecipient(formatSshPublicKeyLine({ kind: 'ed25519', publicKey: three }))
    const again = Uint8Array.from(prime, (byte, at) => (at === 0 ? 0xf0 : byte))
    refusal(formatSshPublicKeyLine({ kind: 'ed25519', publicKey: again }))
  })
})

describe('checkRecipients()', () => {
  const check = (...texts: string[]) => checkRecipients(texts.map(text => parseRecipient(text)))
  const refused = (...texts: string[]): Failure => {
    let failure: unknown
    try {
      check(...texts)
    } catch (error) {
      failure = error
    }
    assert.ok(isFailure(failure, 'config-invalid'))
    return failure
  }

  it('takes one, and several of one strength', () => {
    check(classic)
    check(hybrid)
    check(classic, ed25519, rsa)
  })

  it('refuses none, too many, one twice and one twice in two forms', async () => {
    refused()
    refused(classic, ed25519, classic)
    const spki = parseRecipient(rsa).text
    assert.match(refused(rsa, `${spki} laptop`).message, /twice/)
    const many = await Promise.all(
      Array.from({ length: maxRecipientCount + 1 }, () => generateIdentity({ classic: true })),
    )
    refused(...many.map(one => one.recipient))
  })

  it('refuses post-quantum beside classical, and names both', () => {
    for (const weak of [classic, ed25519, rsa]) {
      const { message, hint } = refused(weak, hybrid)
      assert.ok(message.includes(parseRecipient(weak).label) && message.includes('age1pq1…'))
      assert.ok(hint)
    }
    assert.equal(isPostQuantum(parseRecipient(hybrid)), true)
    assert.equal(isPostQuantum(parseRecipient(rsa)), false)
  })
})

describe('recipientSetHash()', () => {
  it('is the same for every order and differs for every set', () => {
    const [a, b, c] = [classic, ed25519, rsa].map(text => parseRecipient(text))
    assert.ok(a && b && c)
    assert.equal(recipientSetHash([a, b, c]), recipientSetHash([c, a, b]))
    const sets = [[], [a], [b], [a, b], [a, b, c]].map(set => recipientSetHash(set))
    assert.equal(new Set(sets).size, sets.length)
  })
})

function refusal(text: string): Failure {
  let failure: unknown
  try {
    parseRecipient(text)
  } catch (error) {
    failure = error
  }
  assert.ok(isFailure(failure, 'config-invalid'), `accepted or wrong: ${String(failure)}`)
  return failure
}

/** No run of 8 characters of the secret may stand in what a person or a log could see. */
function assertNothingOf(secret: string, failure: Failure): void {
  const shown = `${failure.message} ${failure.hint} ${String(failure.cause)} ${failure.stack}`
  for (const token of secret.split(/\s+/)) {
    for (let at = 0; /[0-9]/.test(token) && at + 8 <= token.length; at += 1) {
      assert.ok(!shown.includes(token.slice(at, at + 8)))
    }
  }
}

function sshEd25519Line(): string {
  const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  return formatSshPublicKeyLine({ kind: 'ed25519', publicKey: Buffer.from(x, 'base64url') })
}

function rsaPem(modulusLength: number): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength })
  return publicKey.export({ type: 'spki', format: 'pem' })
}

function rsaLine(modulus: Uint8Array, exponent: readonly number[]): string {
  return formatSshPublicKeyLine({ kind: 'rsa', modulus, exponent: Uint8Array.from(exponent) })
}
