// init where it was before: what it knew there must be there still.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import type { Btrfs } from '../../src/btrfs/btrfs.ts'
import { init } from '../../src/commands/init.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openStore } from '../../src/store/open.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

const context: Context = {
  clock: systemClock,
  signal: new AbortController().signal,
  emit: () => {},
  btrfs: {} as Btrfs,
  openStore,
  randomBytes: count => new Uint8Array(randomBytes(count)),
  hostname: 'host',
  program: 'btrvault test',
}

async function initAt(folder: string, place: string) {
  const file = join(folder, 'config.yaml')
  const text = `state: ${folder}/state
keys:
  signing_key: ${folder}/signing_key
  allowed_signers: ${folder}/allowed_signers
sources: { home: { path: /home, snapshots: /snapshots, remotes: { far: {} } } }
remotes: { far: { directory: { path: ${folder}/${place} }, encrypt: none } }
`
  await writeFile(file, text)
  const options = { remotes: [], kit: join(folder, 'kit.md'), dryRun: false }
  const [remote] = (await init(context, { config: await loadConfig(file), ...options })).remotes
  assert.ok(remote)
  return remote
}

test('init makes no second repository where the one that it knew is gone', async () => {
  await withScratchFolder(async folder => {
    const first = await initAt(folder, 'here')
    assert.equal(first.made, true)
    await rm(join(folder, 'here/repository.json'))
    const { made, failure } = await initAt(folder, 'here')
    assert.equal(made, false)
    assert.match(failure?.message ?? '', new RegExp(`${first.repository} was there before`))
    assert.match(failure?.hint ?? '', /somebody deleted it/)
  })
})

test('init makes a repository at a new address of the remote, and finds the old one again', async () => {
  await withScratchFolder(async folder => {
    const first = await initAt(folder, 'here')
    const moved = await initAt(folder, 'there')
    assert.equal(moved.failure, null)
    assert.equal(moved.made, true)
    const back = await initAt(folder, 'here')
    assert.equal(back.made, false)
    assert.equal(back.repository, first.repository)
  })
})
