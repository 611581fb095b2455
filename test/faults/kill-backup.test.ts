// A backup whose process is killed, by a signal that nobody can catch, in real child processes on
// a real directory store; every lock, descriptor and buffer that it had is gone with it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import type { Store } from '../../src/store/store.ts'
import { checkConverged, checkSnapshots, checkStored, listed, lookInto } from './laws.ts'
import { Stand } from './stand.ts'

const kills = 24
const runObjects = 3
/** A name with the second in it is free again by then. */
const laterClock = { ...systemClock, now: () => Date.now() + 2000 }
let pool: WorkerPool

before(() => {
  pool = new WorkerPool()
})
after(async () => pool.close())

describe('a backup that is killed:', { concurrency: 2 }, () => {
  for (const kind of ['full', 'incremental'] as const) {
    it(`L1–L7, L11: ${kind}, ${kills} times by SIGKILL, spread over all its effects`, async () => {
      const base = await Stand.make('directory')
      try {
        if (kind === 'incremental') {
          assert.equal((await base.backup()).exitStatus, 0)
          base.btrfs.change(base.source)
        }
        const total = await effectsOf(base)
        assert.ok(total > 40, `only ${total} effects`)
        for (let n = 0; n < kills; n += 1) await kill(base, Math.floor((n * total) / kills))
      } finally {
        base.remove()
      }
    })
  }
})

async function effectsOf(base: Stand): Promise<number> {
  const stand = base.fork()
  const { said } = await run(stand, 1_000_000)
  stand.remove()
  assert.match(said, /^done 0 \d+\n$/)
  return Number(said.split(' ')[2])
}

async function kill(base: Stand, at: number): Promise<void> {
  const stand = base.fork()
  const { store } = await stand.openStore()(stand.config.remotes[0]?.address as never, {
    clock: systemClock,
  })
  try {
    const before = await lookInto(store)
    const { said, signal } = await run(stand, at)
    assert.deepEqual([said, signal], ['', 'SIGKILL'], 'it was not killed')
    await goOn(stand, store, before)
  } catch (error) {
    throw new Error(`killed before effect ${at}: ${(error as Error).message}`, { cause: error })
  } finally {
    await store.close()
    stand.remove()
  }
}

async function goOn(stand: Stand, store: Store, before: Awaited<ReturnType<typeof lookInto>>) {
  const lying = await lookInto(store)
  checkStored(before, lying)
  checkSnapshots(stand, lying)
  await listed(stand, store, lying)
  const next = await stand.backup({ clock: laterClock })
  assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
  const count = before.manifests.size + 1
  await checkConverged(stand, store, { count, orphans: runObjects, pool })
}

async function run(stand: Stand, at: number) {
  const runner = new URL('runner.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [runner, stand.root, String(at)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { said, signal }
}
