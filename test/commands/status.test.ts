// status against real repositories: what it calls safe, and that nothing unseen passes for safe.

import assert from 'node:assert/strict'
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plainPaint } from '../../src/cli/colour.ts'
import { statusLines } from '../../src/cli/verbs/status.ts'
import { widthOf } from '../../src/cli/width.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { type StatusReport, status } from '../../src/commands/status.ts'
import type { Config } from '../../src/config/config.ts'
import { makeScene, type Scene } from '../kernel/scene.ts'

const hourMs = 3_600_000
const view = { paint: plainPaint, width: 80, verbose: false }

async function statusOf(
  { context, config }: Scene,
  { laterMs = 0, ...changes }: Partial<Config> & { laterMs?: number } = {},
): Promise<StatusReport> {
  const clock: Context['clock'] = { ...context.clock, now: () => context.clock.now() + laterMs }
  return await status(
    { ...context, clock },
    { config: { ...config, ...changes }, maxAgeMs: 36 * hourMs },
  )
}

function placeOf(report: StatusReport) {
  const [place] = report.sources[0]?.places ?? []
  assert.ok(place)
  return place
}

/** Lines are broken at blanks, and indented. */
function unwrapped(text: string): string {
  return text.replaceAll(/\n {2}(?=\S)/g, ' ')
}

function manifestFiles({ repository }: Scene): string[] {
  const folder = join(repository, 'manifests')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter(name => /json(\.sig)?$/.test(name)).map(name => join(folder, name))
}

test('status tells what is safe, since when, and what is not', async () => {
  await using scene = await makeScene()
  const { world } = scene
  world.sh('head -c 3M /dev/urandom > home/a')
  const none = await statusOf(scene)
  assert.equal(none.exitStatus, 3)
  assert.equal(placeOf(none).safety, 'none')
  assert.match(statusLines(none, view)[0] ?? '', /^✗ Not everything is safe: 1 without a backup$/)

  await scene.point()
  const current = await statusOf(scene, { laterMs: 1000 * hourMs })
  assert.equal(current.exitStatus, 0, 'a backup of what is there now does not grow old')
  assert.equal(placeOf(current).changedSince, false)
  assert.match(statusLines(current, view)[0] ?? '', /^✓ Everything is safe: .* at most 41 d old$/)

  world.sh('echo more > home/b')
  const young = await statusOf(scene, { laterMs: 35 * hourMs })
  assert.deepEqual([young.exitStatus, placeOf(young).changedSince], [0, true])
  const stale = await statusOf(scene, { laterMs: 37 * hourMs })
  assert.deepEqual([stale.exitStatus, placeOf(stale).safety], [3, 'stale'])
  assert.match(
    statusLines(stale, view).join('\n'),
    /newest backup is 37 h old, and the\s+source changed/,
  )

  await scene.point()
  const two = placeOf(await statusOf(scene))
  assert.deepEqual([two.newest?.id, two.newest?.chainLength, two.backupCount], [2, 2, 2])
  const stored = world.shOutside('cat repository/segments/*/*/* repository/indexes/*/*/* | wc -c')
  assert.equal(two.storedBytes, Number(stored))
  const [home] = (await statusOf(scene)).sources
  assert.equal(home?.held?.length, 1)
})

test('a remote that cannot be reached is never shown as empty, nor as safe (L9)', async () => {
  await using scene = await makeScene()
  scene.world.sh('echo small > home/a')
  await scene.point()
  renameSync(scene.repository, `${scene.repository}.away`)
  const report = await statusOf(scene)
  const place = placeOf(report)
  assert.equal(report.exitStatus, 3)
  assert.deepEqual(
    [place.safety, place.newest, place.failure?.code],
    ['unknown', null, 'repository-missing'],
  )
  const text = statusLines(report, view).join('\n')
  assert.match(text, /1 could not be looked at/)
  assert.match(text, /\n\? +home +there +unknown\n/)
  assert.doesNotMatch(text, /no backup/)
})

for (const [what, spoil, kind] of [
  ['vanished', (files: string[]) => files.forEach(file => rmSync(file)), 'vanished'],
  [
    'lost its signature',
    (files: string[]) => rmSync(files.find(file => file.endsWith('.sig')) as string),
    'signature-missing',
  ],
  [
    'was altered',
    (files: string[]) => writeFileSync(files.find(file => file.endsWith('.json')) as string, '{}'),
    'untrusted',
  ],
] as const) {
  test(`status is not well when a backup ${what}`, async () => {
    await using scene = await makeScene()
    scene.world.sh('echo small > home/a')
    await scene.point()
    scene.world.sh('echo more > home/b')
    await scene.point()
    spoil(manifestFiles(scene).filter(file => file.includes('2.json')))
    // The cache would answer for what was altered; that it vanished is noticed with its help alone.
    if (kind !== 'vanished') rmSync(join(scene.config.state, 'cache'), { recursive: true })
    const report = await statusOf(scene)
    const place = placeOf(report)
    assert.deepEqual([report.exitStatus, place.safety], [3, 'damaged'])
    assert.deepEqual(
      place.problems.map(problem => problem.kind),
      [kind],
    )
    assert.match(statusLines(report, view)[0] ?? '', /1 with problems/)
  })
}

test('a source that cannot be looked at is not safe', async () => {
  await using scene = await makeScene()
  scene.world.sh('echo small > home/a')
  await scene.point()
  const [home] = scene.config.sources
  assert.ok(home)
  const report = await statusOf(scene, { sources: [{ ...home, path: scene.world.path('gone') }] })
  assert.equal(report.exitStatus, 3)
  assert.equal(report.sources[0]?.failure?.code, 'btrfs-failed')
  assert.equal(placeOf(report).changedSince, null)
  assert.match(statusLines(report, view)[0] ?? '', /1 source out of reach/)
})

test('without root, status tells what it cannot look at', async () => {
  await using scene = await makeScene()
  scene.world.sh('echo small > home/a')
  await scene.point()
  chmodSync(scene.world.folder, 0o755)
  process.setegid?.(65_534)
  process.seteuid?.(65_534)
  let report: StatusReport
  try {
    report = await statusOf(scene)
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
  assert.equal(report.exitStatus, 3)
  assert.equal(placeOf(report).safety, 'unknown')
  const text = statusLines(report, view).join('\n')
  assert.match(text, /permission denied|EACCES|may not/)
  assert.match(text, /hint: /)
})

test('status tells of an interrupted run, of a proof that is missing, and changes nothing', async () => {
  await using scene = await makeScene({ segmentSizeBytes: 4 * 1024 * 1024 })
  const { world, context } = scene
  world.sh('head -c 24M /dev/urandom > home/big')
  const stop = new AbortController()
  const events = (event: Parameters<Context['emit']>[0]) => {
    if (event.kind === 'progress' && event.storedBytes > 9_000_000) stop.abort()
  }
  const cut = { ...context, emit: events, signal: stop.signal }
  await assert.rejects(scene.backup({ context: cut }), { code: 'interrupted' })
  rmSync(join(scene.config.state, 'remotes'), { recursive: true })
  const list = () =>
    world.shOutside('find . -xdev ! -name "*.img" -printf "%p %s %T@ %C@\\n" | sort')
  const before = list()
  const report = await statusOf(scene)
  assert.equal(list(), before, 'status changed something')
  const { unfinished } = placeOf(report)
  assert.ok(unfinished && unfinished.segmentCount >= 2, JSON.stringify(unfinished))
  const text = statusLines(report, view).join('\n')
  assert.match(
    unwrapped(text),
    /an interrupted run has stored .* \(\d segments\); the next one goes on/,
  )
  assert.match(unwrapped(text), /! there: nobody has shown yet that an identity can open/)
  for (const line of text.split('\n')) assert.ok(widthOf(line) <= 80, line)
})
