// status of a source with several epochs on a remote: one that stopped is seen, though another goes on.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { plainPaint } from '../../src/cli/colour.ts'
import { statusLines } from '../../src/cli/verbs/status.ts'
import { widthOf } from '../../src/cli/width.ts'
import { backup } from '../../src/commands/backup.ts'
import { type StatusReport, status } from '../../src/commands/status.ts'
import type { RuleSet } from '../../src/model/policy.ts'
import { rulesOf } from '../plan/epoch-scenarios.ts'
import { makeVault, type Vault } from '../support/vault.ts'
import { type Dates, onClock } from '../support/virtual-dates.ts'

const hourMs = 3_600_000
const monthly = rulesOf('monthly 12m')
const daily = rulesOf('daily<monthly 30d')

let vault: Vault
let clock: FakeClock
let dates: Dates

beforeEach(async () => {
  vault = await makeVault()
  clock = new FakeClock(Date.parse('2026-09-01T03:00Z'))
  dates = new Map()
})
afterEach(async () => vault[Symbol.asyncDispose]())

function use(...ruleSets: readonly RuleSet[]): void {
  const remotes = [{ remote: 'disk', ruleSets }]
  const sources = vault.config.sources.map(source => ({ ...source, remotes }))
  vault.config = { ...vault.config, sources }
}

function moveTo(time: string): void {
  clock.advance(Date.parse(`2026-${time}Z`) - clock.now())
}

async function backupOn(time: string): Promise<void> {
  moveTo(time)
  vault.write('diary', time)
  const options = { config: vault.config, sources: [], dryRun: false, check: true, forget: false }
  const report = await backup(onClock(vault.context, clock, dates), options)
  assert.equal(report.exitStatus, 0, JSON.stringify(report.sources))
}

async function statusOn(time: string): Promise<StatusReport> {
  moveTo(time)
  const context = onClock(vault.context, clock, dates)
  return await status(context, { config: vault.config, maxAgeMs: 36 * hourMs })
}

function placeOf({ sources }: StatusReport) {
  const [place] = sources[0]?.places ?? []
  assert.ok(place)
  return place
}

/** Name, safety, newest backup and whose it is, backups of its own. */
function epochsOf(report: StatusReport) {
  return placeOf(report).epochs.map(({ name, safety, newest, backupCount }) => [
    name,
    safety,
    newest?.id ?? null,
    newest?.epoch?.name ?? null,
    backupCount,
  ])
}

function linesOf(report: StatusReport, width = 100): string[] {
  return statusLines(report, { paint: plainPaint, width, verbose: false })
}

describe('status of several epochs on a remote', () => {
  it('a backup counts for the epochs that branch from its own', async () => {
    use(monthly, daily)
    await backupOn('09-01T03:00')
    const first = await statusOn('09-01T05:00')
    assert.equal(first.exitStatus, 0)
    assert.deepEqual(epochsOf(first), [
      ['monthly', 'safe', 1, 'monthly', 1],
      ['daily', 'safe', 1, 'monthly', 0],
    ])
    await backupOn('09-02T03:00')
    const second = await statusOn('09-02T05:00')
    assert.deepEqual(epochsOf(second), [
      ['monthly', 'safe', 1, 'monthly', 1],
      ['daily', 'safe', 2, 'daily', 1],
    ])
    assert.deepEqual(
      placeOf(second).epochs.map(({ dueSince }) => dueSince),
      [null, null],
    )
    const [, head, total, ...epochs] = linesOf(second).filter(line => line !== '')
    assert.match(head ?? '', /^ +source +remote +safe as of /)
    assert.match(total ?? '', /^✓ +home +disk +2026-09-02 03:00 .* 2 +2 /)
    assert.match(epochs[0] ?? '', /^✓ +monthly +2026-09-01 03:00 +26 h +changed +1 +1 /)
    assert.match(epochs[1] ?? '', /^✓ +daily +2026-09-02 03:00 +2 h +nothing +1 +2 /)
  })

  it('a monthly one that stopped is too old a while after its month, though daily ones go on', async () => {
    use(monthly, daily)
    await backupOn('09-01T03:00')
    use(daily)
    for (const date of ['09-30', '10-01', '10-02']) await backupOn(`${date}T03:00`)
    vault.write('diary', 'changed')
    use(monthly, daily)
    const soon = await statusOn('10-02T11:00')
    assert.deepEqual([soon.exitStatus, placeOf(soon).safety], [0, 'safe'])
    assert.deepEqual(placeOf(soon).epochs[0]?.dueSince, new Date('2026-10-01T00:00Z'))
    const late = await statusOn('10-02T13:00')
    assert.deepEqual([late.exitStatus, placeOf(late).safety], [3, 'stale'])
    assert.deepEqual(epochsOf(late), [
      ['monthly', 'stale', 1, 'monthly', 1],
      ['daily', 'safe', 4, 'daily', 3],
    ])
    const text = linesOf(late).join('\n').replaceAll(/\s+/g, ' ')
    assert.match(text, /^✗ Not everything is safe: 1 too old /)
    assert.match(text, /✗ monthly 2026-09-01 03:00 31 d changed/)
    assert.match(
      text,
      /backup for the epoch monthly is 31 d old, the next one is due since 2026-10-01 00:00, and the source changed/,
    )
    for (const line of linesOf(late, 80)) assert.ok(widthOf(line) <= 80, line)
    await backupOn('10-02T13:00')
    assert.equal((await statusOn('10-02T13:00')).exitStatus, 0)
  })

  it('one whose month is over is safe while the source is what it holds', async () => {
    use(monthly, daily)
    await backupOn('09-01T03:00')
    const report = await statusOn('11-05T03:00')
    assert.equal(report.exitStatus, 0)
    assert.deepEqual(
      placeOf(report).epochs.map(({ safety, changedSince }) => [safety, changedSince]),
      [
        ['safe', false],
        ['safe', false],
      ],
    )
  })

  it('an epoch that has nothing yet is not safe', async () => {
    use(daily)
    await backupOn('09-01T03:00')
    use(rulesOf('yearly 3y'), daily)
    const report = await statusOn('09-01T05:00')
    assert.deepEqual([report.exitStatus, placeOf(report).safety], [3, 'none'])
    const text = linesOf(report).join('\n')
    assert.match(text, /✗ +yearly +no backup\n✓ +daily /)
    assert.match(text, /home on disk: there is no backup for the epoch yearly yet/)
    assert.doesNotMatch(text, /no backup of it yet/)
  })

  it('with one set of rules there is nothing to tell apart', async () => {
    use(daily)
    await backupOn('09-01T03:00')
    const report = await statusOn('09-01T05:00')
    assert.deepEqual(placeOf(report).epochs, [])
    assert.doesNotMatch(linesOf(report).join('\n'), /epoch|daily/)
  })
})
