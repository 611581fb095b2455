// What plan says that a send takes, and what a lost parent costs, held against what btrfs itself
// says of the same difference: `btrfs send --no-data`.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { backup } from '../../src/commands/backup.ts'
import { type PlanReport, plan } from '../../src/commands/plan.ts'
import { keepEverything, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import { wide } from '../cli/showing.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const mebibyte = 1024 * 1024
let vault: Vault
const names: string[] = []

before(async () => {
  vault = await makeVault()
  withPolicy(keepEverything)
  await step('big', 8)
  await step('second', 2)
  vault.write('third', randomBytes(mebibyte))
})
after(async () => vault?.world.destroy())

function withPolicy(policy: typeof keepEverything): void {
  const { config } = vault
  const keep = parseKeepRule('last 9') ?? null
  const remotes = [{ remote: 'disk', ruleSets: [soleRuleSet(policy)] }]
  const sources = config.sources.map(one => ({
    ...one,
    snapshots: { ...one.snapshots, keep },
    remotes,
  }))
  vault.config = { ...config, sources }
}

async function step(name: string, mebibytes: number): Promise<void> {
  vault.write(name, randomBytes(mebibytes * mebibyte))
  const report = await vault.backup()
  const made = report.sources[0]?.sends[0]?.snapshot
  assert.ok(made)
  names.push(join(vault.world.path('.snapshots-home'), made))
}

async function planned(): Promise<PlanReport> {
  return await plan(vault.context, { config: vault.config, sources: [] })
}

function sendIn(report: PlanReport) {
  const send = report.sources[0]?.steps.find(({ kind }) => kind === 'send')
  assert.ok(send?.kind === 'send')
  return send
}

/** What the report says in one line, whatever its width. */
function said(report: PlanReport): string {
  return planReportLines(report, wide)
    .map(line => line.replace(/^[│├└─ ]+/, ''))
    .join(' ')
}

/** File data of a difference, as the commands of a stream without data tell it. */
function byNoData(parent: string | undefined): number {
  const { world } = vault
  const probe = world.path('probe')
  const dump = world.sh(
    `btrfs -q subvolume snapshot -r "$1" "$2"; trap 'btrfs -q subvolume delete "$2"' EXIT
     btrfs send -q --no-data $3 "$2" | btrfs receive --dump`,
    world.path('home'),
    probe,
    parent === undefined ? '' : `-p ${parent}`,
  )
  const lengths = [...dump.matchAll(/^update_extent .* len=(\d+)/gm)]
  return lengths.reduce((sum, [, length]) => sum + Number(length), 0)
}

test('a difference, and what it comes to when its parent is lost, are what btrfs says', async () => {
  const report = await planned()
  const { parents, estimate } = sendIn(report)
  assert.deepEqual(
    parents.map(({ seq }) => seq),
    [2, 1],
  )
  assert.equal(estimate?.dataBytes, mebibyte)
  assert.deepEqual(estimate.instead, [
    { parent: 1, dataBytes: 3 * mebibyte },
    { parent: null, dataBytes: 11 * mebibyte },
  ])
  const [first, second] = names
  assert.deepEqual([second, first, undefined].map(byNoData), [
    mebibyte,
    3 * mebibyte,
    11 * mebibyte,
  ])
  assert.match(
    said(report),
    /about 1\.00 MiB of file data, before compression; if that backup's snapshot were lost here, 3\.00 MiB from backup 1, or 11\.0 MiB in full/,
  )
})

test('what was said of a loss is what is planned when it happens', async () => {
  vault.world.sh('btrfs -q subvolume delete "$1"', names[1] ?? '')
  const { parents, estimate } = sendIn(await planned())
  assert.deepEqual(
    parents.map(({ seq }) => seq),
    [1],
  )
  assert.equal(estimate?.dataBytes, 3 * mebibyte)
  assert.deepEqual(estimate.instead, [{ parent: null, dataBytes: 11 * mebibyte }])
})

test('a full that no rule asks for is told, and that it will be refused', async () => {
  vault.world.sh('btrfs -q subvolume delete "$1"', names[0] ?? '')
  const report = await planned()
  const { makes, estimate } = sendIn(report)
  assert.deepEqual([makes, estimate?.dataBytes, estimate?.instead], ['full', 11 * mebibyte, []])
  assert.match(
    said(report),
    /in full because nothing is left here that it could be a difference from/,
  )
  withPolicy({ ...keepEverything, allowFullBytes: 5 * mebibyte })
  assert.match(said(await planned()), /more than allow_full, 5\.00 MiB, so it is refused/)
  const { config, context } = vault
  const refused = await backup(context, { config, sources: [], dryRun: false, check: false })
  assert.equal(refused.exitStatus, 4)
  assert.match(refused.sources[0]?.failures[0]?.message ?? '', /about 11\.0 MiB is not allowed/)
})

test('with leave, the full has as many bytes as plan said', async () => {
  withPolicy(keepEverything)
  const expected = sendIn(await planned()).estimate?.dataBytes ?? 0
  const report = await vault.backup()
  const sent = report.sources[0]?.sends[0]
  assert.equal(sent?.makes, 'full')
  assert.ok(Math.abs((sent?.readBytes ?? 0) - expected) < 100_000)
})
