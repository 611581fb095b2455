// Monthly and daily backups from a machine that may only put: what branches from what stands in its
// ledger alone. On a real server, over a change of months.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, renameSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { backup } from '../../src/commands/backup.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import { status } from '../../src/commands/status.ts'
import { assertSameTree, type Walk, walk } from '../kernel/walk.ts'
import { rulesOf } from '../plan/epoch-scenarios.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { untilJournaled } from '../support/journaled.ts'
import type { Vault } from '../support/vault.ts'
import { type Dates, onClock } from '../support/virtual-dates.ts'
import { makeWriteOnlyScene, type WriteOnlyScene } from './write-only-scene.ts'

const day = 86_400_000
const ruleSets = [
  { ...rulesOf('monthly 12m'), storageClass: 'DEEP_ARCHIVE' },
  { ...rulesOf('daily<monthly 30d'), storageClass: 'STANDARD' },
]

describe('epochs on a remote that this machine only writes to', () => {
  const clock = new FakeClock(Date.parse('2026-09-01T03:00Z'))
  const dates: Dates = new Map()
  /** Of each backup that was made, in order. */
  const walks: Walk[] = []
  let scene: WriteOnlyScene
  let vault: Vault

  before(async () => {
    scene = await makeWriteOnlyScene()
    vault = scene.vault
    const sources = vault.config.sources.map(one => ({
      ...one,
      remotes: [{ remote: 'disk', ruleSets }],
    }))
    vault.config = { ...vault.config, sources }
    assert.equal((await scene.init())?.failure, null)
  })
  after(async () => scene?.[Symbol.asyncDispose]())

  const context = () => onClock(vault.context, clock, dates)

  async function tryOn(date: string) {
    clock.advance(Date.parse(`${date}T03:00Z`) - clock.now())
    const options = { config: vault.config, sources: [], dryRun: false, check: true }
    const report = await backup(context(), options)
    const [source] = report.sources
    assert.ok(source)
    for (const _ of source.sends) walks.push(walk(vault.world.path('home')))
    return source
  }

  /** `full 1`, for each that was made. */
  async function madeOn(date: string): Promise<string[]> {
    const { sends, failures } = await tryOn(date)
    assert.deepEqual(failures, [])
    return sends.map(({ seq, makes }) => `${makes} ${seq}`)
  }

  async function planned() {
    const { config } = vault
    const { sources } = await plan(context(), { config, sources: [] })
    return sources[0]?.steps.filter(step => step.kind === 'send') ?? []
  }

  /** As the reader sees them: id, epoch, parent; a list for each series, oldest first. */
  async function readSeries() {
    const config = scene.reader()
    const { identity } = vault
    const found = await list(vault.context, { config, identity, sources: [], remotes: [] })
    const series = found.remotes[0]?.series ?? []
    assert.deepEqual(
      series.flatMap(({ problems }) => problems),
      [],
    )
    return series
      .toSorted((a, b) => Number(a.backups[0]?.snapshotTime) - Number(b.backups[0]?.snapshotTime))
      .map(({ backups }) =>
        backups.map(({ id, epoch, parent }) => [id, epoch?.name ?? null, parent]),
      )
  }

  function failPuts(prefix: string, from: number): void {
    let seen = 0
    vault.wrapStore = store =>
      new FaultyStore(store, {
        onCall: ({ operation, key }) => {
          if (operation !== 'put' || !key.startsWith(prefix)) return undefined
          seen += 1
          return seen > from
            ? { kind: 'run', when: 'before', run: async () => await refuse(from) }
            : undefined
        },
      })
  }

  async function refuse(storedCount: number): Promise<never> {
    await untilJournaled(vault, storedCount)
    throw new Failure('store-refused', 'cannot put: the test says no')
  }

  it('the first is monthly, a daily one branches from it, and the next day goes on from that', async () => {
    vault.write('diary', 'one')
    assert.deepEqual(
      (await planned()).map(({ epoch, makes, because }) => [epoch, makes, because]),
      [['monthly', 'full', 'there is no backup of monthly yet']],
    )
    assert.deepEqual(await madeOn('2026-09-01'), ['full 1'])
    vault.write('diary', 'two')
    assert.deepEqual(await madeOn('2026-09-02'), ['differential 2'])
    vault.write('diary', 'three')
    assert.deepEqual(await madeOn('2026-09-03'), ['incremental 3'])
    assert.deepEqual(await madeOn('2026-09-03'), [], 'nothing is due twice')
    const expected = [
      [1, 'monthly', null],
      [2, 'daily', 1],
      [3, 'daily', 2],
    ]
    assert.deepEqual(await readSeries(), [expected])
  })

  it('a monthly run that was cut goes on in its epoch, and the daily ones begin anew from it', async () => {
    vault.write('big', randomBytes(5 * 1024 ** 2))
    failPuts('segments/', 2)
    assert.match((await tryOn('2026-10-01')).failures[0]?.message ?? '', /the test says no/)
    vault.wrapStore = store => store
    await touchJournal()
    const [step] = await planned()
    assert.deepEqual(
      [step?.kind, step?.epoch, step?.reason, step?.parents[0]?.seq],
      ['send', 'monthly', 'unfinished', 1],
    )
    const { sends } = await tryOn('2026-10-01')
    assert.ok((sends[0]?.resumedBytes ?? 0) >= 2 * 1024 ** 2, JSON.stringify(sends))
    vault.write('diary', 'four')
    assert.deepEqual(await madeOn('2026-10-02'), ['incremental 5'])
    assert.deepEqual((await readSeries())[0]?.slice(3), [
      [4, 'monthly', 1],
      [5, 'daily', 4],
    ])
  })

  it('one that was cut when its manifest was put is finished with its number and its epoch', async () => {
    vault.write('diary', 'five')
    failPuts('manifests/', 0)
    assert.match((await tryOn('2026-10-03')).failures[0]?.message ?? '', /the test says no/)
    vault.wrapStore = store => store
    assert.deepEqual(await madeOn('2026-10-03'), [], 'it is put again, not sent again')
    walks.push(walk(vault.world.path('home')))
    assert.deepEqual((await readSeries())[0]?.slice(5), [[6, 'daily', 5]])
  })

  it('status and plan go by what the rules keep of the ledger, for the rest may be forgotten by now', async () => {
    const { config } = vault
    const { sources, exitStatus } = await status(context(), { config, maxAgeMs: day })
    const [place] = sources[0]?.places ?? []
    assert.deepEqual([exitStatus, place?.safety, place?.newest?.id], [0, 'safe', 6])
    assert.equal(place?.newest?.epoch?.name, 'daily')
    assert.deepEqual([place?.backupCount, place?.newest?.chainLength], [4, 4])
    assert.equal(place?.nextIsFull, false)
    const ruled = (await plan(context(), { config, sources: [] })).sources[0]?.remotes[0]?.backups
    assert.deepEqual(
      ruled?.map(({ seq }) => seq),
      [1, 4, 5, 6],
    )
    assert.match(ruled?.[1]?.reasons.join() ?? '', /first of month 2026-10, for monthly/)
    assert.match(ruled?.[2]?.reasons.join() ?? '', /first of day 2026-10-02, for daily/)
  })

  it('each epoch has its storage class', async () => {
    const runs = new Map<string, Set<string>>()
    for (const { key, storageClass } of await scene.objects()) {
      const [, kind, , run = ''] = key.split('/')
      if (kind === 'segments') runs.set(run, (runs.get(run) ?? new Set()).add(storageClass))
    }
    const classes = [...runs.values()].map(found => [...found].join()).sort()
    assert.deepEqual(classes, [
      ...Array.from({ length: 2 }, () => 'DEEP_ARCHIVE'),
      ...Array.from({ length: 4 }, () => 'STANDARD'),
    ])
  })

  it('a reader restores each as it was, from both epochs', async () => {
    const config = scene.reader()
    assert.equal(walks.length, 6)
    for (const [index, expected] of walks.entries()) {
      const id = index + 1
      const { published } = await vault.restore({ config, id })
      assertSameTree(walk(published.at(-1) ?? ''), expected, { label: `backup ${id}` })
    }
  })

  it('a lost ledger begins a new series with a full monthly one, from which daily ones branch', async () => {
    const folder = join(vault.config.state, 'sources', 'home')
    const [ledger = ''] = readdirSync(folder).filter(name => name.startsWith('ledger-'))
    renameSync(join(folder, ledger), join(vault.world.outside(), 'lost-ledger'))
    vault.events.length = 0
    vault.write('diary', 'six')
    const [first] = await planned()
    assert.deepEqual(
      [first?.epoch, first?.makes, first?.because],
      ['monthly', 'full', 'there is no backup of monthly yet'],
    )
    const made = await madeOn('2026-10-04')
    assert.equal(made[0], 'full 1')
    assert.match(JSON.stringify(vault.events), /ledger of home on disk can not be used, it is gone/)
    vault.write('diary', 'seven')
    await madeOn('2026-10-05')
    const [old, anew = []] = await readSeries()
    assert.equal(old?.length, 6)
    const fromAnother = anew.filter(([, epoch, parent]) => epoch === 'daily' && parent === null)
    assert.deepEqual(fromAnother, [])
    assert.equal(anew.filter(([, , parent]) => parent === null).length, 1)
    assert.deepEqual([anew[0]?.[1], anew.at(-1)?.[1]], ['monthly', 'daily'])
  })

  /** Files have real times, and the clock is another. */
  async function touchJournal(): Promise<void> {
    const now = new Date(clock.now())
    utimesSync(join(vault.config.state, 'sources', 'home', 'journal-disk'), now, now)
  }
})
