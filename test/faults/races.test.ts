// Two at once: two processes on one source, and two machines that were given the same signing key
// and so write into one series. There is one commit a number, whoever comes second says so, and its
// next run gets there.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import type { BackupReport } from '../../src/commands/backup.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import type { Store } from '../../src/store/store.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { listed, lookInto, streamOf } from './laws.ts'
import { Stand } from './stand.ts'

const laterClock = { ...systemClock, now: () => Date.now() + 2000 }
let pool: WorkerPool

before(() => {
  pool = new WorkerPool()
})
after(async () => pool.close())

describe('two machines with one signing key', () => {
  it('L2, L5: one backs up in the middle of the other, at each of its store calls', async () => {
    const base = await Stand.make()
    assert.equal((await base.backup()).exitStatus, 0)
    base.btrfs.change(base.source)
    const calls = await callsOf(base)
    assert.ok(calls > 10)
    let collisions = 0
    for (let at = 0; at < calls; at += 1) collisions += await meet(base, at)
    assert.ok(collisions >= 4, `only ${collisions} collisions`)
    base.remove()
  })

  it('L2, L5: both at the same time, on a real directory, five times', async () => {
    const first = await Stand.make('directory')
    const openStore = first.openStore()
    const second = first.fork()
    second.btrfs.renumber(1000)
    const { store } = await openStore(first.config.remotes[0]?.address as never, {
      clock: systemClock,
    })
    const address = first.config.remotes[0]?.address as never
    const shared: typeof openStore = async (_address, options) => await openStore(address, options)
    for (let n = 0; n < 5; n += 1) {
      first.btrfs.change(first.source)
      second.btrfs.change(second.source)
      const clock = { ...systemClock, now: () => Date.now() + n * 5000 }
      const reports = await Promise.all([
        first.backup({ clock }),
        second.backup({ clock, openStore: shared }),
      ])
      for (const report of reports) checkLoser(report)
      const again = { ...systemClock, now: () => Date.now() + n * 5000 + 2000 }
      assert.equal((await first.backup({ clock: again })).exitStatus, 0)
      assert.equal((await second.backup({ clock: again, openStore: shared })).exitStatus, 0)
    }
    const lying = await lookInto(store)
    // Each change of each machine is there once, and under a number of its own.
    assert.equal(lying.manifests.size, 10)
    await listed(first, store, lying)
    await store.close()
    second.remove()
    first.remove()
  })
})

describe('two processes on one source', () => {
  it('at once: one is told that the other holds the lock, or each has its turn', async () => {
    const stand = await Stand.make('directory')
    const outcomes = await Promise.all([1, 2, 3, 4].map(async () => runChild(stand)))
    const statuses = outcomes.map(said => /^done (\d+) /.exec(said)?.[1])
    assert.ok(statuses.includes('0'), outcomes.join())
    assert.ok(
      statuses.every(status => status === '0' || status === '11'),
      outcomes.join(),
    )
    assert.ok(statuses.includes('11'), 'none of them met')
    const { store } = await stand.openStore()(stand.config.remotes[0]?.address as never, {
      clock: systemClock,
    })
    assert.equal((await lookInto(store)).manifests.size, 1)
    await store.close()
    stand.remove()
  })
})

/** The number of store calls of a run that nobody disturbs. */
async function callsOf(base: Stand): Promise<number> {
  const stand = base.fork()
  const store = new FaultyStore(stand.openedStore)
  assert.equal((await stand.backup({ openStore: stand.openStore(() => store) })).exitStatus, 0)
  stand.remove()
  return store.calls.length
}

/** Runs one machine, and the other as a whole before the first one's call `at`. */
async function meet(base: Stand, at: number): Promise<number> {
  const stand = base.fork()
  const other = base.fork()
  other.btrfs.renumber(1000)
  const store: Store = stand.openedStore
  const shared = stand.openStore()
  let theirs: BackupReport | undefined
  const run = async () => {
    theirs = await other.backup({ openStore: shared })
  }
  const onCall = ({ index }: { index: number }) =>
    index === at ? ({ kind: 'run', when: 'before', run } as const) : undefined
  const openStore = stand.openStore(inner => new FaultyStore(inner, { onCall }))
  const ours = await stand.backup({ openStore })
  assert.equal(theirs?.exitStatus, 0, JSON.stringify(theirs?.sources))
  const collided = checkLoser(ours)

  const next = await stand.backup({ clock: laterClock })
  assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
  const lying = await lookInto(store)
  assert.equal(lying.manifests.size, 3, `met at call ${at}`)
  const backups = await listed(stand, store, lying)
  for (const backup of backups) await streamOf(stand, store, { backup, backups, pool })
  stand.remove()
  other.remove()
  return collided ? 1 : 0
}

/** True when it came second and said so. */
function checkLoser({ exitStatus, sources }: BackupReport): boolean {
  const [source] = sources
  if (exitStatus === 0) {
    assert.equal(source?.sends.length, 1)
    return false
  }
  assert.equal(exitStatus, 4, JSON.stringify(sources))
  assert.deepEqual(source?.sends, [])
  assert.match(source?.failures[0]?.message ?? '', /another writer took its number/)
  assert.match(source?.failures[0]?.hint ?? '', /run backup again/)
  return true
}

async function runChild(stand: Stand): Promise<string> {
  const runner = new URL('runner.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [runner, stand.root, '1000000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await once(child, 'close')
  return said
}
