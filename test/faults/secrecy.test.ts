// L10: canaries in every place where a secret or a user's name can be, through init, backups,
// restores and their failures; then everything that left the machine or was said is searched.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { inspect, promisify } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { parseSshPrivateKey } from '../../src/format/ssh-key.ts'
import { openStore } from '../../src/store/open.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const run = promisify(execFile)

const names = ['CanaryFolderQxj', 'canary-file-Wvk.txt', 'canary-xattr-Zpw', 'CanaryLinkTgt']
const contents = 'canary contents: 7f3e-the-diary-of-nobody'
const s3Secret = 'canaryS3SecretKey0123456789abcdefABCDEF'
const bin = new URL('../../bin/btrvault', import.meta.url).pathname

let vault: Vault
/** What must be nowhere, in each spelling in which it could be. */
let canaries: readonly (readonly [string, Buffer])[]
/** Arguments and environments of every program that was started. */
const seen = new Map<string, string>()
const said: string[] = []

before(async () => {
  vault = await makeVault()
  const [folder, file, xattr, target] = names as [string, string, string, string]
  vault.write(`${folder}/${file}`, contents.repeat(2000))
  vault.world.sh(
    'cd "$1" && setfattr -n "user.$3" -v x "$2" && ln -s "$4" link',
    vault.world.path('home', folder),
    file,
    xattr,
    target,
  )
  canaries = canariesOf(vault)
  await work()
})
after(async () => {
  await vault.world.destroy()
})

/** Everything that a user does, well and badly. */
async function work(): Promise<void> {
  const cli = async (...args: readonly string[]) => {
    const all = [...args, '--config', vault.configFile]
    const env = { ...process.env, AWS_SECRET_ACCESS_KEY: s3Secret, AWS_ACCESS_KEY_ID: 'canaryId' }
    const trace = vault.world.outside('trace')
    const watch = ['-f', '-qq', '-v', '-s', '100000', '-e', 'trace=execve', '-o', trace, bin]
    const result = await run('strace', [...watch, ...all], { env, timeout: 60_000 }).catch(
      (error: unknown) => error,
    )
    remember(trace)
    const { stdout, stderr, code } = result as { stdout: string; stderr: string; code?: number }
    said.push(stdout, stderr)
    if (args[0] !== 'doctor') assert.equal(code ?? 0, 0, `${args[0]}: ${stdout}${stderr}`)
  }
  await cli('init', '--identity', vault.identity, '--kit', vault.world.outside('kit.md'))
  await cli('backup')
  vault.write(`${names[0]}/second-${names[1]}`, contents)
  await cli('backup', '--json')
  await cli('restore', 'home', '--to', vault.out, '--identity', vault.identity)
  await cli('list', '--json')
  await cli('status')
  await cli('verify', '--json')
  await cli('doctor')
  const [segment = ''] = vault.objects('segments/')
  vault.flipByte(segment, 5000)
  vault.world.sh('for one in "$1"/*; do btrfs -q subvolume delete "$one"; done', vault.out)
  await attempt(() => vault.restore({ id: 1, to: { folder: vault.world.secondPath() } }))
  const [index = ''] = vault.objects('indexes/')
  vault.flipByte(index, 300)
  await attempt(() => vault.restore({ id: 1, to: { folder: vault.world.secondPath() } }))
  await attempt(() => vault.restore({ identity: vault.config.keys.signingKey }))
  await attempt(() => vault.restore({ signers: vault.identity }))
  await failOnAFile()
  await failOnS3()
}

/** btrfs receive stumbles over a file of the user's, and names it; we don't. */
async function failOnAFile(): Promise<void> {
  const bad = mkdtempSync(join(vault.world.folder, 'bin-'))
  const script = `#!/bin/sh
for one in "$@"; do case "$one" in send|receive)
echo "ERROR: cannot open home/${names[0]}/${names[1]}: Input/output error" >&2; exit 1;; esac; done
exec /usr/bin/btrfs "$@"
`
  writeFileSync(join(bad, 'btrfs'), script)
  chmodSync(join(bad, 'btrfs'), 0o755)
  const path = process.env['PATH']
  process.env['PATH'] = `${bad}:${path}`
  try {
    vault.write(`${names[0]}/third`, contents)
    await attempt(() => vault.backup())
    await attempt(() => vault.restore({ id: 2, to: { folder: vault.world.secondPath() } }))
  } finally {
    process.env['PATH'] = path
  }
}

async function failOnS3(): Promise<void> {
  const credentials = { accessKeyId: 'canaryId', secretAccessKey: s3Secret }
  const address = {
    kind: 's3',
    bucket: 'bucket',
    prefix: '',
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials,
  } as const
  await attempt(async () => {
    const log = (line: string) => said.push(line)
    const { store } = await openStore(address, { clock: systemClock, retryDeadlineMs: 0, log })
    await store.get('repository.json').finally(() => void store.close())
  })
}

async function attempt(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
    said.push('done')
  } catch (error) {
    assert.ok(error instanceof Error)
    // As a person sees it, with the hint. A vault's own word on a report holds every message.
    said.push(error.message, error instanceof Failure ? String(error.hint) : '')
  }
}

describe('L10: no canary is', () => {
  it('in any stored object, nor in its name', () => {
    const keys = vault.objects('')
    assert.ok(keys.length >= 10, keys.join('\n'))
    for (const key of keys) {
      nowhere(Buffer.from(key), key)
      nowhere(Buffer.from(vault.readObject(key)), key)
    }
  })

  it('in what the program says: events, messages, JSON, tables', () => {
    const all = [...said, JSON.stringify(vault.events), JSON.stringify(vault.progress)]
    assert.ok(all.join('').length > 5000)
    for (const text of all) nowhere(Buffer.from(text), text.slice(0, 200))
    assert.match(all.join('\n'), /the system reports|Input|input\/output|disk or a checksum/i)
  })

  it('in the command line or the environment of any child', () => {
    const programs = [...seen.values()].join('\n')
    for (const name of ['"btrfs", "send"', '"btrfs", "receive"', '"flock"']) {
      assert.ok(programs.includes(name), `${name} was not seen:\n${programs.slice(0, 2000)}`)
    }
    assert.ok(seen.size > 20)
    for (const [what, text] of seen) nowhere(Buffer.from(text), what)
  })

  it('in the state, the kit or what is left in the temporary folder; and state is 0600', () => {
    const { state } = vault.config
    const files = filesIn(state)
    assert.ok(files.length >= 5, files.join('\n'))
    for (const file of files) {
      assert.equal(lstatSync(file).mode & 0o077, 0, `${file} can be read by others`)
      nowhere(readFileSync(file), file)
    }
    assert.equal(lstatSync(state).mode & 0o077, 0)
    assert.equal(lstatSync(vault.config.keys.signingKey).mode & 0o077, 0)
    const kit = vault.world.outside('kit.md')
    assert.ok(existsSync(kit))
    nowhere(readFileSync(kit), kit)
    const left = readdirSync(tmpdir()).filter(name => name.startsWith('btrvault-pipe-'))
    assert.deepEqual(
      left.filter(name => readdirSync(join(tmpdir(), name)).length === 0),
      [],
    )
  })

  it('found by this search only because it does not search: each is in its own place', () => {
    const identity = readFileSync(vault.identity)
    assert.ok(canaries.some(([, bytes]) => identity.includes(bytes)))
    const file = readFileSync(vault.world.path('home', names[0] as string, names[1] as string))
    assert.throws(() => nowhere(file, 'the file itself'))
    assert.throws(() => nowhere(Buffer.from(`x ${inspect({ s3Secret })}`), 'the secret itself'))
  })
})

function canariesOf({ identity, config }: Vault): [string, Buffer][] {
  const secret = /AGE-SECRET-KEY-[0-9A-Z-]+/.exec(readFileSync(identity, 'utf8'))?.[0] ?? ''
  const keyText = readFileSync(config.keys.signingKey, 'utf8')
  const key = parseSshPrivateKey(keyText, 'the key')
  assert.ok(key.kind === 'ed25519')
  const seed = Buffer.from(key.seed)
  const lines = keyText.split('\n').filter(line => line.length > 40 && !line.startsWith('---'))
  return [
    ...names.map(name => ['a name', Buffer.from(name)] as [string, Buffer]),
    ...names.map(name => ['a name in base64', inBase64(name)] as [string, Buffer]),
    ['contents', Buffer.from(contents)],
    ['contents in base64', inBase64(contents)],
    ['the identity', Buffer.from(secret)],
    ['the identity’s end', Buffer.from(secret.slice(-30))],
    ['the S3 secret', Buffer.from(s3Secret)],
    ['the signing seed', seed],
    ['the signing seed in hex', Buffer.from(seed.toString('hex'))],
    ['the signing seed in base64', Buffer.from(seed.toString('base64').slice(0, 40))],
    // The first lines of a key file hold what is public too; the middle of the secret is enough.
    ...lines.slice(2, 3).map(line => ['a line of the key', Buffer.from(line)] as [string, Buffer]),
  ]
}

/** What is the same of a text in base64 wherever it begins: only if it begins at a multiple of 3. */
function inBase64(text: string): Buffer {
  return Buffer.from(Buffer.from(text).toString('base64').slice(0, -4))
}

function nowhere(bytes: Buffer, where: string): void {
  for (const [what, canary] of canaries) {
    assert.ok(canary.length > 8)
    assert.ok(!bytes.includes(canary), `${what} is in ${where}`)
  }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

/**
 * What each program that btrvault started was given, by strace: arguments and environment. The
 * program itself, and the shell that begins it, are given their secrets by the user.
 */
function remember(trace: string): void {
  for (const line of readFileSync(trace, 'latin1').split('\n')) {
    const call = /execve\("([^"]+)", (.*)\) = 0/.exec(line)
    if (call === null || /\/(node|btrvault|sh|dash|env|dirname|readlink)$/.test(call[1] as string))
      continue
    seen.set(`${call[1]} ${line.slice(0, 120)}`, call[2] as string)
  }
}
