// Prune where objects are locked: what is locked stays and is told, what is not goes with all of its
// versions, and nothing errs.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { manifestKey } from '../../src/format/object-key.ts'
import type { Retention } from '../../src/model/lock.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { dayMs } from '../catalog/sample-series.ts'
import { FaultyStore, failNth } from '../support/faulty-store.ts'
import { DeletionScene, series } from './deletion-scene.ts'

class LockedScene extends DeletionScene {
  static async open(): Promise<LockedScene> {
    const clock = new FakeClock(Date.parse('2026-11-21T00:00:00.000Z'))
    const now = () => clock.now()
    return await new LockedScene(clock, new MemoryStore({ now, locks: { mayLift: false } })).begin()
  }

  get lock() {
    const { lock } = this.store
    if (lock === undefined) throw new Error('no locks')
    return lock
  }

  /** Everything of the run, for so many days from now. */
  async lockRun(seq: number, days: number): Promise<void> {
    const until = new Date(this.clock.now() + days * dayMs)
    const retention: Retention = { mode: 'compliance', until }
    const run = seq.toString(16).padStart(32, '0')
    for (const { key, version } of await this.lock.versions('')) {
      const isOfRun = key.includes(run) || key.startsWith(manifestKey(series, seq))
      if (isOfRun) await this.lock.retain({ key, version }, retention)
    }
  }

  async versionsOfRuns(): Promise<number> {
    const all = await this.lock.versions('')
    return all.filter(({ key }) => /^(segments|indexes)\//.test(key)).length
  }
}

/** 1 full, 2 and 3 on it, 4 full, 5 and 6 on it; by `last 2` 1 to 3 go. */
async function scene(): Promise<LockedScene> {
  const made = await LockedScene.open()
  for (const [seq, parent] of [
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 0],
    [5, 4],
    [6, 4],
  ] as const) {
    await made.add(seq, parent)
  }
  return made
}

async function pruned(one: LockedScene) {
  const { remotes, exitStatus } = await one.prune()
  const [found] = remotes.flatMap(remote => remote.series)
  assert.ok(found)
  return { ...found, exitStatus }
}

describe('prune where objects are locked', () => {
  it('leaves a locked backup and all that it is built on, says until when, and takes it then', async () => {
    using one = await scene()
    await one.lockRun(2, 30)
    assert.equal((await one.forget()).places[0]?.forgotten.length, 3)
    one.days(8)
    const first = await pruned(one)
    assert.equal(first.exitStatus, 0)
    assert.deepEqual(first.deleted, [3])
    assert.deepEqual(first.locked, [2, 1])
    assert.equal(first.lockedUntil?.getTime(), one.clock.now() + 22 * dayMs)
    assert.deepEqual(await one.look(), { live: [4, 5, 6], hidden: [1, 2] })
    one.days(23)
    const second = await pruned(one)
    assert.deepEqual([second.deleted, second.locked, second.lockedUntil], [[2, 1], [], null])
    assert.deepEqual(one.runs(), [4, 5, 6])
    assert.equal(await one.versionsOfRuns(), 6)
  })

  it('removes every version and marker of what goes', async () => {
    using one = await scene()
    const [segment] = await one.lock.versions('segments/')
    const old = await one.store.get(segment?.key ?? '')
    await one.store.put(segment?.key ?? '', { bytes: old, sha256: old }, { replace: true })
    await one.forget()
    one.days(8)
    const report = await pruned(one)
    assert.deepEqual(report.deleted, [3, 2, 1])
    assert.equal(report.objectCount, 6)
    assert.equal(await one.versionsOfRuns(), 6)
    const left = (await one.lock.versions('manifests/')).map(({ key }) => key)
    assert.deepEqual(
      left.filter(key => /0000000[123]\.json/.test(key)),
      [],
    )
  })

  it('leaves a locked orphan, and counts it', async () => {
    using one = await scene()
    const [kept, gone] = [await one.orphan(1), await one.orphan(2)]
    const until = new Date(one.clock.now() + 60 * dayMs)
    await one.lock.retain({ key: kept }, { mode: 'governance', until })
    one.days(20)
    const report = await pruned(one)
    assert.deepEqual([report.orphanCount, report.lockedOrphanCount], [1, 1])
    assert.deepEqual(report.lockedUntil, until)
    assert.ok(one.store.objects.has(kept))
    assert.deepEqual(await one.lock.versions(gone), [])
    assert.equal(report.exitStatus, 0)
  })

  it('is finished by the next run wherever it is cut', async () => {
    using base = await scene()
    await base.forget()
    base.days(8)
    const count = await callsOf(base)
    assert.ok(count > 40, `only ${count} calls`)
    for (let n = 0; n < count; n += 3) {
      using one = forkOf(base)
      one.wrap = store =>
        new FaultyStore(store, {
          onCall: failNth(n, { kind: n % 2 ? 'fail-before' : 'fail-after' }),
        })
      await one.prune().catch(() => {})
      one.wrap = store => store
      assert.deepEqual((await one.look()).live, [4, 5, 6], `cut at ${n}`)
      await one.prune()
      assert.equal(await one.versionsOfRuns(), 6, `cut at ${n}`)
      const manifests = await one.lock.versions('manifests/')
      assert.ok(!manifests.some(({ key }) => /0000000[123]\.json/.test(key)), `cut at ${n}`)
    }
  })

  it('hides only, where the credentials may not ask for locks and none are wanted', async () => {
    using one = await scene()
    await one.forget()
    one.days(8)
    const refused = { kind: 'fail-before', error: refusal() } as const
    one.wrap = store =>
      new FaultyStore(store, {
        onCall: ({ operation }) => (operation === 'lock-state' ? refused : undefined),
      })
    const report = await pruned(one)
    assert.deepEqual([report.exitStatus, report.deleted], [0, [3, 2, 1]])
    assert.ok((await one.lock.versions('segments/')).some(({ isMarker }) => isMarker))
  })
})

function refusal(): Error {
  return new Failure('store-refused', 'cannot ask: access denied')
}

async function callsOf(base: LockedScene): Promise<number> {
  using one = forkOf(base)
  let faulty: FaultyStore | undefined
  one.wrap = store => {
    faulty = new FaultyStore(store)
    return faulty
  }
  await one.prune()
  return faulty?.calls.length ?? 0
}

function forkOf(base: LockedScene): LockedScene {
  return new LockedScene(new FakeClock(base.clock.now()), base.store.clone())
}
