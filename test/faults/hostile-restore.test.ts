// The guard as the second fence, on a real btrfs: hostile streams that an allowed key has signed,
// as a machine that was taken over would. Nothing is written outside the staging directory, and
// nothing of it is to be seen at the target.

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { Failure } from '../../src/base/failure.ts'
import type { SigningKey } from '../../src/catalog/signing.ts'
import { readSigningKey } from '../../src/commands/shared/keys.ts'
import type { RepositoryId, SeriesId, Uuid } from '../../src/model/ids.ts'
import { uuidToBytes } from '../../src/model/ids.ts'
import { encodeCommand, encodeHead } from '../../src/stream/encode.ts'
import { escapes } from '../stream/escapes.ts'
import {
  type Command,
  command,
  foreignUuid,
  ownUuid,
  sampleClone,
} from '../stream/sample-stream.ts'
import { makeVault, type Vault } from '../support/vault.ts'
import { type Forgery, forge } from './forge.ts'

let vault: Vault
let key: SigningKey
let place: { readonly repository: RepositoryId; readonly series: SeriesId }
/** Uuid of a subvolume on the target that a stream has no business with. */
let secretUuid: Uuid
let nextSeq = 2

before(async () => {
  vault = await makeVault()
  vault.write('file', 'hello')
  await vault.backup()
  key = await readSigningKey(vault.config.keys.signingKey)
  const [manifest = ''] = vault.objects('manifests/')
  const { repository, series } = JSON.parse(
    Buffer.from(vault.readObject(manifest)).toString('utf8'),
  )
  place = { repository, series }
  const canary = join(vault.out, 'canary')
  mkdirSync(join(canary, 'folder'), { recursive: true })
  writeFileSync(join(canary, 'present'), 'untouched')
  const secret = vault.world.secondPath('secret')
  vault.world.sh(
    'btrfs -q subvolume create "$1" && echo secret > "$1/key" && btrfs -q property set "$1" ro true',
    secret,
  )
  const shown = vault.world.sh('btrfs subvolume show "$1" | grep -w UUID: | head -1', secret)
  secretUuid = /[0-9a-f-]{36}/.exec(shown)?.[0] as Uuid
})
after(async () => vault.world.destroy())

const clone = (change: Partial<typeof sampleClone>) => [
  command('mkfile', { path: 'stolen', ino: 300 }),
  command('clone', { ...sampleClone, path: 'stolen', fileOffset: 0, cloneLen: 4096, ...change }),
]

const streams: Readonly<Record<string, () => readonly Command[]>> = {
  ...Object.fromEntries(Object.entries(escapes).map(([name, commands]) => [name, () => commands])),
  'an absolute path': () => [command('mkfile', { path: '/etc/evil', ino: 300 })],
  'dots in the middle': () => [
    command('mkdir', { path: 'd', ino: 300 }),
    command('mkfile', { path: 'd/../../evil', ino: 301 }),
  ],
  'a clone of another subvolume': () =>
    clone({ cloneUuid: uuidToBytes(secretUuid), clonePath: 'key', cloneCtransid: 1 }),
  'a clone of nobody knows whom': () =>
    clone({ cloneUuid: uuidToBytes(foreignUuid), clonePath: 'key' }),
  'a clone by a path with dots': () => clone({ clonePath: '../../secret/key' }),
  'a second snapshot': () => [
    command('subvol', { path: 'second', uuid: uuidToBytes(foreignUuid), ctransid: 7 }),
  ],
  'a snapshot of another subvolume': () => [
    command('snapshot', {
      path: 'second',
      uuid: uuidToBytes(foreignUuid),
      ctransid: 7,
      cloneUuid: uuidToBytes(secretUuid),
      cloneCtransid: 1,
    }),
  ],
  'END in the middle': () => [command('end', {}), command('mkfile', { path: 'late', ino: 301 })],
}

describe('L6: a stream, signed by a key that is allowed, with', () => {
  for (const [name, commands] of Object.entries(streams)) {
    it(`${name}: is refused, and nothing is written outside staging or shown`, async () => {
      await placeForgery({ stream: streamOf(commands()) })
      await refused()
    })
  }

  for (const name of ['..', '.', 'a/b', '/etc', '', 'a\0b']) {
    it(`the name ${JSON.stringify(name)}: is refused`, async () => {
      await placeForgery({ stream: streamOf([], name) })
      await refused()
    })
  }

  for (const name of ['-rf', 'new\nline', '\u001b[31mred', 'x'.repeat(255)]) {
    it(`the odd name ${JSON.stringify(name).slice(0, 20)}: appears as that name or not at all`, async () => {
      await placeForgery({ stream: streamOf([], name) })
      const outside = look()
      await vault.restore({ verify: 'none', mend: false }).catch((error: unknown) => {
        assert.ok(error instanceof Failure, String(error))
      })
      const made = readdirSync(vault.out).filter(one => one !== 'canary')
      assert.ok(made.length === 0 || (made.length === 1 && made[0] === name), made.join())
      for (const one of made)
        vault.world.sh('btrfs -q subvolume delete -- "$1"', join(vault.out, one))
      assert.deepEqual(look(), outside)
    })
  }
})

describe('a restore whose target', () => {
  it('has a symbolic link under the snapshot’s name does not follow it', async () => {
    await placeForgery({ stream: streamOf([]) })
    const link = join(vault.out, 'snap')
    const bait = vault.world.secondPath('bait')
    mkdirSync(bait)
    for (const target of [bait, vault.world.secondPath('nowhere')]) {
      symlinkSync(target, link)
      await refused('receive-failed')
      assert.ok(lstatSync(link).isSymbolicLink())
      assert.deepEqual(readdirSync(bait), [])
      assert.ok(!existsSync(vault.world.secondPath('nowhere')))
      rmSync(link)
    }
  })

  it('is itself reached by a symbolic link gets the snapshot where the link leads', async () => {
    await placeForgery({ stream: streamOf([]) })
    const link = vault.world.outside('link')
    symlinkSync(vault.out, link)
    const report = await vault.restore({ to: { folder: link }, verify: 'none' })
    assert.equal(report.published.length, 1)
    vault.world.sh('btrfs -q subvolume delete "$1"', join(vault.out, 'snap'))
  })
})

function streamOf(commands: readonly Command[], name = 'snap') {
  const head = encodeHead({ version: 2, name, uuid: ownUuid, ctransid: 7 })
  const encoded = commands.map(([name, attributes]) => encodeCommand(name, attributes, 2))
  return concatBytes([head, ...encoded, encodeCommand('end', [], 2)])
}

async function placeForgery(change: Pick<Forgery, 'stream'>): Promise<void> {
  const forgery: Forgery = {
    ...place,
    seq: nextSeq++,
    source: 'home',
    recipients: vault.config.keys.recipients,
    signingKey: key,
    facts: { uuid: ownUuid, ctransid: 7, version: 2 },
    ...change,
  }
  for (const [key, bytes] of await forge(forgery)) {
    mkdirSync(join(vault.repositoryFolder, key, '..'), { recursive: true })
    vault.writeObject(key, bytes)
  }
}

async function refused(code: Failure['code'] = 'corrupt'): Promise<void> {
  const outside = look()
  const outcome = await vault
    .restore({ verify: 'none', mend: false })
    .catch((error: unknown) => error)
  assert.ok(outcome instanceof Failure, `was restored, or a bug: ${String(outcome)}`)
  assert.equal(outcome.code, code, outcome.message)
  assert.doesNotMatch(outcome.message, /evil|canary|secret|etc/, 'L10: a name is in the message')
  assert.deepEqual(look(), outside)
}

/** Everything around the staging directory, with contents. */
function look(): Record<string, string> {
  const seen: Record<string, string> = {}
  const second = vault.world.secondPath()
  for (const entry of readdirSync(second, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode, uid, nlink } = lstatSync(path)
    const contents = entry.isFile() ? readFileSync(path, 'latin1') : ''
    seen[path] = [mode, uid, entry.isFile() ? nlink : 0, contents].join(' ')
  }
  assert.ok(!existsSync('/etc/evil'))
  return seen
}
