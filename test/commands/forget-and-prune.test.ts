import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { forget } from '../../src/commands/forget.ts'
import { plan } from '../../src/commands/plan.ts'
import { prune } from '../../src/commands/prune.ts'
import { undelete } from '../../src/commands/undelete.ts'
import type { Config } from '../../src/config/config.ts'
import { keepEverything, type Policy, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import { makeVault, type Vault } from '../support/vault.ts'

let vault: Vault

before(async () => {
  vault = await makeVault()
  vault.config = withRules(vault.config, '*', { shape: 'tree' })
  for (const name of ['one', 'two', 'three']) {
    vault.write('file', name)
    await vault.backup()
  }
  vault.config = withRules(vault.config, '')
})
after(async () => vault?.world.destroy())

function withRules(config: Config, keep: string, more: Partial<Policy> = {}): Config {
  const rule = parseKeepRule(keep)
  assert.ok(rule)
  const policy = { ...keepEverything, keep: rule, shape: 'tree' as const, ...more }
  return {
    ...config,
    sources: config.sources.map(source => ({
      ...source,
      remotes: [{ remote: 'disk', ruleSets: [soleRuleSet(policy)] }],
    })),
    remotes: config.remotes.map(remote => ({ ...remote, graceMs: 0, maxDelete: { count: 9 } })),
  }
}

const asked = { sources: [], remotes: [], dryRun: false, agree: async () => {} }

function segmentRuns(): number {
  const [series = ''] = readdirSync(join(vault.repositoryFolder, 'segments'))
  return readdirSync(join(vault.repositoryFolder, 'segments', series)).length
}

test('plan gives every reason before anything goes', async () => {
  const report = await plan(vault.context, { config: vault.config, sources: [] })
  const reasons = report.sources[0]?.remotes[0]?.backups.map(one => one.reasons)
  assert.deepEqual(reasons, [[], [], ['the newest']])
})

test('what is forgotten is hidden and comes back', async () => {
  const { context, config } = vault
  const forgotten = await forget(context, { config, ...asked })
  assert.deepEqual(
    forgotten.places.map(place => place.forgotten.map(({ id }) => id)),
    [[1, 2]],
  )
  assert.equal(segmentRuns(), 3)
  const back = await undelete(context, {
    config,
    source: 'home',
    ids: [2],
    remotes: [],
    dryRun: false,
  })
  assert.equal(back.exitStatus, 0)
})

test('what stays forgotten loses its objects, and the rest restores', async () => {
  const { context, config } = vault
  const report = await prune(context, { config, ...asked })
  assert.equal(report.exitStatus, 0)
  assert.equal(segmentRuns(), 2)
  const again = await prune(context, { config, ...asked })
  assert.equal(again.exitStatus, 0)
  const restored = await vault.restore({ id: 2 })
  assert.equal(restored.exitStatus, 0)
})

test('a backup goes on after others were forgotten, and status sees nothing amiss', async () => {
  vault.write('file', 'four')
  await vault.backup()
  assert.equal(vault.events.filter(event => event.kind === 'warning').length, 0)
})

test('L3: a difference is not committed when another machine pruned its parent meanwhile', async () => {
  vault.config = withRules(vault.config, '*', { shape: 'chain' })
  const [series = ''] = readdirSync(join(vault.repositoryFolder, 'manifests'))
  vault.write('file', 'five')
  let done = false
  vault.wrapStore = store => ({
    ...store,
    address: store.address,
    features: store.features,
    list: (prefix, options) => store.list(prefix, options),
    get: async (key, options) => await store.get(key, options),
    size: async (key, options) => await store.size(key, options),
    delete: async (key, options) => await store.delete(key, options),
    clock: async options => await store.clock(options),
    close: async () => await store.close(),
    put: async (key, object, options) => {
      if (!done) rmSync(join(vault.repositoryFolder, 'manifests', series, '00000004.json'))
      done = true
      await store.put(key, object, options)
    },
  })
  await assert.rejects(vault.backup(), /is a difference from, is gone/)
})
