// A bare machine, and a repository in which two series have sources of one name.

import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { backup } from '../../src/commands/backup.ts'
import { init } from '../../src/commands/init.ts'
import { type RestoreReport, restore } from '../../src/commands/restore.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { makeVault, type Vault } from '../support/vault.ts'

describe('two series of one name', () => {
  let vault: Vault

  before(async () => {
    vault = await makeVault()
    vault.write('when', 'first')
    await vault.backup()
  })
  after(async () => {
    await vault?.world.destroy()
  })

  /** A new key, and a backup under it. */
  async function beginSeries(contents: string, context: Context): Promise<void> {
    const { config, identity, world } = vault
    rmSync(config.keys.signingKey)
    const kit = world.outside('kit.md')
    await init(context, { config, remotes: [], identity, kit, dryRun: false })
    vault.write('when', contents)
    const report = await backup(context, { config, sources: [], dryRun: false, check: false })
    assert.equal(report.exitStatus, 0)
  }

  async function bareRestore(source: string): Promise<RestoreReport> {
    const { identity, signers, out } = vault
    return await restore(vault.context, {
      from: vault.repositoryFolder,
      identity,
      signers,
      source,
      to: { folder: out },
      latestOnly: false,
      verify: 'none',
      ignoreSpace: false,
      dryRun: false,
    })
  }

  function contentsOf({ published }: RestoreReport): string {
    return readFileSync(join(published.at(-1) ?? '', 'when'), 'utf8')
  }

  test('of one source: the newest backup is taken, and the other series named', async () => {
    // Ids are hashes of random keys, so that the wrong one comes first now and then.
    for (const contents of ['second', 'third', 'fourth']) {
      await new Promise(done => setTimeout(done, 1100))
      await beginSeries(contents, vault.context)
      const report = await bareRestore('home')
      assert.equal(contentsOf(report), contents)
    }
    const warning = vault.events.findLast(event => event.kind === 'warning')
    assert.match(JSON.stringify(warning), /several series.*series id/)
    const ids = /name: ([0-9a-f]{32}), ([0-9a-f]{32}), ([0-9a-f]{32})/.exec(JSON.stringify(warning))
    const restored = await Promise.all((ids ?? []).slice(1, 2).map(bareRestore))
    assert.equal(contentsOf(restored[0] as RestoreReport), 'third')
    const shortened = await bareRestore((ids?.[3] ?? '').slice(0, 12))
    assert.equal(contentsOf(shortened), 'first')
  })

  test('of two machines: none is taken, and both are named', async () => {
    await beginSeries('elsewhere', { ...vault.context, hostname: 'another' })
    await assert.rejects(bareRestore('home'), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'usage')
      assert.match(error.hint ?? '', /series id.*[0-9a-f]{32}, [0-9a-f]{32}/)
      assert.doesNotMatch(error.message + error.hint, /another|testing/)
      return true
    })
  })
})
