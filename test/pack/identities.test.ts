import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inspect, promisify } from 'node:util'

import { armor, Encrypter } from 'age-encryption'

import { equalBytes } from '../../src/base/bytes.ts'
import { type Failure, type FailureCode, isFailure } from '../../src/base/failure.ts'
import { formatSshPrivateKey } from '../../src/format/ssh-key.ts'
import { generateIdentity, loadIdentities, recipientOf } from '../../src/pack/identities.ts'
import { parseRecipient } from '../../src/pack/recipients.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { openFile, sealFile } from './age-file.ts'

const run = promisify(execFile)
const created = new Date('2026-11-21T10:00:00.123Z')

describe('generateIdentity()', () => {
  it('makes a post-quantum pair unless told otherwise, in the layout of age-keygen', async () => {
    const strong = await generateIdentity({ created })
    assert.match(strong.recipient, /^age1pq1/)
    assert.match(
      strong.identityText,
      /^# created: 2026-11-21T10:00:00Z\n# public key: age1pq1[a-z0-9]+\nAGE-SECRET-KEY-PQ-1[A-Z0-9]+\n$/,
    )
    const classic = await generateIdentity({ classic: true, created })
    assert.match(classic.recipient, /^age1[a-z0-9]{58}$/)
    assert.notEqual((await generateIdentity()).recipient, strong.recipient)
  })
})

describe('loadIdentities()', () => {
  it('reads every identity of a file, with comments, blank lines and CRLF', async () => {
    const pairs = [await generateIdentity(), await generateIdentity({ classic: true })]
    const text = `\n# mine\r\n${pairs.map(pair => pair.identityText).join('\n')}`.replaceAll(
      '\n',
      '\r\n',
    )
    const identities = await loadIdentities(text, 'keys.txt')
    assert.deepEqual(
      identities.map(identity => recipientOf(identity).text),
      pairs.map(pair => pair.recipient),
    )
    for (const { recipient } of pairs) {
      const sealed = await sealFile([recipient], new Uint8Array(3))
      assert.equal((await openFile(sealed, identities)).length, 3)
    }
  })

  it('reads Ed25519 and RSA in PKCS#8 too', async () => {
    for (const pair of [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ]) {
      const text = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
      const [identity] = await loadIdentities(text, 'key.pem')
      assert.ok(identity)
      const sealed = await sealFile([recipientOf(identity).text], new Uint8Array(3))
      assert.equal((await openFile(sealed, [identity])).length, 3)
    }
  })

  it('opens an identity file that is protected by a passphrase, and asks once', async () => {
    const { identityText, recipient } = await generateIdentity()
    const protectedText = await sealToPassphrase(identityText, 'correct horse')
    let asked = 0
    const passphrase = async (): Promise<string> => {
      asked += 1
      return 'correct horse'
    }
    const [identity] = await loadIdentities(protectedText, 'keys.age', { passphrase })
    assert.equal(asked, 1)
    assert.equal(identity && recipientOf(identity).text, recipient)
    await refusal(protectedText, {
      code: 'identity-wrong',
      says: /passphrase is wrong/,
      passphrase: async () => 'x',
    })
    await refusal(protectedText, { says: /protected by a passphrase/ })
  })

  it('L10: says what a text is that it cannot use, and repeats nothing of it', async () => {
    const { identityText, recipient } = await generateIdentity({ classic: true })
    const secret = identityText.split('\n')[2] ?? ''
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const locked = { cipher: 'aes-256-cbc', passphrase: 'x', format: 'pem' } as const
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const sealed = await sealFile([recipient], new Uint8Array(1))
    const texts: [string, RegExp][] = [
      ['', /no identity/],
      ['# nothing\n\n', /no identity/],
      [
        `# x\n${secret.slice(0, -1)}${secret.endsWith('Z') ? 'Q' : 'Z'}\n`,
        /line 2 of FILE: the identity is damaged/,
      ],
      [secret.slice(0, 40), /damaged/],
      [`${identityText}${secret.slice(0, 30)}`, /line 4 of FILE/],
      [secret.toLowerCase(), /not an identity/],
      [recipient, /public key/],
      ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9', /public key/],
      ['AGE-PLUGIN-YUBIKEY-1QQPQQPQQPQ', /plugin/],
      ['correct horse battery staple', /not an identity/],
      [pem.export({ type: 'pkcs8', ...locked }), /passphrase/],
      [pem.export({ type: 'pkcs1', ...locked }), /passphrase/],
      [pem.export({ type: 'pkcs8', format: 'pem' }).replace(/\n.{4}/, '\n'), /damaged/],
      [ec.export({ type: 'pkcs8', format: 'pem' }), /neither RSA nor Ed25519/],
      ['-----BEGIN CERTIFICATE-----\nMIIB\n', /not a private key/],
      [armor.encode(sealed), /not with a passphrase/],
      ['-----BEGIN AGE ENCRYPTED FILE-----\nQUFB\n', /armor is damaged/],
      [Buffer.from(sealed).toString('latin1'), /without armor/],
    ]
    for (const [text, says] of texts) {
      const failure = await refusal(text, { says })
      assert.ok(failure.message.includes('FILE'))
      const shown = inspect(failure, { depth: 9 })
      for (const token of text.match(/[A-Z0-9a-z+/]*[0-9][A-Z0-9a-z+/]{12,}/g) ?? []) {
        assert.ok(!shown.includes(token.slice(0, 14)), `shows ${says}`)
      }
    }
  })

  it('refuses an OpenSSH key under a passphrase and says how to go on', () =>
    withScratchFolder(async folder => {
      const path = join(folder, 'key')
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret words', '-f', path])
      const failure = await refusal(await readFile(path, 'utf8'), {
        says: /protected by a passphrase/,
      })
      assert.match(failure.hint ?? '', /ssh-keygen -p/)
    }))

  it('L10: an identity shows nothing of itself when it is printed', async () => {
    const { identityText } = await generateIdentity({ classic: true })
    const secret = identityText.split('\n')[2] ?? ''
    const [identity] = await loadIdentities(identityText, 'keys.txt')
    const shown = [inspect(identity, { depth: 9, showHidden: true }), JSON.stringify(identity)]
    for (const text of shown) assert.ok(!text.includes(secret.slice(18, 30)))
  })

  it('refuses an OpenSSH key of which the secret was altered', async () => {
    const seed = new Uint8Array(32).fill(2)
    const publicKey = Buffer.from(
      'd04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737',
      'hex',
    )
    const key = { kind: 'ed25519', publicKey, seed } as const
    const text = formatSshPrivateKey(key, { comment: '', check: 1 })
    await refusal(text, { says: /public and private parts differ/ })
  })

  it('opens what was sealed to the public half of an ssh key', () =>
    withScratchFolder(async folder => {
      const path = join(folder, 'key')
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path])
      const [identity] = await loadIdentities(await readFile(path, 'utf8'), 'key')
      const line = await readFile(`${path}.pub`, 'utf8')
      assert.deepEqual(identity && recipientOf(identity), parseRecipient(line))
      const sealed = await sealFile([line], Buffer.from('abc'))
      assert.ok(identity && equalBytes(await openFile(sealed, [identity]), Buffer.from('abc')))
    }))
})

interface Expected {
  readonly says: RegExp
  readonly code?: FailureCode
  readonly passphrase?: () => Promise<string>
}

async function refusal(text: string, expected: Expected): Promise<Failure> {
  const { passphrase } = expected
  let failure: unknown
  try {
    await loadIdentities(text, 'FILE', { passphrase })
  } catch (error) {
    failure = error
  }
  assert.ok(isFailure(failure, expected.code ?? 'config-invalid'), String(failure))
  assert.match(failure.message, expected.says)
  return failure
}

async function sealToPassphrase(text: string, passphrase: string): Promise<string> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  // The least work: this is about the path through the code.
  encrypter.setScryptWorkFactor(4)
  return armor.encode(await encrypter.encrypt(text))
}
