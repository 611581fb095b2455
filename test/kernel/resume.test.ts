// A backup is killed in the middle, by SIGKILL and for real, on a real btrfs: the next run gets
// there without help, sends nothing again that was stored, and what comes back is whole.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { makeScene, type Scene } from './scene.ts'
import type { Strike, StruckBackup } from './struck-backup.ts'
import { assertSameTree, walk } from './walk.ts'

const mebibyte = 1024 * 1024
const segmentSizeBytes = 2 * mebibyte
const root = join(import.meta.dirname, '../..')
const firstSegments = { prefix: 'segments/', ending: '' }
const manifest = { prefix: 'manifests/', ending: '.json' }

interface Moment {
  readonly strike: Omit<Strike, 'signal'>
  /** Segments of the run that need not be sent again, at least. */
  readonly keeps: number
}

const moments: Record<string, Moment> = {
  'before the first segment is stored': {
    strike: { ...firstSegments, which: 0, when: 'before' },
    keeps: 0,
  },
  'when three segments are stored': {
    strike: { ...firstSegments, which: 3, when: 'before' },
    keeps: 1,
  },
  'in the middle of an upload': {
    strike: { ...firstSegments, which: 3, when: 'during' },
    keeps: 1,
  },
  'before the index is stored': {
    strike: { prefix: 'indexes/', ending: '', which: 0, when: 'before' },
    keeps: 5,
  },
  'between signature and manifest': { strike: { ...manifest, which: 0, when: 'before' }, keeps: 5 },
}

describe('a backup killed', () => {
  let scene: Scene
  before(async () => {
    scene = await makeScene({
      segmentSizeBytes,
      world: { sizeMiB: 1024, second: { sizeMiB: 1024 } },
    })
  })
  after(async () => {
    await scene?.[Symbol.asyncDispose]()
  })

  let seq = 0
  for (const [name, { strike, keeps }] of Object.entries(moments)) {
    it(`${name} is gone on with by the next run`, async () => {
      scene.mutate(900 + seq, 60)
      addRandom(scene, `big-${seq}`, 12)
      const manifests = manifestsOf(scene)
      const child = startStruck(scene, { ...strike, signal: 'SIGKILL' })
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
      assert.deepEqual(manifestsOf(scene), manifests)
      const { send, walk: expected } = await scene.point()
      seq += 1
      assert.equal(send.seq, seq)
      assert.ok(send.resumedBytes >= keeps * segmentSizeBytes, String(send.resumedBytes))
      assert.equal(manifestsOf(scene).length, manifests.length + 1)
      assert.deepEqual(scene.warnings(), [])
      await assertComesBack(scene, expected)
    })
  }

  it('after its manifest stands is done: the next run has nothing to do', async () => {
    scene.mutate(990, 60)
    const child = startStruck(scene, { ...manifest, which: 0, when: 'after', signal: 'SIGKILL' })
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
    seq += 1
    assert.equal(manifestsOf(scene).length, seq)
    const idle = await scene.backup()
    assert.deepEqual([idle.exitStatus, idle.sources[0]?.sends], [0, []])
    assert.equal(manifestsOf(scene).length, seq)
    const [snapshot = ''] = readdirSync(scene.world.path('.snapshots')).sort().slice(-1)
    await assertComesBack(scene, walk(scene.world.path('.snapshots', snapshot)))
    addRandom(scene, 'afterwards', 1)
    const next = await scene.point()
    seq += 1
    assert.deepEqual([next.send.seq, next.send.resumedBytes], [seq, 0])
    await assertComesBack(scene, next.walk)
  })

  it('and changed before the next run: both points in time are there', async () => {
    addRandom(scene, 'one', 12)
    const strike = { ...firstSegments, which: 3, when: 'before', signal: 'SIGKILL' } as const
    await once(startStruck(scene, strike), 'exit')
    const [cut = ''] = readdirSync(scene.world.path('.snapshots')).sort().slice(-1)
    const first = walk(scene.world.path('.snapshots', cut))
    addRandom(scene, 'two', 1)
    const { sources } = await scene.backup()
    const sends = sources[0]?.sends ?? []
    assert.deepEqual(
      sends.map(send => [send.seq, send.resumedBytes > 0]),
      [
        [seq + 1, true],
        [seq + 2, false],
      ],
    )
    await assertComesBack(scene, first, seq + 1)
    await assertComesBack(scene, walk(scene.world.path('.snapshots', sends[1]?.snapshot ?? '')))
    seq += 2
  })

  it('and its state deleted: the next run begins anew and gets there', async () => {
    addRandom(scene, 'three', 12)
    const strike = { ...firstSegments, which: 3, when: 'before', signal: 'SIGKILL' } as const
    await once(startStruck(scene, strike), 'exit')
    rmSync(scene.config.state, { recursive: true })
    const { send, walk: expected } = await scene.point()
    assert.equal(send.resumedBytes, 0)
    await assertComesBack(scene, expected)
  })
})

describe('between a killed run and the next', () => {
  it('a balance makes the stream another one: what differs is sent anew, and it is told', async () => {
    await using scene = await makeScene({
      segmentSizeBytes: mebibyte,
      world: { sizeMiB: 1024, second: { sizeMiB: 1024 } },
    })
    // Clones first: which of its extents a clone is said to come from depends on where they lie.
    for (let seed = 0; seed < 3; seed += 1) scene.mutate(300 + seed, 200)
    addRandom(scene, 'big', 12)
    const strike = { prefix: 'indexes/', ending: '', which: 0, when: 'before' } as const
    const child = startStruck(scene, { ...strike, signal: 'SIGKILL' }, mebibyte)
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
    scene.world.sh('btrfs balance start --full-balance . >/dev/null')
    const [cut = ''] = readdirSync(scene.world.path('.snapshots'))
    const expected = walk(scene.world.path('.snapshots', cut))
    const report = await scene.backup()
    assert.equal(report.exitStatus, 0)
    assert.match(scene.warnings().join(), /btrfs send wrote another stream than before/)
    await assertComesBack(scene, expected, 1)
    await assertComesBack(scene, expected)
  })
})

describe('two runs at once', () => {
  it('do not meet: one is refused as locked, both end well, and no snapshot in use can go', async () => {
    await using scene = await makeScene({
      segmentSizeBytes: mebibyte,
      world: { sizeMiB: 1024, second: { sizeMiB: 1024 } },
    })
    addRandom(scene, 'big', 4)
    const { send: first } = await scene.point()
    addRandom(scene, 'more', 40)
    const strike = { ...firstSegments, which: 1, when: 'before', signal: 'SIGSTOP' } as const
    const child = startStruck(scene, strike, mebibyte)
    await stopped(child)

    const refused = await scene.backup()
    assert.equal(refused.exitStatus, 11)
    assert.deepEqual(
      refused.sources[0]?.failures.map(({ code }) => code),
      ['locked'],
    )
    // The kernel itself keeps what is being sent and what it is compared with.
    const deleted = scene.world.trySh(
      'btrfs subvolume delete "$1"',
      scene.world.path('.snapshots', first.snapshot),
    )
    assert.notEqual(deleted.status, 0)

    child.kill('SIGCONT')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    const idle = await scene.backup()
    assert.deepEqual([idle.exitStatus, idle.sources[0]?.sends], [0, []])
    assert.equal(manifestsOf(scene).length, 2)
    const [newest = ''] = readdirSync(scene.world.path('.snapshots')).sort().slice(-1)
    await assertComesBack(scene, walk(scene.world.path('.snapshots', newest)))
  })
})

describe('bin/btrvault backup', () => {
  it('killed by SIGKILL, then stopped by SIGINT, is gone on with by the third run', async () => {
    await using scene = await makeScene({
      remoteRules: 'segment_size: 16MiB\n    limit: { up: 60MiB/s }',
      world: { sizeMiB: 1024, second: { sizeMiB: 1024 } },
    })
    addRandom(scene, 'big', 150)
    for (const [signal, segments, ends] of [
      ['SIGKILL', 2, [null, 'SIGKILL']],
      ['SIGINT', 5, [130, null]],
    ] as const) {
      const child = startProgram(scene)
      await until(() => segmentCount(scene) >= segments, child)
      child.kill(signal)
      assert.deepEqual(await once(child, 'exit'), ends)
      assert.deepEqual(manifestsOf(scene), [])
    }
    const child = startProgram(scene)
    const output = collect(child)
    assert.deepEqual(await once(child, 'exit'), [0, null], output.text)
    const report = JSON.parse(output.text)
    const [send] =
      JSON.stringify(report)
        .match(/"resumedBytes":(\d+)/)
        ?.slice(1) ?? []
    assert.ok(Number(send) >= 2 * 16 * mebibyte, output.text)
    assert.equal(manifestsOf(scene).length, 1)
    const [snapshot = ''] = readdirSync(scene.world.path('.snapshots'))
    await assertComesBack(scene, walk(scene.world.path('.snapshots', snapshot)))
  })
})

function startStruck(scene: Scene, strike: Strike, bytes = segmentSizeBytes): ChildProcess {
  const config = scene.world.outside('config.yaml')
  const call: StruckBackup = { config, segmentSizeBytes: bytes, strike }
  const script = join(import.meta.dirname, 'struck-backup.ts')
  return spawn(process.execPath, [script, JSON.stringify(call)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
}

function startProgram(scene: Scene): ChildProcess {
  const args = ['backup', '--json', '--config', scene.world.outside('config.yaml')]
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  return spawn(join(root, 'bin/btrvault'), args, { stdio: [...stdio], timeout: 120_000 })
}

function collect(child: ChildProcess): { text: string } {
  const output = { text: '' }
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
    output.text += piece
  })
  return output
}

/** In the source, of bytes that don't compress, so that a stream has many segments. */
function addRandom(scene: Scene, name: string, mebibytes: number): void {
  const bytes = String(mebibytes * mebibyte)
  scene.world.sh('head -c "$2" /dev/urandom > "home/$1"', name, bytes)
}

function manifestsOf({ repository }: Scene): string[] {
  return filesBelow(join(repository, 'manifests')).filter(name => name.endsWith('.json'))
}

function segmentCount({ repository }: Scene): number {
  return filesBelow(join(repository, 'segments')).filter(name => name.endsWith('.age')).length
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
}

async function until(isSo: () => boolean, child: ChildProcess): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 5) {
    assert.equal(child.exitCode, null, 'it ended too early')
    assert.ok(waitedMs < 60_000, 'it takes too long')
    await delay(5)
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  const status = `/proc/${child.pid}/status`
  await until(() => /^State:\s*T/m.test(readFileSync(status, 'utf8')), child)
}

/** The newest backup, or another, is restored and equals what the walker saw. */
async function assertComesBack(
  scene: Scene,
  expected: ReturnType<typeof walk>,
  id?: number,
): Promise<void> {
  const report = await scene.restore('out', { id })
  assert.equal(report.exitStatus, 0, JSON.stringify(report.comparison))
  assertSameTree(walk(report.published.at(-1) as string), expected, {
    label: `backup ${report.id}`,
  })
}
