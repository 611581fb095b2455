// backup --plan does what plan showed, or nothing.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { backup } from '../../src/commands/backup.ts'
import { plan } from '../../src/commands/plan.ts'
import type { Config } from '../../src/config/config.ts'
import { keepEverything, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import { makeVault, type Vault } from '../support/vault.ts'

let vault: Vault

before(async () => {
  vault = await makeVault({ sources: ['home', 'var'] })
})
after(async () => vault?.world.destroy())

async function hashNow(config = vault.config, sources: readonly string[] = []): Promise<string> {
  const { hash } = await plan(vault.context, { config, sources })
  assert.match(hash ?? '', /^[0-9a-f]{6}(-[0-9a-f]{6}){3}$/)
  return hash ?? ''
}

async function run(hash: string, config = vault.config, sources: readonly string[] = []) {
  const options = { config, sources, dryRun: false, check: false, plan: hash }
  return await backup(vault.context, options)
}

function withRule(keep: string): Config {
  const policy = { ...keepEverything, keep: parseKeepRule(keep) ?? assert.fail() }
  const { config } = vault
  const remotes = [{ remote: 'disk', ruleSets: [soleRuleSet(policy)] }]
  return { ...config, sources: config.sources.map(source => ({ ...source, remotes })) }
}

test('a living source does not break a plan', async () => {
  vault.write('file', 'one')
  vault.write('file', 'one', 'var')
  const hash = await hashNow()
  vault.write('file', 'two')
  vault.write('more', 'two', 'var')
  assert.equal(await hashNow(), hash)
  const report = await run(hash)
  assert.equal(report.exitStatus, 0)
  assert.deepEqual(
    report.sources.map(({ sends }) => sends.length),
    [1, 1],
  )
})

test('a plan that was carried out is not the plan any more, and is refused as a whole', async () => {
  vault.write('file', 'three')
  const hash = await hashNow()
  await vault.backup('home')
  const before = vault.world.sh('btrfs subvolume list .')
  await assert.rejects(run(hash), error => {
    assert.ok(error instanceof Error && 'exitStatus' in error)
    assert.equal(error.exitStatus, 4)
    const said =
      /^cannot carry out that plan: what is to be done, the backups on the remotes and the snapshots on this machine are not the same any more$/
    assert.match(error.message, said)
    return true
  })
  assert.equal(vault.world.sh('btrfs subvolume list .'), before)
})

test('is of the sources that were asked for, and of the rules', async () => {
  vault.write('file', 'four')
  const hash = await hashNow(vault.config, ['home'])
  await assert.rejects(run(hash), /cannot carry out that plan/)
  await assert.rejects(
    run(hash, withRule('999999d last 5'), ['home']),
    /(that plan:|and) the configuration (is|are) not the same any more/,
  )
  const report = await run(hash, vault.config, ['home'])
  assert.equal(report.exitStatus, 0)
})

test('tells a rule that only lets go of something', async () => {
  const config = withRule('last 999')
  vault.write('file', 'five')
  const hash = await hashNow(config)
  await assert.rejects(
    run(hash, withRule('last 998')),
    /^Failure: cannot carry out that plan: the configuration is not the same any more$/,
  )
})

test('a source that cannot be looked at is part of it', async () => {
  const broken = {
    ...vault.config,
    sources: vault.config.sources.map(one =>
      one.name === 'var' ? { ...one, path: '/nowhere' } : one,
    ),
  }
  vault.write('file', 'six')
  const hash = await hashNow(broken)
  await assert.rejects(run(hash), /cannot carry out that plan/)
  const report = await run(hash, broken)
  assert.equal(report.exitStatus, 3)
  assert.equal(report.sources[0]?.sends.length, 1)
})

test('has no hash for another time', async () => {
  const at = new Date(Date.now() + 86_400_000)
  assert.equal((await plan(vault.context, { config: vault.config, sources: [], at })).hash, null)
})
