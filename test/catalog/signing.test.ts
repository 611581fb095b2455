import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { inspect, promisify } from 'node:util'

import { encodeUtf8, toHex } from '../../src/base/bytes.ts'
import { type Failure, type FailureCode, isFailure } from '../../src/base/failure.ts'
import { type AllowedSigner, parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import {
  generateSigningKey,
  loadSigningKey,
  seriesSecretOf,
  sign,
  type VerifyOptions,
  verifySignature,
} from '../../src/catalog/signing.ts'
import { makeScratchFolder } from '../support/scratch-folder.ts'

const run = promisify(execFile)
const namespace = 'manifest@btrvault'
const message = encodeUtf8('{"what":"a manifest"}\n')
const at = new Date('2026-11-21T10:00:00Z')
const made = generateSigningKey('host-01')
const key = loadSigningKey(made.privateKeyText, 'signing_key')

function signersOf(line: string): readonly AllowedSigner[] {
  return parseAllowedSigners(line, 'allowed_signers')
}

function refusal(act: () => unknown, code: FailureCode = 'untrusted'): Failure {
  let failure: unknown
  try {
    act()
  } catch (error) {
    failure = error
  }
  assert.ok(isFailure(failure, code), `accepted, or: ${String(failure)}`)
  return failure
}

describe('sign() and verifySignature()', () => {
  const options: VerifyOptions = {
    signers: signersOf(`host-01 ${made.publicKeyLine}`),
    namespace,
    at,
  }
  const armored = sign(message, { key, namespace })

  it('agree, and name the signer', () => {
    assert.deepEqual(verifySignature(message, armored, options), {
      fingerprint: key.fingerprint,
      principal: 'host-01',
    })
  })

  it('L6: no altered bit of message or signature is trusted', () => {
    for (let bit = 0; bit < message.length * 8; bit += 1) {
      const altered = Uint8Array.from(message)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      refusal(() => verifySignature(altered, armored, options))
    }
    const [first, ...lines] = armored.trimEnd().split('\n')
    const bytes = Buffer.from(lines.slice(0, -1).join(''), 'base64')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const altered = Buffer.from(bytes)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const text = [first, altered.toString('base64'), lines.at(-1)].join('\n')
      refusal(() => verifySignature(message, text, options))
    }
  })

  it('refuses a signer that is not allowed, by its fingerprint', () => {
    const other = loadSigningKey(generateSigningKey('x').privateKeyText, 'x')
    const failure = refusal(() =>
      verifySignature(message, sign(message, { key: other, namespace }), {
        ...options,
        what: 'manifest 7',
      }),
    )
    assert.ok(failure.message.includes(other.fingerprint) && failure.message.includes('manifest 7'))
    assert.match(failure.hint ?? '', /allowed signers/)
    refusal(() => verifySignature(message, armored, { ...options, signers: [] }))
  })

  it('refuses a signature that was made for another purpose', () => {
    const other = sign(message, { key, namespace: 'tombstone@btrvault' })
    assert.match(refusal(() => verifySignature(message, other, options)).message, /another purpose/)
  })

  it('refuses a signer outside its namespaces or its time, and says which', () => {
    const cases: [string, RegExp][] = [
      ['namespaces="file"', /may not sign for manifest@btrvault/],
      ['namespaces="*,!manifest@*"', /may not sign/],
      ['valid-before="20261121095959Z"', /expired at 2026-11-21T09:59:59/],
      ['valid-after="20261121100001Z"', /valid only from 2026-11-21T10:00:01/],
    ]
    for (const [option, says] of cases) {
      const signers = signersOf(`host-01 ${option} ${made.publicKeyLine}`)
      assert.match(
        refusal(() => verifySignature(message, armored, { ...options, signers })).message,
        says,
      )
    }
    const fine = [
      'namespaces="file,manifest@*"',
      'namespaces="m?nifest@btrvault",valid-after="20261121100000Z",valid-before="20261121100001Z"',
    ]
    for (const option of fine) {
      verifySignature(message, armored, {
        ...options,
        signers: signersOf(`host-01 ${option} ${made.publicKeyLine}`),
      })
    }
    refusal(() => verifySignature(message, armored, { ...options, at: new Date(Number.NaN) }))
  })

  it('takes a key that stands on several lines by the line that fits', () => {
    const signers = signersOf(
      `old valid-before="20200101Z" ${made.publicKeyLine}\nnew ${made.publicKeyLine}`,
    )
    assert.equal(verifySignature(message, armored, { ...options, signers }).principal, 'new')
  })
})

describe('ssh-keygen -Y', () => {
  let folder: string
  before(async () => {
    folder = await makeScratchFolder()
    await writeFile(join(folder, 'key'), made.privateKeyText, { mode: 0o600 })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** Exit status of ssh-keygen with `input` on its standard input. */
  async function keygen(args: readonly string[], input: Uint8Array): Promise<number> {
    const child = spawn('ssh-keygen', args, {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: 30_000,
    })
    child.stdin.end(input)
    const [status]: unknown[] = await once(child, 'close')
    assert.ok(typeof status === 'number')
    return status
  }

  it('verifies what we sign, and not something else', async () => {
    const signature = join(folder, 'ours.sig')
    const signers = join(folder, 'signers')
    await writeFile(signature, sign(message, { key, namespace }))
    await writeFile(signers, `host-01 namespaces="${namespace}" ${made.publicKeyLine}\n`)
    const verify = (name: string) => [
      '-Y',
      'verify',
      '-f',
      signers,
      '-I',
      'host-01',
      '-n',
      name,
      '-s',
      signature,
    ]
    assert.equal(await keygen(verify(namespace), message), 0)
    assert.notEqual(await keygen(verify(namespace), encodeUtf8('other')), 0)
    assert.notEqual(await keygen(verify('file'), message), 0)
    assert.equal(
      await keygen(['-Y', 'check-novalidate', '-n', namespace, '-s', signature], message),
      0,
    )
    assert.equal(
      await keygen(['-Y', 'find-principals', '-f', signers, '-s', signature], message),
      0,
    )
  })

  it('makes signatures that we verify: Ed25519, RSA, and sha256', async () => {
    await run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', join(folder, 'rsa')])
    const path = join(folder, 'message')
    await writeFile(path, message)
    const rsaLine = (await readFile(join(folder, 'rsa.pub'), 'utf8')).trim()
    for (const [name, line] of [
      ['key', made.publicKeyLine],
      ['rsa', rsaLine],
    ] as const) {
      for (const hash of ['sha512', 'sha256']) {
        await rm(`${path}.sig`, { force: true })
        await run('ssh-keygen', [
          '-Y',
          'sign',
          '-f',
          join(folder, name),
          '-n',
          namespace,
          '-O',
          `hashalg=${hash}`,
          path,
        ])
        const armored = await readFile(`${path}.sig`, 'utf8')
        const options = { signers: signersOf(`me ${line}`), namespace, at }
        assert.equal(verifySignature(message, armored, options).principal, 'me')
        refusal(() => verifySignature(encodeUtf8('other'), armored, options))
        // Ed25519 is deterministic, so ours must be the same text.
        if (name === 'key' && hash === 'sha512')
          assert.equal(armored, sign(message, { key, namespace }))
      }
    }
  })

  it('reads the times of allowed signers as we do', async () => {
    const signature = join(folder, 'ours.sig')
    const signers = join(folder, 'signers')
    await writeFile(signature, sign(message, { key, namespace }))
    const armored = await readFile(signature, 'utf8')
    const times = [
      '20260101',
      '202611211000Z',
      '20261121100000Z',
      '202611210959',
      '20261121095959Z',
      '20261121100001Z',
    ]
    for (const time of times) {
      for (const side of ['valid-after', 'valid-before']) {
        const line = `host-01 ${side}="${time}" ${made.publicKeyLine}`
        await writeFile(signers, `${line}\n`)
        const args = [
          '-Y',
          'verify',
          '-f',
          signers,
          '-I',
          'host-01',
          '-n',
          namespace,
          '-s',
          signature,
          '-O',
          'verify-time=20261121100000Z',
        ]
        const theirs = (await keygen(args, message)) === 0
        let ours = true
        try {
          verifySignature(message, armored, { signers: signersOf(line), namespace, at })
        } catch (error) {
          assert.ok(isFailure(error, 'untrusted'))
          ours = false
        }
        assert.equal(ours, theirs, line)
      }
    }
  })
})

describe('signing key', () => {
  it('is read by ssh-keygen’s rules and knows its public half', async () => {
    assert.ok(made.publicKeyLine.endsWith(' host-01'))
    assert.match(made.privateKeyText, /^-----BEGIN OPENSSH PRIVATE KEY-----\n/)
    assert.notEqual(generateSigningKey('x').publicKeyLine, generateSigningKey('x').publicKeyLine)
  })

  it('gives a series secret that is its own and always the same', () => {
    const again = loadSigningKey(made.privateKeyText, 'signing_key')
    assert.equal(toHex(seriesSecretOf(key)), toHex(seriesSecretOf(again)))
    assert.equal(seriesSecretOf(key).length, 32)
    const other = loadSigningKey(generateSigningKey('x').privateKeyText, 'x')
    assert.notEqual(toHex(seriesSecretOf(key)), toHex(seriesSecretOf(other)))
  })

  it('L10: shows nothing of itself in print or in failures', async () => {
    const secret = made.privateKeyText.split('\n')[2] ?? ''
    const cut = made.privateKeyText.replace(secret.slice(5, 15), '')
    const shown = [
      inspect(key, { depth: 9, showHidden: true }),
      JSON.stringify(key),
      inspect(
        refusal(() => loadSigningKey(cut, 'signing_key'), 'config-invalid'),
        { depth: 9 },
      ),
      inspect(
        refusal(() => loadSigningKey('hello', 'signing_key'), 'config-invalid'),
        { depth: 9 },
      ),
    ]
    for (const text of shown) assert.ok(!text.includes(secret.slice(20, 40)))
  })

  it('refuses halves that do not belong together', () => {
    const lines = made.privateKeyText.split('\n')
    const bytes = Buffer.from(lines.slice(1, -2).join(''), 'base64')
    const seedAt = bytes.lastIndexOf(Buffer.from(key.publicKey.publicKey)) - 32
    bytes[seedAt] = (bytes[seedAt] ?? 0) ^ 1
    const text = [lines[0], bytes.toString('base64'), lines.at(-2)].join('\n')
    assert.match(
      refusal(() => loadSigningKey(text, 'k'), 'config-invalid').message,
      /halves differ/,
    )
  })
})
