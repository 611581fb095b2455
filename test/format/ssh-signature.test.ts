import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { concatBytes, encodeUtf8 } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { encodeSshPublicKey, type SshPublicKey } from '../../src/format/ssh-key.ts'
import {
  formatSshSignature,
  parseSshSignature,
  type SshSignature,
  sshSignedBytes,
} from '../../src/format/ssh-signature.ts'
import { armorText, dearmor, sshString, sshUint32 } from '../../src/format/ssh-wire.ts'

const key: SshPublicKey = { kind: 'ed25519', publicKey: new Uint8Array(32).fill(7) }
const sample: SshSignature = {
  key,
  namespace: 'manifest@btrvault',
  hash: 'sha512',
  algorithm: 'ssh-ed25519',
  signature: new Uint8Array(64).fill(9),
}

describe('SSH signature', () => {
  it('comes back, for Ed25519 and RSA', () => {
    assert.deepEqual(parseSshSignature(formatSshSignature(sample)), sample)
    const rsa: SshSignature = {
      ...sample,
      key: {
        kind: 'rsa',
        exponent: Uint8Array.of(1, 0, 1),
        modulus: new Uint8Array(256).fill(255),
      },
      algorithm: 'rsa-sha2-256',
      hash: 'sha256',
    }
    assert.deepEqual(parseSshSignature(formatSshSignature(rsa)), rsa)
  })

  it('does not mind CRLF and blanks around it', () => {
    const text = ` \n${formatSshSignature(sample).replaceAll('\n', '\r\n')}\n`
    assert.deepEqual(parseSshSignature(text), sample)
  })

  it('signs namespace and hash, not the message itself', () => {
    const message = encodeUtf8('abc')
    const bytes = Buffer.from(sshSignedBytes(message, sample))
    assert.equal(bytes.subarray(0, 6).toString(), 'SSHSIG')
    assert.equal(bytes.length, 6 + 4 + 17 + 4 + 4 + 6 + 4 + 64)
    const other = sshSignedBytes(message, { ...sample, namespace: 'other' })
    assert.notDeepEqual(bytes, Buffer.from(other))
  })

  it('refuses each malformed part', () => {
    const blob = (changes: {
      magic?: string
      version?: number
      key?: Uint8Array
      namespace?: string
      reserved?: string
      hash?: string
      signature?: Uint8Array
      tail?: string
    }) =>
      armorText(
        'SSH SIGNATURE',
        concatBytes([
          encodeUtf8(changes.magic ?? 'SSHSIG'),
          sshUint32(changes.version ?? 1),
          sshString(changes.key ?? encodeSshPublicKey(key)),
          sshString(changes.namespace ?? 'x'),
          sshString(changes.reserved ?? ''),
          sshString(changes.hash ?? 'sha512'),
          sshString(changes.signature ?? inner('ssh-ed25519')),
          encodeUtf8(changes.tail ?? ''),
        ]),
      )
    const inner = (algorithm: string, tail = ''): Uint8Array =>
      concatBytes([sshString(algorithm), sshString(new Uint8Array(64)), encodeUtf8(tail)])
    parseSshSignature(blob({}))
    const broken: Record<string, string> = {
      'other magic': blob({ magic: 'SSHSIH' }),
      'other version': blob({ version: 2 }),
      'unknown key type': blob({ key: concatBytes([sshString('ssh-dss'), sshString('x')]) }),
      'key with more after it': blob({
        key: concatBytes([encodeSshPublicKey(key), new Uint8Array(1)]),
      }),
      'no namespace': blob({ namespace: '' }),
      'reserved in use': blob({ reserved: 'x' }),
      'unknown hash': blob({ hash: 'sha1' }),
      'unknown algorithm': blob({ signature: inner('ssh-rsa') }),
      'algorithm of another key': blob({ signature: inner('rsa-sha2-512') }),
      'more after the signature': blob({ signature: inner('ssh-ed25519', 'x') }),
      'more after the end': blob({ tail: 'x' }),
      'no armor': 'x',
      empty: '',
      'another armor': blob({}).replaceAll('SIGNATURE', 'MESSAGE'),
      'no end line': blob({}).replace(/-----END.*\n/, ''),
      'damaged base64': blob({}).replace('U1NI', 'U1N!'),
      'two of them': blob({}) + blob({}),
    }
    for (const [part, text] of Object.entries(broken)) {
      assert.throws(() => parseSshSignature(text), isUntrusted, part)
    }
    const bytes = dearmor('SSH SIGNATURE', formatSshSignature(sample)) ?? assert.fail()
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = armorText('SSH SIGNATURE', bytes.subarray(0, length))
      assert.throws(() => parseSshSignature(cut), isUntrusted)
    }
  })
})

function isUntrusted(error: unknown): boolean {
  return isFailure(error, 'untrusted')
}
