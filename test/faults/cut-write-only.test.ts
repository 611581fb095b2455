// A machine that may only put is cut at every effect that it has on the world. It never asks the
// store anything, takes no number twice, also on a store that writes over what exists, and the next
// run gets there without help.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { type BackupReport, backup } from '../../src/commands/backup.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import { status } from '../../src/commands/status.ts'
import type { Event } from '../../src/model/event.ts'
import type { SourceName } from '../../src/model/ids.ts'
import type { MemoryStore } from '../../src/store/memory.ts'
import { type Cut, type Effect, Effects } from './effects.ts'
import { checkSnapshots, checkStored, type Lying, lookInto } from './laws.ts'
import { Puts } from './putting-store.ts'
import { Stand } from './stand.ts'

const laterClock = { ...systemClock, now: () => Date.now() + 2000 }
const dayMs = 86_400_000
async function begin(backupCount: number): Promise<Stand> {
  const stand = await Stand.make('memory', undefined, 'write-only')
  for (let n = 0; n < backupCount; n += 1) {
    assert.equal((await run(stand, new Puts(true))).exitStatus, 0)
    stand.btrfs.change(stand.source)
  }
  return stand
}

async function run(
  stand: Stand,
  puts: Puts,
  { effects, aheadMs = 0 }: { effects?: Effects; aheadMs?: number } = {},
): Promise<BackupReport> {
  using _ = effects?.files(stand.state)
  const wrap = () => {
    const store = puts.around(stand.store as MemoryStore)
    return effects?.store(store) ?? store
  }
  return await stand.backup({
    btrfs: effects?.btrfs(stand.btrfs) ?? stand.btrfs,
    openStore: stand.openStore(wrap),
    clock: aheadMs > 0 ? { ...systemClock, now: () => Date.now() + aheadMs } : laterClock,
  })
}

/** At every put, and at every write of what a later run goes by. */
function cutsOf(effects: readonly Effect[], heeds: boolean): Cut[] {
  const files = heeds ? /ledger|journal|cache|json/ : /ledger/
  return effects.flatMap(({ where, name }, at): Cut[] => {
    const before: Cut = { at, when: 'before', how: 'error' }
    const after: Cut = { at, when: 'after', how: 'error' }
    const dead: Cut = { at, when: 'before', how: 'dead' }
    if (where === 'store') return [before, after, dead]
    if (/ledger/.test(name)) return [before, dead]
    return files.test(name) ? [before] : []
  })
}

async function cutAndGoOn(base: Stand, cut: Cut, heeds: boolean): Promise<void> {
  const stand = base.fork()
  const store = stand.store as MemoryStore
  const puts = new Puts(heeds)
  try {
    const before = await lookInto(store)
    const effects = new Effects(cut)
    await run(stand, puts, { effects }).catch(() => {})
    assert.ok(effects.wasCut, 'the run never got to the cut')
    const lying = await lookInto(store)
    checkStored(before, lying)
    checkSnapshots(stand, lying)
    if (cut.at % 2 === 1) stand.btrfs.change(stand.source)
    const next = await run(stand, puts)
    assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
    assert.deepEqual(puts.asked, [])
    await checkConverged(stand, store)
    if (cut.at % 5 !== 0) return
    const { sources } = await run(stand, puts)
    assert.deepEqual(sources[0]?.plan.steps, [], 'a third run is not idle')
  } finally {
    stand.remove()
  }
}

/** The newest backup of all series is the source as it is; each series' numbers are without a gap. */
async function checkConverged(stand: Stand, store: MemoryStore): Promise<void> {
  const lying = await lookInto(store)
  checkStored({ hashes: new Map(), manifests: new Map(lying.manifests) }, lying)
  checkSnapshots(stand, lying)
  const { btrfs } = stand
  const listed = await lookAsReader(stand, store)
  const all = listed.flatMap(({ backups }) => backups)
  assert.equal(
    all.length,
    lying.manifests.size,
    'a reader sees something else than what lies there',
  )
  for (const { backups, problems } of listed) {
    assert.deepEqual(problems, [])
    assert.deepEqual(
      backups.map(({ id }) => id),
      backups.map((_, n) => n + 1),
    )
  }
  const newest = [...lying.manifests.values()].find(({ snapshot }) => {
    const path = btrfs.paths().find(one => btrfs.uuidOf(one) === snapshot.uuid)
    return path !== undefined && btrfs.contentsOf(path) === btrfs.contentsOf(stand.source)
  })
  assert.ok(newest, 'no backup holds the source as it is')
}

async function lookAsReader(stand: Stand, store: MemoryStore) {
  const { config, identity } = stand
  const remotes = config.remotes.map(remote => ({ ...remote, access: 'full' as const }))
  const context = stand.context({ openStore: stand.openStore(() => store) })
  const reader = { ...config, remotes, state: join(stand.root, 'state-of-the-reader') }
  const report = await list(context, { config: reader, identity, sources: [], remotes: [] })
  assert.equal(report.exitStatus, 0, JSON.stringify(report))
  const [remote] = report.remotes
  const found = remote?.series ?? []
  assert.ok(found.every(({ source }) => source === 'home'))
  return found
}

describe('a write-only backup that is cut', { concurrency: 3 }, () => {
  for (const heeds of [true, false]) {
    for (const [kind, count] of [
      ['full', 0],
      ['incremental', 2],
    ] as const) {
      const where = heeds ? 'heeds create-if-absent' : 'writes over what exists'
      it(`L2, L3, L5, L7: ${kind}, at every effect, on a store that ${where}`, async () => {
        const base = await begin(count)
        try {
          const effects = new Effects()
          const trial = base.fork()
          assert.equal((await run(trial, new Puts(heeds), { effects })).exitStatus, 0)
          trial.remove()
          const cuts = cutsOf(effects.seen, heeds)
          assert.ok(cuts.length > 25, `only ${cuts.length} cuts`)
          const errors: string[] = []
          for (const cut of cuts) {
            const effect = effects.seen[cut.at]
            const what = `${cut.how} ${cut.when} ${cut.at}: ${effect?.where} ${effect?.name}`
            await cutAndGoOn(base, cut, heeds).catch((error: Error) => {
              errors.push(`${what}: ${error.message}`)
            })
          }
          assert.deepEqual(errors, [])
        } finally {
          base.remove()
        }
      })
    }
  }
})

describe('a write-only remote', { concurrency: 3 }, () => {
  it('is never asked anything by backup, plan or status', async () => {
    const stand = await begin(2)
    const puts = new Puts(true)
    const openStore = stand.openStore(() => puts.around(stand.store as MemoryStore))
    const context = stand.context({ openStore })
    const { config } = stand
    const planned = await plan(context, { config, sources: [] })
    assert.deepEqual(
      planned.sources[0]?.steps.flatMap(step => (step.kind === 'send' ? step.makes : [])),
      ['incremental'],
    )
    const told = await status(context, { config, maxAgeMs: dayMs })
    assert.equal(told.exitStatus, 0)
    assert.equal(told.remotes[0]?.fromLedger, true)
    assert.equal(told.sources[0]?.places[0]?.backupCount, 2)
    assert.equal((await run(stand, puts)).exitStatus, 0)
    assert.deepEqual(puts.asked, [])
    stand.remove()
  })

  for (const [how, damage, said] of [
    ['lost', (path: string) => rmSync(path), /it is gone/],
    ['damaged', (path: string) => flip(path), /line \d+ of it is damaged/],
    ['cut off at its beginning', (path: string) => cutHead(path), /its beginning is lost/],
  ] as const) {
    for (const heeds of [true, false]) {
      it(`begins a new series when its ledger is ${how}, and says so once (${heeds})`, async () => {
        const stand = await begin(2)
        const puts = new Puts(heeds)
        const before = await lookInto(stand.store as MemoryStore)
        damage(ledgerOf(stand))
        const context = stand.context({
          openStore: stand.openStore(() => puts.around(stand.store as MemoryStore)),
        })
        const told = await status(context, { config: stand.config, maxAgeMs: dayMs })
        assert.equal(told.exitStatus, 3)
        assert.deepEqual(
          told.sources[0]?.places[0]?.problems.map(({ text }) =>
            /ledger can not be used/.test(text),
          ),
          [true],
        )
        stand.events.length = 0
        const { sources } = await run(stand, puts)
        assert.deepEqual(
          sources[0]?.sends.map(({ seq, makes }) => [seq, makes]),
          [[1, 'full']],
        )
        assert.match(warnings(stand.events)[0] ?? '', said)
        stand.events.length = 0
        stand.btrfs.change(stand.source)
        const again = await run(stand, puts)
        assert.equal(again.sources[0]?.sends[0]?.makes, 'differential')
        assert.deepEqual(
          warnings(stand.events).filter(text => text.includes('ledger')),
          [],
        )
        await twoSeries(stand, before)
        assert.deepEqual(puts.asked, [])
        stand.remove()
      })
    }
  }

  it('begins without a warning for the first source, and for one that comes later', async () => {
    const stand = await begin(1)
    const path = join(stand.root, 'fs', 'other')
    const folder = join(stand.root, 'fs', 'other-snapshots')
    stand.btrfs.create(path)
    const { config } = stand
    const sources = config.sources.flatMap(home => [
      home,
      { ...home, name: 'other' as SourceName, path, snapshots: { ...home.snapshots, folder } },
    ])
    const puts = new Puts(false)
    const openStore = stand.openStore(() => puts.around(stand.store as MemoryStore))
    const options = { config: { ...config, sources }, sources: [], dryRun: false, check: true }
    const report = await backup(stand.context({ openStore }), options)
    assert.equal(report.exitStatus, 0, JSON.stringify(report))
    const told = warnings(stand.events).filter(text => text.includes('ledger'))
    assert.deepEqual(told, [])
    assert.deepEqual(puts.asked, [])
    stand.remove()
  })

  it('begins a new series when the state was set back, and never writes over what is there', async () => {
    const old = await begin(1)
    const store = old.store as MemoryStore
    const ahead = old.fork()
    const puts = new Puts(true)
    assert.equal((await run(ahead, puts)).exitStatus, 0)
    const before = await lookInto(ahead.store as MemoryStore)
    for (const [key, bytes] of (ahead.store as MemoryStore).objects) {
      if (!store.objects.has(key)) await store.put(key, { bytes, sha256: new Uint8Array(32) })
    }
    const refused = await run(old, puts)
    assert.equal(refused.exitStatus, 4)
    assert.match(refused.sources[0]?.failures[0]?.message ?? '', /its number is taken/)
    const next = await run(old, puts)
    assert.deepEqual(
      next.sources[0]?.sends.map(({ makes }) => makes),
      ['full'],
    )
    await twoSeries(old, before)
    old.remove()
    ahead.remove()
  })

  it('does not go on with a run so old that a pruner may have taken its objects', async () => {
    const stand = await begin(1)
    const puts = new Puts(true)
    const effects = new Effects({ at: 0, when: 'before', how: 'dead' })
    const seen = new Effects()
    const trial = stand.fork()
    await run(trial, puts, { effects: seen })
    trial.remove()
    const at = seen.seen.findIndex(({ name }) => name.startsWith('put manifests/'))
    assert.ok(at > 0 && effects.seen.length === 0)
    const cut = stand.fork()
    await run(cut, new Puts(true), { effects: new Effects({ at, when: 'before', how: 'dead' }) })
    const late = cut.fork()
    // A week and a day later nobody knows what is left.
    const { sources } = await run(late, new Puts(true), { aheadMs: 8 * dayMs })
    assert.equal(sources[0]?.sends[0]?.makes, 'full')
    assert.match(warnings(late.events).join(), /nobody can know any more whether backup 2/)
    const soon = await run(cut, new Puts(true))
    assert.equal(soon.exitStatus, 0)
    assert.equal((await lookAsReader(cut, cut.store as MemoryStore)).length, 1)
    for (const one of [stand, cut, late]) one.remove()
  })

  it('begins an unfinished upload anew when its journal is old', async () => {
    const stand = await begin(0)
    const seen = new Effects()
    const trial = stand.fork()
    await run(trial, new Puts(true), { effects: seen })
    trial.remove()
    const at = seen.seen.findIndex(({ name }) => name.startsWith('put indexes/'))
    await run(stand, new Puts(true), { effects: new Effects({ at, when: 'before', how: 'dead' }) })
    const fresh = stand.fork()
    const resumed = await run(fresh, new Puts(true))
    assert.ok((resumed.sources[0]?.sends[0]?.resumedBytes ?? 0) > 0)
    const journal = join(stand.state, 'sources', 'home', 'journal-disk')
    utimesSync(journal, new Date(), new Date(Date.now() - 8 * dayMs))
    const anew = await run(stand, new Puts(true))
    assert.equal(anew.exitStatus, 0)
    assert.equal(anew.sources[0]?.sends[0]?.resumedBytes, 0)
    fresh.remove()
    stand.remove()
  })

  it('refuses without knowing the repository, and says how to join it', async () => {
    const stand = await begin(1)
    rmSync(join(stand.state, 'remotes'), { recursive: true })
    const report = await run(stand, new Puts(true))
    assert.equal(report.exitStatus, 10)
    assert.match(report.sources[0]?.failures[0]?.hint ?? '', /init --remote disk --repository ID/)
    stand.remove()
  })
})

async function twoSeries(stand: Stand, before: Lying): Promise<void> {
  const store = stand.store as MemoryStore
  checkStored(before, { ...(await lookInto(store)), manifests: new Map() })
  const listed = await lookAsReader(stand, store)
  assert.equal(listed.length, 2)
  const after = await lookInto(store)
  for (const [key, hash] of before.hashes) {
    if (key !== 'RESTORE.md') assert.equal(after.hashes.get(key), hash, `L5: ${key}`)
  }
}

function ledgerOf(stand: Stand): string {
  const folder = join(stand.state, 'sources', 'home')
  const name = readdirSync(folder).find(one => /^ledger-[0-9a-f]{32}$/.test(one))
  assert.ok(name)
  return join(folder, name)
}

function flip(path: string): void {
  const bytes = readFileSync(path)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

function cutHead(path: string): void {
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.slice(text.indexOf('\n') + 1))
}

function warnings(events: readonly Event[]): string[] {
  return events.flatMap(event => (event.kind === 'warning' ? event.text : []))
}
