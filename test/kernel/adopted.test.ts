// Snapshots that others make, on a real btrfs: each comes back as it was, and none is touched,
// however a run ends (L11).

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { type BackupReport, backup } from '../../src/commands/backup.ts'
import { doctor } from '../../src/commands/doctor.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { status } from '../../src/commands/status.ts'
import { verify } from '../../src/commands/verify.ts'
import { FaultyStore, type StoreCall } from '../support/faulty-store.ts'
import { makeVault, type Vault } from '../support/vault.ts'
import {
  adopt,
  deleteAsSnapper,
  everythingBelow,
  takeAsBtrbk,
  takeAsSnapper,
  useRule,
  useSnapshots,
} from './others.ts'
import { assertSameTree, walk } from './walk.ts'

const snapperPattern = 'home/.snapshots/*/snapshot'

function change(vault: Vault, n: number): void {
  vault.write('diary', `day ${n}`)
  vault.write(`folder-${n}/photo`, new Uint8Array(300_000).fill(n))
  if (n > 1) rmSync(vault.world.path('home', `folder-${n - 1}`), { recursive: true })
}

/** Snapper's 1 to n, each of another state. */
function snapped(vault: Vault, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    change(vault, index + 1)
    return takeAsSnapper(vault, index + 1)
  })
}

async function tryBackup(vault: Vault, changes: Partial<Context> = {}): Promise<BackupReport> {
  const context = { ...vault.context, ...changes }
  return await backup(context, { config: vault.config, sources: [], dryRun: false, check: true })
}

function sendsOf(report: BackupReport) {
  return report.sources.flatMap(({ sends }) => sends)
}

/** Restores backup `id` on its own and holds it against the snapshot that it was made of. */
async function assertComesBack(vault: Vault, id: number, snapshot: string): Promise<string> {
  const folder = join(vault.out, String(id))
  mkdirSync(folder)
  const report = await vault.restore({ id, to: { folder } })
  assert.equal(report.comparison?.differenceCount, 0)
  const restored = report.published.at(-1) as string
  const expected = new Map(walk(snapshot))
  // An empty folder stands there for a subvolume, which no send stream holds.
  expected.delete('.snapshots')
  assertSameTree(walk(restored), expected, { label: `backup ${id}` })
  return basename(restored)
}

function warnings(vault: Vault): string[] {
  return vault.events.flatMap(event => (event.kind === 'warning' ? [event.text] : []))
}

test('snapper: every snapshot goes up oldest first, and comes back as it was, with a name of its own', async () => {
  await using vault = await makeVault()
  const snapshots = snapped(vault, 3)
  adopt(vault, 'snapper', snapperPattern)
  const before = await everythingBelow(vault.world.path('home/.snapshots'))

  const sends = sendsOf(await vault.backup())
  assert.deepEqual(
    sends.map(({ makes }) => makes),
    ['full', 'differential', 'incremental'],
  )
  const names = sends.map(({ snapshot }) => snapshot)
  for (const [index, name] of names.entries())
    assert.match(name, new RegExp(`^home\\.\\d{8}T\\d{6}Z\\.${index + 1}$`))
  for (const [index, snapshot] of snapshots.entries())
    assert.equal(await assertComesBack(vault, index + 1, snapshot), names[index])
  assert.deepEqual(await everythingBelow(vault.world.path('home/.snapshots')), before)
  assert.deepEqual(readdirSync(vault.world.path()).sort(), ['home'])

  // Where the source's own snapshot is, which has snapper's name, nothing is received.
  const beside = vault.world.path('beside')
  mkdirSync(beside)
  const report = await vault.restore({ id: 2, to: { folder: beside } })
  assert.deepEqual([report.fetchedBytes, readdirSync(beside)], [0, [names[1]]])

  assert.deepEqual(sendsOf(await vault.backup()), [], 'nothing is sent twice')
  change(vault, 4)
  assert.deepEqual(sendsOf(await vault.backup()), [], 'a change alone makes no snapshot')
  await assertComesBack(vault, 4, (await addAndSend(vault, 4)) ?? assert.fail('nothing was sent'))
})

async function addAndSend(vault: Vault, n: number): Promise<string | undefined> {
  const snapshot = takeAsSnapper(vault, n)
  const sends = sendsOf(await vault.backup())
  return sends.length === 1 ? snapshot : undefined
}

test('one chain is received in one folder, by verify and by restore', async () => {
  await using vault = await makeVault()
  snapped(vault, 3)
  adopt(vault, 'snapper', snapperPattern)
  const names = sendsOf(await vault.backup()).map(({ snapshot }) => snapshot)
  await assertReceives(vault)
  const report = await vault.restore({ id: 3 })
  assert.deepEqual(
    report.published.map(path => basename(path)),
    names,
  )
})

async function assertReceives({ config, context, identity, out }: Vault): Promise<void> {
  const usual = { config, identity, sources: [], remotes: [], scratch: out } as const
  const verified = await verify(context, { ...usual, level: 'receives' })
  assert.equal(verified.exitStatus, 0)
  assert.deepEqual(readdirSync(out), [])
}

test('snapper: what is not read-only, half made, received or of another subvolume is left out and told', async () => {
  await using vault = await makeVault()
  const [snapshot = ''] = snapped(vault, 1)
  const { world } = vault
  world.sh(`
    btrfs -q subvolume create other
    cd home/.snapshots
    mkdir 2 3 4 5 6 7
    for n in 2 3 4 5 6 7; do touch $n/info.xml; done
    btrfs -q subvolume snapshot ../../home 2/snapshot
    btrfs -q subvolume snapshot -r ../../home 3/snapshot; rm 3/info.xml
    btrfs -q subvolume snapshot -r ../../other 4/snapshot
    btrfs send -q 1/snapshot 2>/dev/null | btrfs receive -q 5 2>/dev/null
    mkdir 6/snapshot
  `)
  adopt(vault, 'snapper', snapperPattern)
  const { config, context } = vault
  const before = await everythingBelow(world.path('home/.snapshots'))
  const report = await plan(context, { config, sources: [] })
  const at = (n: number) => world.path(`home/.snapshots/${n}/snapshot`)
  assert.deepEqual(report.sources[0]?.skipped.toSorted(), [
    `1 half made or half deleted (${at(3)})`,
    `1 made by btrfs receive (${at(5)})`,
    `1 not a subvolume (${at(6)})`,
    `1 not read-only (${at(2)})`,
    `1 of another subvolume (${at(4)})`,
  ])
  const lines = planReportLines(report, { paint: (_, text) => text, width: 500, verbose: false })
  assert.ok(lines.includes(`   left out: 1 not read-only (${at(2)})`), lines.join('\n'))
  assert.match(lines[1] ?? 'nothing', /^└─ send home\.\S+\.1 to disk: full backup$/)

  assert.equal(sendsOf(await vault.backup()).length, 1)
  await assertComesBack(vault, 1, snapshot)
  assert.deepEqual(await everythingBelow(world.path('home/.snapshots')), before)
  assert.deepEqual((await plan(context, { config, sources: [] })).sources[0]?.steps, [])
})

test('a source of which nothing can be sent is refused, in words that say why', async () => {
  await using vault = await makeVault()
  vault.world.sh('btrfs -q subvolume create home/.snapshots')
  adopt(vault, 'snapper', snapperPattern)
  const none = await tryBackup(vault)
  assert.equal(none.exitStatus, 4)
  const told = (report: BackupReport) => report.sources[0]?.failures[0]?.message ?? ''
  assert.match(told(none), /there is no snapshot yet in .*\/home\/\.snapshots\/\*\/snapshot$/)
  vault.world.sh(
    'mkdir home/.snapshots/1; btrfs -q subvolume snapshot home home/.snapshots/1/snapshot',
  )
  assert.match(
    told(await tryBackup(vault)),
    /none of the snapshots in .* can be sent: 1 not read-only/,
  )

  // L9: what cannot be looked at is not empty.
  adopt(vault, 'snapper', 'nowhere/*/snapshot')
  const gone = await tryBackup(vault)
  assert.match(told(gone), /cannot list .*\/nowhere: it does not exist/)
  assert.notEqual(gone.exitStatus, 0)
})

test('the parent was cleaned up: the next older one is used, and it is told', async () => {
  await using vault = await makeVault()
  snapped(vault, 3)
  adopt(vault, 'snapper', snapperPattern)
  await vault.backup()
  deleteAsSnapper(vault, 3)
  change(vault, 4)
  const fourth = takeAsSnapper(vault, 4)
  const { config, context } = vault
  const [step] = (await plan(context, { config, sources: [] })).sources[0]?.steps ?? []
  assert.match(step?.because ?? '', /the snapshot of backup 3, which it would be .*, is gone/)
  await vault.backup()
  assert.match(warnings(vault).join('\n'), /nothing can be built on backup 3 .*: using backup 2/)
  const listed = await list(context, { config, sources: [], remotes: [] })
  assert.deepEqual(
    listed.remotes[0]?.series[0]?.backups.map(({ parent }) => parent),
    [null, 1, 2, 2],
  )
  await assertComesBack(vault, 4, fourth)

  // All of them: a full, if it may be.
  for (const n of [1, 2, 4]) deleteAsSnapper(vault, n)
  change(vault, 5)
  const fifth = takeAsSnapper(vault, 5)
  useRule(vault, '*', { allowFullBytes: 0 })
  const refused = await tryBackup(vault)
  assert.match(refused.sources[0]?.failures[0]?.message ?? '', /a full backup .* is not allowed/)
  useRule(vault, '*')
  assert.deepEqual(
    sendsOf(await vault.backup()).map(({ makes }) => makes),
    ['full'],
  )
  await assertComesBack(vault, 5, fifth)
})

test('a snapshot that its owner deletes while it is to be sent is told, and the next run goes on', async () => {
  await using vault = await makeVault()
  const snapshots = snapped(vault, 3)
  adopt(vault, 'snapper', snapperPattern)
  const btrfs: Context['btrfs'] = {
    ...systemBtrfs,
    startSend: call => {
      if (
        call.snapshot === snapshots[1] &&
        readdirSync(vault.world.path('home/.snapshots/2')).length > 0
      )
        deleteAsSnapper(vault, 2)
      return systemBtrfs.startSend(call)
    },
  }
  const report = await tryBackup(vault, { btrfs })
  const [failure, ...more] = report.sources[0]?.failures ?? []
  assert.deepEqual(more, [])
  assert.match(failure?.message ?? '', /cannot send snapshot .*\/2\/snapshot: somebody deleted it$/)
  assert.equal(report.exitStatus, 3)
  assert.equal(sendsOf(report).length, 2, 'the others went up')
  const again = await vault.backup()
  assert.deepEqual(sendsOf(again), [])
  await assertComesBack(vault, 1, snapshots[0] as string)
  await assertComesBack(vault, 2, snapshots[2] as string)
})

test('a run that is cut at any store call leaves the snapshots as they were, and goes on', async () => {
  await using vault = await makeVault()
  const snapshots = snapped(vault, 2)
  adopt(vault, 'snapper', snapperPattern)
  const before = await everythingBelow(vault.world.path('home/.snapshots'))
  let cuts = 0
  for (let at = 0; at < 60; at += 5) {
    const onCall = ({ index }: StoreCall) =>
      index >= at ? ({ kind: 'fail-before' } as const) : undefined
    vault.wrapStore = store => new FaultyStore(store, { onCall })
    const report = await tryBackup(vault)
    assert.deepEqual(await everythingBelow(vault.world.path('home/.snapshots')), before, `${at}`)
    if (report.exitStatus === 0) break
    assert.equal(report.sources[0]?.failures.length, 1, 'one failure, not one for each snapshot')
    cuts += 1
  }
  vault.wrapStore = store => store
  await vault.backup()
  assert.ok(cuts > 2, `${cuts} cuts`)
  for (const [index, snapshot] of snapshots.entries())
    await assertComesBack(vault, index + 1, snapshot)
  assert.deepEqual(await everythingBelow(vault.world.path('home/.snapshots')), before)
})

test('btrbk: names are kept, those of other subvolumes beside them are left alone, and the rule chooses', async () => {
  await using vault = await makeVault()
  const { world } = vault
  world.sh('btrfs -q subvolume create root')
  const taken: string[] = []
  for (const [index, time] of ['20261119T0100', '20261120T0100', '20261120T0100_1'].entries()) {
    change(vault, index + 1)
    taken.push(takeAsBtrbk(vault, time))
    takeAsBtrbk(vault, time, 'root')
  }
  world.sh('btrfs -q subvolume snapshot -r home btrbk_snapshots/by-hand')
  adopt(vault, 'btrbk', 'btrbk_snapshots/*')
  useRule(vault, 'last 2')
  const before = await everythingBelow(world.path('btrbk_snapshots'))
  const { config, context } = vault
  const planned = await plan(context, { config, sources: [] })
  assert.match(planned.sources[0]?.skipped.join() ?? '', /^3 of another subvolume/)
  assert.deepEqual(
    sendsOf(await vault.backup()).map(({ snapshot }) => snapshot),
    ['home.20261120T0100', 'home.20261120T0100_1'],
  )
  await assertComesBack(vault, 1, taken[1] as string)
  await assertComesBack(vault, 2, taken[2] as string)
  useRule(vault, '*')
  assert.deepEqual(
    sendsOf(await vault.backup()).map(({ snapshot }) => snapshot),
    ['home.20261119T0100'],
  )
  await assertComesBack(vault, 3, taken[0] as string)
  assert.deepEqual(await everythingBelow(world.path('btrbk_snapshots')), before)

  // L11: even when the folder is to be ours from now on, what others made there is not.
  const folder = world.path('btrbk_snapshots')
  useSnapshots(vault, { kind: 'own', folder, keep: null })
  change(vault, 4)
  await vault.backup()
  change(vault, 5)
  await vault.backup()
  const after = await everythingBelow(folder)
  assert.deepEqual(
    after.filter(one => !/home\.\d{8}T\d{6}Z/.test((one as { path: string }).path)),
    before,
  )
})

test('a pattern: names that go round come back beside each other', async () => {
  await using vault = await makeVault()
  const { world } = vault
  adopt(vault, 'anyone', 'rotating/home.*')
  world.sh('mkdir rotating')
  for (let n = 1; n <= 3; n += 1) {
    change(vault, n)
    world.sh(`cd rotating; [ ! -e home.1 ] || mv home.1 home.2; [ ! -e home.0 ] || mv home.0 home.1
      btrfs -q subvolume snapshot -r ../home home.0`)
    await vault.backup()
  }
  await assertReceives(vault)
  const report = await vault.restore({ id: 3 })
  assert.deepEqual(
    report.published.map(path => basename(path)),
    ['home.0', 'home.0.2', 'home.0.3'],
  )
  for (const [index, name] of ['home.2', 'home.1', 'home.0'].entries()) {
    const restored = report.published[index] as string
    assertSameTree(walk(restored), walk(world.path('rotating', name)), { label: name })
  }
  assert.equal(report.comparison?.differenceCount, 0)
})

test('status and doctor speak of the snapshots that others make', async () => {
  await using vault = await makeVault()
  snapped(vault, 2)
  adopt(vault, 'snapper', snapperPattern)
  await vault.backup()
  const { config, context } = vault
  const found = await status(context, { config, maxAgeMs: 3_600_000 })
  assert.equal(found.safe, true)
  assert.equal(found.sources[0]?.held?.length, 2)
  const examined = await doctor(context, { config, configPath: vault.configFile, remotes: [] })
  const checks = examined.checks.filter(({ area }) => area === 'source home')
  const finding = checks.find(({ name }) => name === 'snapshots')
  assert.match(finding?.words ?? '', /^2 snapshots of others; the newest is /)
  const inside = checks.find(({ name }) => name === 'inside')
  assert.equal(inside?.outcome, 'ok', inside?.words ?? 'nothing')

  // A subvolume that is no snapshot is told of as ever.
  vault.world.sh('btrfs -q subvolume create home/docker')
  const report = await tryBackup(vault)
  assert.match(report.sources[0]?.failures[0]?.message ?? '', /has subvolumes inside.*: docker$/)
})
