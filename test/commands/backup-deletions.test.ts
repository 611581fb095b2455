// backup carries out forget and prune as plan shows them, and leaves everything alone on any doubt.

import assert from 'node:assert/strict'
import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { type BackupOptions, type BackupReport, backup } from '../../src/commands/backup.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import { undelete } from '../../src/commands/undelete.ts'
import type { Config, RemoteConfig } from '../../src/config/config.ts'
import { keepEverything, type Policy, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import type { Store } from '../../src/store/store.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const day = 86_400_000
let vault: Vault
/** How far the clock of the machine and of the store is ahead. */
let aheadMs = 0

before(async () => {
  vault = await makeVault({ remotes: ['disk', 'nas'] })
})
after(async () => vault?.world.destroy())
beforeEach(() => {
  vault.wrapStore = store => store
})

interface Rules {
  readonly keep?: string
  readonly policy?: Partial<Policy>
  readonly remotes?: readonly string[]
  readonly remote?: Partial<RemoteConfig>
}

function configOf({ keep = 'last 2', policy = {}, remotes = ['disk'], remote = {} }: Rules = {}) {
  const rule = parseKeepRule(keep)
  assert.ok(rule)
  const whole = { ...keepEverything, keep: rule, maxChain: 1, ...policy }
  const { config } = vault
  return {
    ...config,
    sources: config.sources.map(source => ({
      ...source,
      remotes: remotes.map(name => ({ remote: name, ruleSets: [soleRuleSet(whole)] })),
    })),
    remotes: config.remotes.map(one => ({ ...one, maxDelete: { percent: 100 }, ...remote })),
  } satisfies Config
}

let counter = 0

/** Changes the source, and runs. */
async function run(config: Config, options: Partial<BackupOptions> = {}): Promise<BackupReport> {
  counter += 1
  vault.write('file', `change ${counter}`)
  const whole = { config, sources: [], dryRun: false, check: false, ...options }
  return await backup(contextAhead(), whole)
}

function contextAhead() {
  const { context } = vault
  const clock = { ...context.clock, now: () => Date.now() + aheadMs }
  return { ...context, clock: Object.assign(Object.create(context.clock), clock) }
}

async function idsOn(remote: string): Promise<{ live: number[]; hidden: number[] }> {
  const { config, context } = vault
  const report = await list(context, { config, remotes: [remote], sources: [], hidden: true })
  const [series] = report.remotes[0]?.series ?? []
  const ids = (all: readonly { readonly id: number }[] = []) => all.map(({ id }) => id)
  return { live: ids(series?.backups), hidden: ids(series?.hidden) }
}

function only<Item>(items: readonly Item[] | undefined): Item {
  assert.equal(items?.length, 1, JSON.stringify(items))
  return items[0] as Item
}

describe('backup', () => {
  test('forgets what plan said it would, and it comes back', async () => {
    const config = configOf()
    for (let n = 0; n < 3; n += 1) await run(config, { forget: false })
    assert.deepEqual(await idsOn('disk'), { live: [1, 2, 3], hidden: [] })
    vault.write('file', 'and one more')
    const planned = await plan(vault.context, { config, sources: [] })
    const forgets = planned.sources[0]?.steps.filter(({ kind }) => kind === 'forget')
    assert.deepEqual(
      forgets?.map(step => [step.kind === 'forget' && step.seq, step.because]),
      [
        [1, 'not one of the last 2'],
        [2, 'not one of the last 2'],
      ],
    )
    const report = await run(config)
    assert.equal(report.exitStatus, 0)
    const { forgotten, notBefore, failure } = only(report.sources[0]?.deletions)
    assert.deepEqual([forgotten.map(({ id }) => id), failure], [[1, 2], null])
    assert.ok(Math.abs(Number(notBefore) - Date.now() - 7 * day) < 60_000)
    assert.deepEqual(await idsOn('disk'), { live: [3, 4], hidden: [1, 2] })
    const wish = { config, source: 'home', ids: 'all', remotes: ['disk'], dryRun: false } as const
    assert.equal((await undelete(vault.context, wish)).exitStatus, 0)
    assert.deepEqual((await idsOn('disk')).live, [1, 2, 3, 4])
  })

  test('forgets nothing with --no-forget, with access: no-delete, or as a dry run', async () => {
    const noDelete = configOf({ remote: { access: 'no-delete' } })
    for (const report of [
      await run(configOf(), { forget: false }),
      await run(noDelete),
      await run(configOf(), { dryRun: true }),
    ]) {
      assert.deepEqual([report.exitStatus, report.sources[0]?.deletions], [0, []])
    }
    const planned = await plan(vault.context, { config: noDelete, sources: [] })
    assert.ok(planned.sources[0]?.steps.every(({ kind }) => kind !== 'forget'))
    assert.deepEqual((await idsOn('disk')).hidden, [])
  })

  test('deletes nothing anywhere when one of the remotes cannot be used (L9)', async () => {
    const config = configOf({ remotes: ['disk', 'nas'] })
    const away = config.remotes.map(one =>
      one.name === 'nas'
        ? { ...one, address: { kind: 'directory', path: '/absent' } as const }
        : one,
    )
    const report = await run({ ...config, remotes: away })
    assert.deepEqual([report.exitStatus, report.sources[0]?.deletions], [3, []])
    assert.deepEqual((await idsOn('disk')).hidden, [])
  })

  test('deletes nothing when a send failed', async () => {
    vault.wrapStore = store => failing(store, 'put', key => key.startsWith('segments/'))
    const report = await run(configOf())
    assert.notEqual(report.exitStatus, 0)
    assert.deepEqual(report.sources[0]?.deletions, [])
    vault.wrapStore = store => store
    assert.deepEqual((await idsOn('disk')).hidden, [])
  })

  test('is done, and incomplete, when the clocks differ: nothing is forgotten', async () => {
    vault.wrapStore = store =>
      proxied(store, { clock: async () => await Promise.resolve(Date.now() + 3_600_000) })
    const report = await run(configOf())
    assert.equal(report.exitStatus, 3)
    assert.deepEqual(report.sources[0]?.failures, [])
    assert.ok((report.sources[0]?.sends.length ?? 0) > 0)
    const { failure, forgotten } = only(report.sources[0]?.deletions)
    assert.match(failure?.message ?? '', /clock and the store's differ/)
    assert.deepEqual(forgotten, [])
  })

  test('is done, and incomplete, when a tombstone cannot be put', async () => {
    vault.wrapStore = store => failing(store, 'put', key => key.endsWith('.tombstone.json'))
    const report = await run(configOf())
    assert.equal(report.exitStatus, 3)
    assert.ok((report.sources[0]?.sends.length ?? 0) > 0)
    assert.notEqual(only(report.sources[0]?.deletions).failure, null)
  })

  test('forgets no more than max_delete at once, and says what is left', async () => {
    const report = await run(configOf({ remote: { maxDelete: { count: 1 } } }))
    const { forgotten, postponedCount } = only(report.sources[0]?.deletions)
    assert.equal(forgotten.length, 1)
    assert.ok(postponedCount > 0)
  })

  test('also of a source that stands still', async () => {
    const config = configOf({ keep: 'last 3' })
    const report = await backup(contextAhead(), {
      config,
      sources: [],
      dryRun: false,
      check: false,
    })
    assert.deepEqual(report.sources[0]?.sends, [])
    assert.ok(only(report.sources[0]?.deletions).forgotten.length > 0)
    assert.equal((await idsOn('disk')).live.length, 3)
  })

  test('asks no more than twice when nothing is due, though much is hidden', async () => {
    const calls: string[] = []
    vault.wrapStore = store =>
      new Proxy(store, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return (...given: unknown[]) => {
            if (name !== 'close') calls.push(`${String(name)} ${String(given[0])}`)
            return value.apply(target, given)
          }
        },
      })
    const config = configOf({ keep: 'last 3' })
    const report = await backup(contextAhead(), {
      config,
      sources: [],
      dryRun: false,
      check: false,
    })
    assert.deepEqual([report.exitStatus, report.sources[0]?.deletions], [0, []])
    assert.ok(calls.length <= 2, calls.join('\n'))
  })

  test('prunes nothing while a manifest of the series is damaged (L9)', async () => {
    aheadMs = 8 * day
    const folder = join(vault.repositoryFolder, 'manifests')
    const [series = ''] = readdirSync(folder)
    const { live, hidden } = await idsOn('disk')
    const victim = join(folder, series, `${String(live.at(-1)).padStart(8, '0')}.json`)
    const bytes = readdirSync(join(folder, series)).length
    const copy = vault.world.sh(`cat "$1" | base64 -w0`, victim)
    truncateSync(victim, 10)
    const config = configOf({ keep: 'last 3' })
    const report = await backup(contextAhead(), {
      config,
      sources: [],
      dryRun: false,
      check: false,
    })
    const { pruned, failure } = only(report.sources[0]?.deletions)
    assert.equal(report.exitStatus, 3)
    assert.deepEqual(pruned.deleted, [])
    assert.equal(failure?.code, 'refused')
    assert.equal(readdirSync(join(folder, series)).length, bytes)
    vault.world.sh(`echo "$1" | base64 -d > "$2"`, copy, victim)
    assert.ok(hidden.length > 0)
  })

  test('prunes what was forgotten when its grace is over, as plan said, and the rest restores', async () => {
    aheadMs = 8 * day
    const config = configOf({ keep: 'last 3' })
    const { hidden } = await idsOn('disk')
    const planned = await plan(contextAhead(), { config, sources: [] })
    const prunes = planned.sources[0]?.steps.flatMap(one => (one.kind === 'prune' ? [one.seq] : []))
    assert.deepEqual(prunes?.toReversed(), hidden)
    const report = await run(config)
    assert.equal(report.exitStatus, 0, JSON.stringify(report.sources[0]?.deletions))
    const { pruned } = only(report.sources[0]?.deletions)
    assert.deepEqual(pruned.deleted.toReversed(), hidden)
    assert.ok(pruned.objectCount > 0)
    const { live } = await idsOn('disk')
    for (const id of live) assert.equal((await vault.restore({ id })).exitStatus, 0)
  })
})

function proxied(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const changed: unknown = Reflect.get(changes, name)
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function failing(store: Store, verb: 'put', isMeant: (key: string) => boolean): Store {
  const put: Store['put'] = async (key, object, options) => {
    if (isMeant(key)) throw new Failure('store-unavailable', `cannot put ${key}: away`)
    await store.put(key, object, options)
  }
  return proxied(store, { [verb]: put })
}
