// Snapshots of snapper's, sent as monthly and daily backups, on a real btrfs and a virtual calendar:
// each to its epoch, oldest first, under its name, and none is touched (L11).

import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { backup } from '../../src/commands/backup.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import type { RuleSet } from '../../src/model/policy.ts'
import { rulesOf } from '../plan/epoch-scenarios.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { makeVault, type Vault } from '../support/vault.ts'
import { type Dates, onClock } from '../support/virtual-dates.ts'
import { adopt, deleteAsSnapper, everythingBelow, takeAsSnapper } from './others.ts'
import { assertSameTree, walk } from './walk.ts'

const both = [rulesOf('monthly 12m'), rulesOf('daily<monthly 30d')]

/** Number of the snapshot, and when snapper took it. */
const taken = [
  '08-15T01:00',
  '09-01T01:00',
  '09-02T01:00',
  '09-20T01:00',
  '09-21T01:00',
  '10-01T01:00',
  '10-01T13:00',
  '10-02T01:00',
]

let vault: Vault
let clock: FakeClock
let dates: Dates

beforeEach(async () => {
  vault = await makeVault()
  clock = new FakeClock(Date.parse('2026-10-02T03:00Z'))
  dates = new Map()
})
afterEach(async () => vault[Symbol.asyncDispose]())

const context = () => onClock(vault.context, clock, dates)
const pathOf = (n: number) => vault.world.path('home/.snapshots', String(n), 'snapshot')
const theirs = async () => await everythingBelow(vault.world.path('home/.snapshots'))

async function takeOn(n: number, date: string): Promise<void> {
  vault.write('diary', date)
  vault.write(`folder-${n}/photo`, new Uint8Array(300_000).fill(n))
  if (n > 1) rmSync(vault.world.path('home', `folder-${n - 1}`), { recursive: true })
  const { uuid } = await systemBtrfs.show(takeAsSnapper(vault, n))
  dates.set(uuid, new Date(`2026-${date}Z`))
}

async function takeAll(): Promise<void> {
  for (const [index, date] of taken.entries()) await takeOn(index + 1, date)
  adopt(vault, 'snapper', 'home/.snapshots/*/snapshot')
}

function use(...ruleSets: readonly RuleSet[]): void {
  const remotes = [{ remote: 'disk', ruleSets }]
  const sources = vault.config.sources.map(source => ({ ...source, remotes }))
  vault.config = { ...vault.config, sources }
}

async function tryBackup({ regardless = false } = {}) {
  const { config } = vault
  const options = { config, sources: [], dryRun: false, check: true, forget: false, regardless }
  const { sources } = await backup(context(), options)
  return { sends: sources[0]?.sends ?? [], failures: sources[0]?.failures ?? [] }
}

/** How many were sent. */
async function send(options: { readonly regardless?: boolean } = {}): Promise<number> {
  const { sends, failures } = await tryBackup(options)
  assert.deepEqual(failures, [])
  return sends.length
}

/** Epoch, snapper's number and parent of each backup. */
async function held() {
  const { config, identity } = vault
  const found = await list(vault.context, { config, identity, sources: [], remotes: [] })
  const numbers = new Map<number, number>()
  for (const [index, date] of [...taken, '10-03T01:00', '10-03T05:00'].entries())
    numbers.set(Date.parse(`2026-${date}Z`), index + 1)
  const backups = found.remotes[0]?.series[0]?.backups ?? []
  return backups.map(({ epoch, snapshotTime, parent }) => [
    epoch?.name ?? '',
    numbers.get(snapshotTime.getTime()),
    parent,
  ])
}

const everything = [
  ['monthly', 1, null],
  ['monthly', 2, 1],
  ['daily', 4, 2],
  ['daily', 5, 3],
  ['monthly', 6, 2],
  ['daily', 8, 5],
]

describe('snapshots of others, for monthly and daily backups', () => {
  it('each goes to its epoch, oldest first, and comes back under its name', async () => {
    await takeAll()
    use(...both)
    const before = await theirs()
    assert.equal(await send(), 6)
    assert.deepEqual(await held(), everything)
    assert.equal(await send(), 0, 'nothing is sent twice')
    for (const [index, [, n]] of everything.entries()) {
      const id = index + 1
      const folder = join(vault.out, String(id))
      mkdirSync(folder)
      const { published } = await vault.restore({ id, to: { folder } })
      const restored = published.at(-1) ?? ''
      assert.match(basename(restored), new RegExp(`^home\\.2026\\d{4}T\\d{6}Z\\.${n}$`))
      const expected = new Map(walk(pathOf(Number(n))))
      // An empty folder stands there for a subvolume, which no send stream holds.
      expected.delete('.snapshots')
      assertSameTree(walk(restored), expected, { label: `backup ${id}` })
    }
    assert.deepEqual(await theirs(), before)
  })

  it('the next day and --now go to the daily epoch, and the next month to the monthly one', async () => {
    await takeAll()
    use(...both)
    await send()
    await takeOn(9, '10-03T01:00')
    clock.advance(86_400_000)
    assert.equal(await send(), 1)
    await takeOn(10, '10-03T05:00')
    clock.advance(8 * 3_600_000)
    assert.equal(await send(), 0, 'the day has one')
    assert.equal(await send({ regardless: true }), 1)
    assert.equal(await send({ regardless: true }), 0)
    assert.deepEqual((await held()).slice(6), [
      ['daily', 9, 6],
      ['daily', 10, 7],
    ])
    await takeOn(11, '11-01T01:00')
    clock.advance(Date.parse('2026-11-01T03:00Z') - clock.now())
    const { config } = vault
    const [step] = (await plan(context(), { config, sources: [] })).sources[0]?.steps ?? []
    assert.ok(step?.kind === 'send')
    assert.deepEqual([step.epoch, step.parents[0]?.seq], ['monthly', 5])
  })

  it('a run that is cut at any store call goes on, and none is sent twice', async () => {
    await takeAll()
    use(...both)
    const before = await theirs()
    let cuts = 0
    for (let at = 4; at < 200; at += 6) {
      vault.wrapStore = store =>
        new FaultyStore(store, {
          onCall: ({ index }) => (index >= at ? { kind: 'fail-before' } : undefined),
        })
      const { failures } = await tryBackup()
      assert.deepEqual(await theirs(), before)
      if (failures.length === 0) break
      cuts += 1
    }
    vault.wrapStore = store => store
    await send()
    assert.ok(cuts > 3, `${cuts} cuts`)
    assert.deepEqual(await held(), everything)
  })

  it('a monthly epoch that comes later gets the older snapshots that are still here', async () => {
    await takeAll()
    use(rulesOf('daily 30d'))
    await send()
    assert.deepEqual(
      (await held()).map(([epoch, n]) => [epoch, n]),
      [
        ['daily', 4],
        ['daily', 5],
        ['daily', 6],
        ['daily', 8],
      ],
    )
    deleteAsSnapper(vault, 2)
    use(...both)
    await send()
    assert.deepEqual((await held()).slice(4), [
      ['monthly', 1, null],
      ['monthly', 3, 5],
      ['monthly', 6, 6],
    ])
    assert.equal(await send(), 0)
  })

  it('when the monthly snapshots are cleaned up, the chain goes on from what is here', async () => {
    await takeAll()
    use(...both)
    await send()
    for (const n of [1, 2, 6]) deleteAsSnapper(vault, n)
    await takeOn(9, '10-03T01:00')
    clock.advance(86_400_000)
    assert.equal(await send(), 1)
    assert.deepEqual((await held()).slice(6), [['daily', 9, 6]])
  })
})
