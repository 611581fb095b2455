// plan against a real btrfs: it says what backup then does, and changes nothing.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { test } from 'node:test'
import { loadJournal } from '../../src/catalog/journal.ts'
import { journalPath } from '../../src/catalog/local-state.ts'
import { plainPaint } from '../../src/cli/colour.ts'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { type PlannedStep, plan } from '../../src/commands/plan.ts'
import type { Config } from '../../src/config/config.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import { makeScene, type Scene } from '../kernel/scene.ts'

const view = { paint: plainPaint, width: 80, verbose: false }

async function stepsOf({ context, config }: Scene): Promise<readonly PlannedStep[]> {
  const report = await plan(context, { config, sources: [] })
  assert.equal(report.exitStatus, 0, JSON.stringify(report))
  return report.sources[0]?.steps ?? []
}

function sendOf(steps: readonly PlannedStep[]) {
  const send = steps.find(step => step.kind === 'send')
  assert.ok(send?.kind === 'send')
  return send
}

/** Names, sizes and times of everything that the program keeps, and all subvolumes. */
function everything({ world }: Scene): string {
  const files = world.shOutside('find . -xdev ! -name "*.img" -printf "%p %s %T@ %C@\\n" | sort')
  return `${files}\n${world.sh('btrfs subvolume list -u . && find . -xdev | sort')}`
}

test('plan says what backup then does, and why, and changes nothing', async () => {
  await using scene = await makeScene()
  const { world } = scene
  world.sh('head -c 20M /dev/urandom > home/big; truncate -s 50M home/holes; echo small > home/a')
  const before = everything(scene)

  const first = await stepsOf(scene)
  assert.equal(everything(scene), before, 'plan changed something')
  assert.equal(existsSync(world.path('.snapshots')), false)
  assert.deepEqual(
    first.map(({ kind, because }) => [kind, because]),
    [
      ['snapshot', 'there is no snapshot yet'],
      ['send', 'there is no backup yet'],
    ],
  )
  assert.equal(sendOf(first).makes, 'full')
  const full = sendOf(first).estimate
  assert.equal(full?.dataBytes, 20 * 1024 * 1024 + 6, 'holes count, or data does not')

  const { send } = await scene.point()
  assert.equal(send.makes, 'full')
  assert.ok(Math.abs(send.readBytes - (full?.dataBytes ?? 0)) < 100_000)
  assert.deepEqual(await stepsOf(scene), [])

  world.sh('head -c 3M /dev/urandom > home/new; rm home/a')
  const second = await stepsOf(scene)
  assert.deepEqual(
    second.map(({ kind, because }) => [kind, because]),
    [
      ['snapshot', 'the source changed'],
      ['send', 'the source changed'],
      ['release', 'no later backup needs it'],
    ],
  )
  assert.equal(sendOf(second).estimate?.dataBytes, 3 * 1024 * 1024)
  assert.deepEqual(
    sendOf(second).parents.map(({ seq }) => seq),
    [1],
  )
  const done = await scene.backup()
  assert.equal(done.sources[0]?.sends[0]?.makes, sendOf(second).makes)
  const [release] = second.filter(step => step.kind === 'release')
  assert.deepEqual(done.sources[0]?.released, [release?.kind === 'release' && release.path])
})

test('plan names a remote that cannot be looked at, and plans for the others', async () => {
  await using scene = await makeScene()
  const { config, context } = scene
  scene.world.sh('echo small > home/a')
  const report = await plan(context, { config: withAbsentRemote(config), sources: ['home'] })
  assert.equal(report.exitStatus, 3)
  const [home] = report.sources
  assert.deepEqual(
    home?.failures.map(({ remote, code }) => [remote, code]),
    [['absent', 'repository-missing']],
  )
  assert.deepEqual(
    home?.steps.map(({ kind }) => kind),
    ['snapshot', 'send'],
  )
  const lines = planReportLines(report, view).join('\n')
  assert.match(lines, /✗ absent: cannot use \/absent/)
  assert.match(lines, /send to there: full backup\n/)
})

test('plan refuses, with status 4, what backup would refuse', async () => {
  await using scene = await makeScene()
  scene.world.sh('btrfs subvolume create home/inner >/dev/null')
  const { config, context } = scene
  const report = await plan(context, { config, sources: [] })
  assert.equal(report.exitStatus, 4)
  assert.match(report.sources[0]?.failures[0]?.message ?? '', /subvolumes inside.*: inner$/)
  assert.deepEqual(report.sources[0]?.steps, [])
  await assert.rejects(plan(context, { config, sources: ['hoem'] }), /no source has that name/)
})

test('plan tells what an interrupted run has stored already', async () => {
  await using scene = await makeScene({ segmentSizeBytes: 4 * 1024 * 1024 })
  const { world, context, config } = scene
  world.sh('head -c 24M /dev/urandom > home/big')
  const stop = new AbortController()
  const emit: typeof context.emit = event => {
    if (event.kind === 'progress' && event.storedBytes > 9_000_000) stop.abort()
  }
  const cut = { ...context, emit, signal: stop.signal }
  await assert.rejects(scene.backup({ context: cut }), { code: 'interrupted' })
  const path = journalPath(config.state, 'home' as Config['sources'][number]['name'], 'there')

  const steps = await stepsOf(scene)
  const send = sendOf(steps)
  assert.equal(send.because, 'an earlier run was cut short')
  const stored = [...((await loadJournal(path))?.segments.values() ?? [])]
  assert.ok(stored.length >= 2)
  assert.equal(send.estimate?.storedBytes, stored.length * 4 * 1024 * 1024)
  const report = await plan(context, { config, sources: [] })
  assert.match(
    planReportLines(report, view)
      .join('\n')
      .replaceAll(/\n[│ ]+/g, ' '),
    /about 24\.0 MiB .*, .* MiB of it stored already/,
  )
})

test('a plan is not called empty when the folder of the snapshots cannot be read (L9)', async () => {
  await using scene = await makeScene()
  const { world, context, config } = scene
  world.sh('echo small > home/a')
  await scene.point()
  renameSync(world.path('.snapshots'), world.path('away'))
  execFileSync('touch', [world.path('.snapshots')])
  const report = await plan(context, { config, sources: [] })
  assert.equal(report.exitStatus, 20)
  assert.match(report.sources[0]?.failures[0]?.message ?? '', /not a directory/)
})

function withAbsentRemote(config: Config): Config {
  const [there] = config.remotes
  const [home] = config.sources
  assert.ok(there && home)
  const absent = {
    ...there,
    name: 'absent',
    address: { kind: 'directory', path: '/absent' },
  } as const
  return {
    ...config,
    remotes: [there, absent],
    sources: [
      {
        ...home,
        remotes: [...home.remotes, { remote: 'absent', ruleSets: [soleRuleSet(keepEverything)] }],
      },
    ],
  }
}
