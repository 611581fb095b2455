import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { Failure, isFailure } from '../../src/base/failure.ts'
import {
  encodeSshPublicKey,
  formatSshPrivateKey,
  formatSshPublicKeyLine,
  parseSshPrivateKey,
  parseSshPublicKeyLine,
  sshFingerprint,
} from '../../src/format/ssh-key.ts'
import { SshReader, sshMpint, sshString } from '../../src/format/ssh-wire.ts'
import { makeScratchFolder } from '../support/scratch-folder.ts'

const run = promisify(execFile)

describe('ssh keys', () => {
  let folder: string
  let ed25519: { secret: string; line: string }
  let rsa: { secret: string; line: string }
  before(async () => {
    folder = await makeScratchFolder()
    ed25519 = await generate('ed', ['-t', 'ed25519'])
    rsa = await generate('rsa', ['-t', 'rsa', '-b', '2048'])
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function generate(name: string, type: readonly string[]) {
    const path = join(folder, name)
    await run('ssh-keygen', ['-q', ...type, '-N', '', '-C', `${name} key`, '-f', path])
    return {
      secret: await readFile(path, 'utf8'),
      line: (await readFile(`${path}.pub`, 'utf8')).trim(),
    }
  }

  it('come back from ssh-keygen’s public line, letter for letter', async () => {
    for (const [name, { line }] of Object.entries({ ed: ed25519, rsa })) {
      const { key, comment } = parseSshPublicKeyLine(line, 'a line')
      assert.equal(comment, `${name} key`)
      assert.equal(formatSshPublicKeyLine(key, comment), line)
      const { stdout } = await run('ssh-keygen', ['-l', '-f', join(folder, `${name}.pub`)])
      assert.equal(stdout.split(' ')[1], sshFingerprint(key))
    }
  })

  it('come back from ssh-keygen’s private file', () => {
    for (const { secret, line } of [ed25519, rsa]) {
      const key = parseSshPrivateKey(secret, 'a key')
      assert.equal(formatSshPublicKeyLine(key, key.comment), line)
    }
  })

  it('written by us are what ssh-keygen writes, letter for letter, and are read by it', async () => {
    const key = parseSshPrivateKey(ed25519.secret, 'a key')
    assert.ok(key.kind === 'ed25519')
    const start = Buffer.from(ed25519.secret.split('\n').slice(1, -2).join(''), 'base64')
    // With a comment of 6 bytes the private section is the last 144, and begins with the check.
    const check = start.readUInt32BE(start.length - 144)
    assert.equal(formatSshPrivateKey(key, { comment: key.comment, check }), ed25519.secret)
    for (const comment of ['', 'a', 'seven c', 'a longer comment with é']) {
      const path = join(folder, `ours-${comment.length}`)
      await writeFile(path, formatSshPrivateKey(key, { comment, check: 7 }), { mode: 0o600 })
      const { stdout } = await run('ssh-keygen', ['-y', '-f', path])
      assert.equal(stdout.trim(), formatSshPublicKeyLine(key, comment))
      assert.deepEqual(parseSshPrivateKey(await readFile(path, 'utf8'), 'a key').comment, comment)
    }
  })

  it('refuses every cut, and every altered byte that says something else', () => {
    const [, base64 = ''] = ed25519.line.split(' ')
    const blob = Buffer.from(base64, 'base64')
    for (let length = 0; length < blob.length; length += 1) {
      refusal(() =>
        parseSshPublicKeyLine(`ssh-ed25519 ${blob.subarray(0, length).toString('base64')}`, 'it'),
      )
    }
    for (let at = 0; at < 19; at += 1) {
      const altered = Buffer.from(blob)
      altered[at] = (altered[at] ?? 0) ^ 1
      refusal(() => parseSshPublicKeyLine(`ssh-ed25519 ${altered.toString('base64')}`, 'it'))
    }
    const lines = ed25519.secret.split('\n')
    const bytes = Buffer.from(lines.slice(1, -2).join(''), 'base64')
    const armored = (content: Buffer): string =>
      [lines[0], content.toString('base64'), lines.at(-2), ''].join('\n')
    parseSshPrivateKey(armored(bytes), 'it')
    for (let length = 0; length < bytes.length; length += 1) {
      refusal(() => parseSshPrivateKey(armored(bytes.subarray(0, length)), 'it'))
    }
    const longer = Buffer.concat([bytes, Buffer.from([0])])
    refusal(() => parseSshPrivateKey(armored(longer), 'it'))
    const altered = (at: number): string => {
      const copy = Buffer.from(bytes)
      copy[at] = (copy[at] ?? 0) ^ 0x20
      return armored(copy)
    }
    const publicPart = bytes.indexOf(blob)
    assert.match(
      refusal(() => parseSshPrivateKey(altered(publicPart + blob.length - 1), 'it')).message,
      /parts differ/,
    )
    assert.match(
      refusal(() => parseSshPrivateKey(altered(bytes.length - 1), 'it')).message,
      /padding/,
    )
  })

  it('refuses malformed lines, other types and mixed types', () => {
    const [, base64 = ''] = ed25519.line.split(' ')
    const [, rsaBase64 = ''] = rsa.line.split(' ')
    const other = sshString('ssh-dss')
    const longer = Buffer.concat([Buffer.from(base64, 'base64'), Buffer.from([0])])
    const lines = [
      '',
      'ssh-ed25519',
      `ssh-rsa ${base64}`,
      `ssh-ed25519 ${rsaBase64}`,
      `ssh-dss ${Buffer.from(other).toString('base64')}`,
      `ssh-ed25519 ${base64}A`,
      `ssh-ed25519 ${longer.toString('base64')}`,
      `ssh-ed25519 ${base64.slice(0, -1)}-`,
    ]
    for (const line of lines) refusal(() => parseSshPublicKeyLine(line, 'it'))
  })

  it('L10: no message about a private key holds a part of it', async () => {
    const path = join(folder, 'locked')
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'words', '-f', path])
    const locked = refusal(() => parseSshPrivateKey('', 'it'))
    assert.match(locked.message, /cannot read it/)
    const text = await readFile(path, 'utf8')
    for (const broken of [
      text,
      ed25519.secret.slice(0, 200),
      ed25519.secret.replace('b3Bl', 'b3Bm'),
    ]) {
      const { message, hint } = refusal(() => parseSshPrivateKey(broken, 'it'))
      assert.ok(!/[A-Za-z0-9+/]{20}/.test(`${message} ${hint}`))
    }
  })

  it('sshFingerprint() is the SHA-256 of the blob', () => {
    const { key } = parseSshPublicKeyLine(rsa.line, 'it')
    const hash = createHash('sha256').update(encodeSshPublicKey(key)).digest('base64')
    assert.equal(sshFingerprint(key), `SHA256:${hash.slice(0, 43)}`)
  })
})

describe('ssh numbers', () => {
  const read = (bytes: Uint8Array) =>
    new SshReader(bytes, why => new Failure('corrupt', why)).mpint()

  it('have one spelling', () => {
    assert.deepEqual([...sshMpint(Uint8Array.of(0, 0, 0x80))], [0, 0, 0, 2, 0, 0x80])
    assert.deepEqual([...sshMpint(Uint8Array.of(0x7f))], [0, 0, 0, 1, 0x7f])
    assert.deepEqual([...sshMpint(Uint8Array.of(0))], [0, 0, 0, 0])
    assert.deepEqual([...read(Uint8Array.of(0, 0, 0, 2, 0, 0x80))], [0x80])
    for (const bytes of [
      [0, 0, 0, 1, 0x80],
      [0, 0, 0, 2, 0, 0x7f],
      [0, 0, 0, 1, 0],
      [0, 0, 0, 2, 1],
      [0, 0],
    ]) {
      assert.throws(
        () => read(Uint8Array.from(bytes)),
        error => isFailure(error, 'corrupt'),
      )
    }
  })
})

function refusal(act: () => unknown): Failure {
  let failure: unknown
  try {
    act()
  } catch (error) {
    failure = error
  }
  assert.ok(isFailure(failure, 'config-invalid'), String(failure))
  return failure
}
