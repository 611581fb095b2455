import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { manifestKey, tombstoneKey } from '../../src/format/object-key.ts'
import { FaultyStore, failNth } from '../support/faulty-store.ts'
import { objectOf } from '../support/objects.ts'
import { DeletionScene, series } from './deletion-scene.ts'

/** 1 ← 2, and 3 ← 4 ← 5; the rule keeps 4 and 5, and so 3. */
async function sceneOfFive(): Promise<DeletionScene> {
  const scene = await new DeletionScene().begin()
  for (const [seq, parent] of [
    [1, 0],
    [2, 1],
    [3, 0],
    [4, 3],
    [5, 4],
  ] as const)
    await scene.add(seq, parent)
  return scene
}

describe('forget, undelete and prune', () => {
  it('hides first, deletes after the grace, and remembers for 90 days', async () => {
    using scene = await sceneOfFive()
    const report = await scene.forget()
    assert.deepEqual([report.exitStatus, report.places[0]?.failure], [0, null])
    assert.deepEqual(await scene.look(), { live: [3, 4, 5], hidden: [1, 2] })
    scene.days(6)
    const early = await scene.prune()
    assert.equal(early.exitStatus, 0)
    assert.deepEqual(early.remotes[0]?.series[0]?.waiting, [1, 2])
    assert.deepEqual(await scene.look(), { live: [3, 4, 5], hidden: [1, 2] })
    scene.days(1)
    const done = await scene.prune()
    assert.deepEqual(done.remotes[0]?.series[0]?.deleted, [2, 1])
    assert.deepEqual(
      [await scene.look(), scene.runs()],
      [{ live: [3, 4, 5], hidden: [] }, [3, 4, 5]],
    )
    assert.ok(scene.store.objects.has(tombstoneKey(series, 1)))
    scene.days(90)
    assert.equal((await scene.prune()).remotes[0]?.series[0]?.retiredCount, 2)
    assert.deepEqual(
      [...scene.store.objects.keys()].filter(name => name.includes('tombstone')),
      [],
    )
  })

  it('undelete brings a backup back with what it needs', async () => {
    using scene = await sceneOfFive()
    await scene.forget()
    assert.deepEqual((await scene.undelete([2])).remotes[0]?.undeleted, [1, 2])
    assert.deepEqual(await scene.look(), { live: [1, 2, 3, 4, 5], hidden: [] })
    assert.equal((await scene.undelete([2])).exitStatus, 31)
    await scene.forget()
    assert.deepEqual((await scene.undelete('all')).remotes[0]?.undeleted, [1, 2])
    scene.days(8)
    await scene.prune()
    assert.deepEqual(scene.runs(), [1, 2, 3, 4, 5])
  })

  it('does nothing where the configuration says no-delete, or the clocks differ', async () => {
    using scene = await sceneOfFive()
    assert.equal((await scene.forget({ access: 'no-delete' })).exitStatus, 4)
    scene.wrap = store =>
      Object.assign(new FaultyStore(store), { clock: async () => scene.clock.now() - 400_000 })
    assert.equal((await scene.forget()).exitStatus, 4)
    scene.wrap = store => store
    assert.deepEqual(await scene.look(), { live: [1, 2, 3, 4, 5], hidden: [] })
  })

  it('L9: deletes nothing when a list fails, or a manifest is not what it was', async () => {
    using scene = await sceneOfFive()
    await scene.forget()
    scene.days(8)
    const before = scene.store.objects.size
    for (let n = 0; n < 3; n += 1) {
      scene.wrap = store =>
        new FaultyStore(store, { onCall: failNth(n, { kind: 'fail-after' }, 'list') })
      assert.equal((await scene.prune()).exitStatus, 30)
      assert.equal(scene.store.objects.size, before)
    }
    scene.wrap = store => store
    await scene.store.put(manifestKey(series, 9), objectOf('{}'))
    assert.equal((await scene.prune()).exitStatus, 4)
    assert.equal(scene.store.objects.size, before + 1)
  })

  it('L3: lets a backup live again that a child was made of meanwhile', async () => {
    using scene = await sceneOfFive()
    const child = await scene.write(6, 2)
    await scene.forget()
    await scene.commit(child)
    scene.days(8)
    const report = await scene.prune()
    assert.deepEqual(report.remotes[0]?.series[0]?.revived, [1, 2])
    assert.deepEqual(await scene.look(), { live: [1, 2, 3, 4, 5, 6], hidden: [] })
  })

  it('L4: cut at any call, leaves all that is live whole, and the next run finishes', async () => {
    using whole = await sceneOfFive()
    await whole.orphan(1)
    await whole.forget()
    whole.days(30)
    let cuts = 0
    for (const kind of ['fail-before', 'fail-after'] as const) {
      for (let cut = 0; ; cut += 1) {
        using scene = whole.fork()
        let calls = 0
        scene.wrap = store => {
          const faulty = new FaultyStore(store, {
            onCall: call => {
              calls = call.index
              return call.index === cut ? { kind } : undefined
            },
          })
          return faulty
        }
        await scene.prune()
        if (calls < cut) break
        cuts += 1
        assert.deepEqual((await scene.look()).live, [3, 4, 5])
        scene.wrap = store => store
        assert.equal((await scene.prune()).exitStatus, 0)
        assert.deepEqual((await scene.look()).hidden, [])
        assert.deepEqual(scene.runs(), [3, 4, 5])
        assert.ok(![...scene.store.objects.keys()].some(name => name.includes('/f000')))
      }
    }
    assert.ok(cuts > 40, `${cuts} cuts`)
  })

  it('collects orphans only when they are older than any run', async () => {
    using scene = await sceneOfFive()
    const name = await scene.orphan(1)
    scene.days(13)
    await scene.prune()
    assert.ok(scene.store.objects.has(name))
    scene.days(2)
    assert.equal((await scene.prune()).remotes[0]?.series[0]?.orphanCount, 1)
    assert.ok(!scene.store.objects.has(name))
    assert.deepEqual(await scene.look(), { live: [1, 2, 3, 4, 5], hidden: [] })
  })

  it('whatever writers, forget, undelete and prune do in any order, every backup that is there is whole', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), back: fc.nat(3) }),
      fc.constant({ kind: 'commit' as const }),
      fc.constant({ kind: 'forget' as const }),
      fc.record({ kind: fc.constant('prune' as const), cut: fc.option(fc.nat(30)) }),
      fc.constant({ kind: 'undelete' as const }),
      fc.record({ kind: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 9 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async steps => {
        using scene = await sceneOfFive()
        let last = 5
        const begun: { manifest: Awaited<ReturnType<DeletionScene['write']>>; at: number }[] = []
        for (const one of steps) {
          if (one.kind === 'write') {
            // One writer a series: it holds the source's lock.
            if (begun.length > 0) continue
            const { live } = await scene.look()
            const parent = one.back === 0 ? 0 : (live.at(-one.back) ?? 0)
            last += 1
            begun.push({ manifest: await scene.write(last, parent), at: scene.clock.now() })
          } else if (one.kind === 'commit') {
            const next = begun.shift()
            // No run lasts longer than the grace.
            if (next && scene.clock.now() - next.at < 6 * 86_400_000)
              await scene.commit(next.manifest)
          } else if (one.kind === 'forget') await scene.forget()
          else if (one.kind === 'undelete') await scene.undelete('all')
          else if (one.kind === 'wait') scene.days(one.days)
          else {
            const { cut } = one
            scene.wrap = store =>
              cut === null ? store : new FaultyStore(store, { onCall: failNth(cut) })
            await scene.prune()
            scene.wrap = store => store
          }
          const { live } = await scene.look()
          assert.ok(live.length > 0)
        }
      }),
      { numRuns: 150 },
    )
  })
})
