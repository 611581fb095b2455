// Both directions against the stock age tool, and against age-encryption for what that tool is too
// old for: what we write must be readable without us.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

import { Decrypter, Encrypter } from 'age-encryption'

import { equalBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { generateIdentity, loadIdentities, recipientOf } from '../../src/pack/identities.ts'
import { parseRecipient } from '../../src/pack/recipients.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { openFile, sealFile } from './age-file.ts'

const run = promisify(execFile)
const timeLimit = { timeout: 60_000 }
const asBytes = { encoding: 'buffer', maxBuffer: 1 << 24 } as const
const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000]

interface Pair {
  readonly publicText: string
  readonly secretText: string
}

type PairMaker = (folder: string) => Promise<Pair>

const classicKinds: Record<string, PairMaker> = {
  X25519: async () => {
    const { recipient, identityText } = await generateIdentity({ classic: true })
    return { publicText: recipient, secretText: identityText }
  },
  'ssh-ed25519': folder => sshPair(folder, ['-t', 'ed25519']),
  'ssh-rsa': folder => sshPair(folder, ['-t', 'rsa', '-b', '2048']),
  'RSA in PEM, SPKI': async () => Promise.resolve(rsaPemPair('spki')),
  'RSA in PEM, PKCS#1': async () => rsaPemPair('pkcs1'),
}

describe('age tool', () => {
  for (const [kind, makePair] of Object.entries(classicKinds)) {
    it(`opens what we seal, and we open what it seals: ${kind}`, timeLimit, () =>
      withScratchFolder(async folder => {
        const pair = await makePair(folder)
        const path = (name: string): string => join(folder, name)
        await writeFile(path('secret'), pair.secretText, { mode: 0o600 })
        await writeFile(path('public'), `${parseRecipient(pair.publicText).text}\n`)
        const identities = await loadIdentities(pair.secretText, 'the secret')
        for (const size of sizes) {
          const plain = randomBytes(size)
          await writeFile(path('ours'), await sealFile([pair.publicText], plain))
          const { stdout } = await run('age', ['-d', '-i', path('secret'), path('ours')], asBytes)
          assert.ok(equalBytes(stdout, plain), `${size} bytes, ours`)
          await writeFile(path('plain'), plain)
          await run('age', ['-R', path('public'), '-o', path('theirs'), path('plain')])
          const opened = await openFile(await readFile(path('theirs')), identities)
          assert.ok(equalBytes(opened, plain), `${size} bytes, theirs`)
        }
      }),
    )
  }

  it('opens one file with any of the keys that it was sealed to', timeLimit, () =>
    withScratchFolder(async folder => {
      const pairs = await Promise.all([
        sshPair(folder, ['-t', 'rsa', '-b', '2048']),
        Promise.resolve(rsaPemPair('spki')),
        classicKinds['X25519']?.(folder) ?? assert.fail(),
      ])
      const plain = randomBytes(100_000)
      const sealed = await sealFile(
        pairs.map(pair => pair.publicText),
        plain,
      )
      await writeFile(join(folder, 'sealed'), sealed)
      for (const { secretText } of pairs) {
        const identities = await loadIdentities(secretText, 'the secret')
        assert.ok(equalBytes(await openFile(sealed, identities), plain))
        await writeFile(join(folder, 'secret'), secretText, { mode: 0o600 })
        const { stdout } = await run(
          'age',
          ['-d', '-i', join(folder, 'secret'), join(folder, 'sealed')],
          asBytes,
        )
        assert.ok(equalBytes(stdout, plain))
      }
    }),
  )

  it('says the same public key as we do', timeLimit, () =>
    withScratchFolder(async folder => {
      const path = join(folder, 'key')
      await run('age-keygen', ['-o', path])
      const { stdout } = await run('age-keygen', ['-y', path])
      const [identity] = await loadIdentities(await readFile(path, 'utf8'), 'key')
      assert.equal(identity && recipientOf(identity).text, stdout.trim())
      const ours = await generateIdentity({ classic: true })
      await writeFile(path, ours.identityText)
      assert.equal((await run('age-keygen', ['-y', path])).stdout.trim(), ours.recipient)
    }),
  )
})

describe('age-encryption', () => {
  it('opens what we seal, and we open what it seals: post-quantum', timeLimit, async () => {
    const { recipient, identityText } = await generateIdentity()
    const identities = await loadIdentities(identityText, 'the secret')
    const decrypter = new Decrypter()
    decrypter.addIdentity(identityText.split('\n')[2] ?? '')
    const encrypter = new Encrypter()
    encrypter.addRecipient(recipient)
    for (const size of sizes) {
      const plain = new Uint8Array(randomBytes(size))
      assert.ok(equalBytes(await decrypter.decrypt(await sealFile([recipient], plain)), plain))
      assert.ok(equalBytes(await openFile(await encrypter.encrypt(plain), identities), plain))
    }
  })

  it('takes hardware recipients, which only age with a plugin opens', async () => {
    const recipient = 'age1tag1qwe0kafsjrar4txm6heqnhpfuggzr0gvznz7fvygxrlq90u5mq2pysxtw6h'
    assert.equal(parseRecipient(recipient).kind, 'p256-tag')
    const sealed = await sealFile([recipient], new Uint8Array(1))
    assert.match(Buffer.from(sealed).toString('latin1'), /^age-encryption.org\/v1\n-> p256tag /)
    const { identityText } = await generateIdentity()
    const other = await loadIdentities(identityText, 'another')
    await assert.rejects(openFile(sealed, other), error => isFailure(error, 'identity-wrong'))
  })
})

async function sshPair(folder: string, type: readonly string[]): Promise<Pair> {
  const path = join(folder, `ssh-${randomBytes(4).toString('hex')}`)
  await run('ssh-keygen', ['-q', ...type, '-N', '', '-C', 'a comment', '-f', path])
  return {
    publicText: await readFile(`${path}.pub`, 'utf8'),
    secretText: await readFile(path, 'utf8'),
  }
}

function rsaPemPair(type: 'spki' | 'pkcs1'): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  const publicText = publicKey.export({ type, format: 'pem' })
  // Stock age reads PKCS#1 from every version on.
  return { publicText, secretText: privateKey.export({ type: 'pkcs1', format: 'pem' }) }
}
