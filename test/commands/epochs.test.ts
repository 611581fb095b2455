// Epochs in the stories: a run that was cut keeps its own, and their names are known to whom they
// should be.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { backup } from '../../src/commands/backup.ts'
import { forget } from '../../src/commands/forget.ts'
import { list } from '../../src/commands/list.ts'
import { status } from '../../src/commands/status.ts'
import type { Config } from '../../src/config/config.ts'
import { parseKeepRule, type RuleSet } from '../../src/model/policy.ts'
import { rulesOf } from '../plan/epoch-scenarios.ts'
import { untilJournaled } from '../support/journaled.ts'
import { makeVault, type Vault } from '../support/vault.ts'

let vault: Vault
/** Storage classes that segments were put with, in order. */
let classes: (string | undefined)[] = []
/** So many segments are stored, and no more. */
let segmentsLeft = Infinity

beforeEach(async () => {
  vault = await makeVault({ sizeMiB: 512 })
  classes = []
  segmentsLeft = Infinity
  vault.wrapStore = store => ({
    address: store.address,
    features: store.features,
    put: async (key, object, options) => {
      if (options?.kind === 'segment') {
        if (segmentsLeft <= 0) {
          await untilJournaled(vault, classes.length)
          throw new Failure('store-refused', 'cannot put: the test says no')
        }
        segmentsLeft -= 1
        classes.push(options.storageClass)
      }
      await store.put(key, object, options)
    },
    get: (key, options) => store.get(key, options),
    size: (key, options) => store.size(key, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key, options) => store.delete(key, options),
    clock: options => store.clock(options),
    close: () => store.close(),
  })
})
afterEach(async () => vault[Symbol.asyncDispose]())

function use(...ruleSets: readonly RuleSet[]): void {
  const remotes = [{ remote: 'disk', ruleSets }]
  vault.config = {
    ...vault.config,
    sources: vault.config.sources.map(source => ({ ...source, remotes })),
  }
}

const inClass = (rules: RuleSet, storageClass: string): RuleSet => ({ ...rules, storageClass })

async function listed(config: Config | undefined, identity?: string) {
  const bare = { from: vault.repositoryFolder, signers: vault.signers }
  const where = config === undefined ? bare : { config }
  const report = await list(vault.context, {
    ...where,
    ...(identity !== undefined && { identity }),
    sources: [],
    remotes: [],
  })
  return report.remotes[0]?.series[0]?.backups.map(({ epoch }) => epoch) ?? []
}

describe('a run that was cut', () => {
  it('goes on in its epoch and its storage class, though the class is another by now', async () => {
    use(
      inClass(rulesOf('monthly 12m'), 'GLACIER_IR'),
      inClass(rulesOf('daily<monthly 30d'), 'STANDARD'),
    )
    vault.write('big', randomBytes(5 * 1024 ** 2))
    segmentsLeft = 2
    await assert.rejects(vault.backup(), /the test says no/)
    segmentsLeft = Infinity
    use(
      inClass(rulesOf('monthly 12m'), 'DEEP_ARCHIVE'),
      inClass(rulesOf('daily<monthly 30d'), 'STANDARD'),
    )
    const { sources } = await vault.backup()
    const [step] = sources[0]?.plan.steps.filter(one => one.kind === 'send') ?? []
    assert.ok(step?.kind === 'send')
    assert.deepEqual([step.reason, step.epoch], ['unfinished', 'monthly'])
    assert.ok((sources[0]?.sends[0]?.resumedBytes ?? 0) >= 2 * 1024 ** 2)
    assert.deepEqual([...new Set(classes)], ['GLACIER_IR'])
    assert.deepEqual(
      (await listed(vault.config)).map(epoch => epoch?.name),
      ['monthly'],
    )
  })

  it('is not given up for what else is due, while it cannot be finished', async () => {
    use(rulesOf('monthly 12m'), rulesOf('daily<monthly *'))
    vault.write('big', randomBytes(5 * 1024 ** 2))
    segmentsLeft = 2
    await assert.rejects(vault.backup(), /the test says no/)
    vault.write('more', 'more')
    segmentsLeft = 1
    await assert.rejects(vault.backup(), /the test says no/)
    segmentsLeft = Infinity
    const { sources } = await vault.backup()
    const [monthly] = sources[0]?.sends ?? []
    assert.ok((monthly?.resumedBytes ?? 0) >= 3 * 1024 ** 2, String(monthly?.resumedBytes))
    assert.deepEqual(
      (await listed(vault.config)).map(epoch => epoch?.name),
      ['monthly', 'daily'],
    )
  })

  it('is not gone on with when its epoch is no more, and the new one begins', async () => {
    use(rulesOf('old 30d'))
    vault.write('big', randomBytes(3 * 1024 ** 2))
    segmentsLeft = 1
    await assert.rejects(vault.backup(), /the test says no/)
    segmentsLeft = Infinity
    use(rulesOf('new 30d'))
    const { sources } = await vault.backup()
    assert.equal(sources[0]?.sends[0]?.resumedBytes, 0)
    assert.deepEqual(
      (await listed(vault.config)).map(epoch => epoch?.name),
      ['new'],
    )
  })
})

describe('the name of an epoch', () => {
  it('is known by the configuration, or by the identity, and to nobody else', async () => {
    use(rulesOf('monthly 12m'), rulesOf('daily<monthly 30d'))
    vault.write('a', 'a')
    await vault.backup()
    assert.deepEqual(
      (await listed(vault.config)).map(epoch => epoch?.name),
      ['monthly'],
    )
    const [unknown] = await listed(undefined)
    assert.ok(unknown?.name === null && /^[0-9a-f]{32}$/.test(unknown.id))
    assert.deepEqual(
      (await listed(undefined, vault.identity)).map(epoch => epoch?.name),
      ['monthly'],
    )
    const { sources } = await status(vault.context, { config: vault.config, maxAgeMs: 3_600_000 })
    assert.equal(sources[0]?.places[0]?.newest?.epoch?.name, 'monthly')
  })

  it('that is in the configuration no more leaves its backups to people, while there are others', async () => {
    use(rulesOf('former last 1'))
    for (const text of ['1', '2', '3']) {
      vault.write('a', text)
      const options = { config: vault.config, sources: [], dryRun: false, check: true }
      await backup(vault.context, { ...options, regardless: true, forget: false })
    }
    use(rulesOf('monthly 12m'), rulesOf('daily<monthly 30d'))
    const asked = { sources: [], remotes: [], dryRun: true, agree: async () => {} }
    const kept = await forget(vault.context, { config: vault.config, ...asked })
    assert.deepEqual(kept.places[0]?.forgotten, [])
    assert.equal(kept.places[0]?.keptCount, 3)
    await vault.backup()
    const forgetIds = async (...ids: number[]) => {
      const found = await forget(vault.context, {
        config: vault.config,
        ...asked,
        sources: ['home'],
        ids,
      })
      const [place] = found.places
      return place?.failure?.message ?? place?.forgotten.map(({ id }) => id)
    }
    assert.deepEqual(await forgetIds(1, 2, 3), [3, 2, 1])
    assert.match(String(await forgetIds(1)), /backup 2 is a difference from it/)
    assert.match(String(await forgetIds(4)), /it is the newest/)
    await assert.rejects(forgetIds(9), /backup 9 of home: there is none/)
    await assert.rejects(
      forget(vault.context, { config: vault.config, ...asked, ids: [1] }),
      /of which source was not said/,
    )
  })
})

describe('an epoch that comes later', () => {
  it('may get an older snapshot; the newest is still what was made last', async () => {
    use(rulesOf(' *'))
    const folder = vault.world.path('.snapshots-home')
    const snapshots = { kind: 'own' as const, folder, keep: parseKeepRule('*') ?? null }
    vault.config = {
      ...vault.config,
      sources: vault.config.sources.map(source => ({ ...source, snapshots })),
    }
    for (const text of ['first', 'second']) {
      vault.write('a', text)
      await vault.backup()
    }
    use(rulesOf('monthly 12m'), rulesOf('<monthly *'))
    await vault.backup()
    assert.deepEqual(
      (await listed(vault.config)).map(epoch => epoch?.name ?? null),
      [null, null, 'monthly'],
    )
    const { sources } = await status(vault.context, { config: vault.config, maxAgeMs: 1 })
    assert.equal(sources[0]?.places[0]?.newest?.id, 2)
    assert.equal(sources[0]?.places[0]?.safety, 'safe')
    const report = await vault.restore()
    assert.equal(readFileSync(`${report.published.at(-1)}/a`, 'utf8'), 'second')
  })
})

describe('branch_from: of what is not there', () => {
  it('is told, and a full is made only where one is allowed', async () => {
    use(rulesOf('2026 30d'))
    vault.write('a', 'a')
    await vault.backup()
    use(rulesOf('2027<2O26 30d', { allowFullBytes: 0 }))
    vault.write('a', 'b')
    await assert.rejects(vault.backup(), /full backup of about .* is not allowed/)
    use(rulesOf('2027<2O26 30d'))
    await vault.backup()
    const told = vault.events.flatMap(event => (event.kind === 'warning' ? event.text : []))
    assert.match(told.join('\n'), /no backup of epoch 2O26 on disk to branch from: sending in full/)
  })
})
