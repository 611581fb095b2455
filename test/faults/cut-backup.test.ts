// A backup is cut at every effect that it has on the world, in three ways; whatever was cut, the
// laws hold, and the next run gets there without help.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { isFailure } from '../../src/base/failure.ts'
import { loadJournal } from '../../src/catalog/journal.ts'
import type { BackupReport } from '../../src/commands/backup.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import type { Store } from '../../src/store/store.ts'
import { type Cut, type Effect, Effects } from './effects.ts'
import { checkConverged, checkSnapshots, checkStored, listed, lookInto } from './laws.ts'
import { Stand } from './stand.ts'

const runObjects = 3

/** A name with the second in it is free again by then. */
const laterClock = { ...systemClock, now: () => Date.now() + 2000 }
let pool: WorkerPool

before(() => {
  pool = new WorkerPool()
})
after(async () => pool.close())

describe('a backup that is cut, in this process:', { concurrency: 3 }, () => {
  for (const [kind, begin] of [
    ['full', emptyStand],
    ['incremental', standWithBackups],
  ] as const) {
    it(`L1–L7, L11: ${kind}, at every store call, call of btrfs and write of state`, async () => {
      const base = await begin()
      try {
        const effects = await undisturbed(base)
        const cuts = cutsOf(effects)
        assert.ok(cuts.length > 75, `only ${cuts.length} cuts`)
        await eachOf(cuts, 3, async cut => cutAndGoOn(base, cut, effects[cut.at] as Effect))
      } finally {
        base.remove()
      }
    })
  }
})

describe('a store that loses what it took:', () => {
  for (const [role, code] of [
    ['segments', 31],
    ['indexes', 31],
  ] as const) {
    it(`L2: ${role} are missed before a manifest names them`, async () => {
      const stand = await Stand.make()
      const store = stand.openedStore
      const put = store.put.bind(store)
      store.put = async (key, object, options) => {
        if (!key.startsWith(role)) await put(key, object, options)
      }
      const report = await stand.backup()
      assert.equal(report.exitStatus, code, JSON.stringify(report.sources))
      assert.match(report.sources[0]?.failures[0]?.hint ?? '', /do not rely on it/)
      const { hashes } = await lookInto(store)
      assert.ok(![...hashes.keys()].some(key => key.startsWith('manifests/')))
      stand.remove()
    })
  }
})

async function emptyStand(): Promise<Stand> {
  return await Stand.make()
}

async function standWithBackups(): Promise<Stand> {
  const stand = await Stand.make()
  for (let n = 0; n < 2; n += 1) {
    assert.equal((await stand.backup()).exitStatus, 0)
    stand.btrfs.change(stand.source)
  }
  return stand
}

/** The effects of a run that nothing happens to. */
async function undisturbed(base: Stand): Promise<readonly Effect[]> {
  const stand = base.fork()
  const effects = new Effects()
  assert.equal((await run(stand, effects)).exitStatus, 0)
  stand.remove()
  return effects.seen
}

async function run(stand: Stand, effects: Effects): Promise<BackupReport> {
  using _ = effects.files(stand.state)
  return await stand.backup({
    btrfs: effects.btrfs(stand.btrfs),
    openStore: stand.openStore(store => effects.store(store)),
  })
}

function cutsOf(effects: readonly Effect[]): Cut[] {
  return effects.flatMap(({ where }, at): Cut[] => {
    const before: Cut = { at, when: 'before', how: 'error' }
    const after: Cut = { at, when: 'after', how: 'error' }
    const dead: Cut = { at, when: 'before', how: 'dead' }
    // Of a file, what is after one call is before the next.
    return where === 'file' ? [before] : where === 'btrfs' ? [before, after] : [before, after, dead]
  })
}

async function cutAndGoOn(base: Stand, cut: Cut, effect: Effect): Promise<void> {
  const what = `${cut.how} ${cut.when} effect ${cut.at}: ${effect.where} ${effect.name}`
  const stand = base.fork()
  const store = stand.store as Store
  try {
    const before = await lookInto(store)
    const effects = new Effects(cut)
    const outcome = await run(stand, effects).catch((error: unknown) => error)
    assert.ok(effects.wasCut, 'the run never got to the cut')
    const lying = await lookInto(store)
    checkStored(before, lying)
    checkSnapshots(stand, lying)
    await listed(stand, store, lying)
    const isCommitted = lying.manifests.size > before.manifests.size
    // The manifest stands, and its store never said so: nobody can know.
    const isUnheard = effect.name.endsWith('.json') && cut.when === 'after'
    if (!isUnheard) checkOutcome(outcome, isCommitted)

    // Some find the source changed in between, others just as it was.
    const isChanged = cut.how === 'dead' || (effect.where === 'file' && cut.at % 2 === 1)
    const isBegun = isCommitted || (await hasJournal(stand))
    if (isChanged) stand.btrfs.change(stand.source)
    const next = await stand.backup({ clock: laterClock })
    assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
    const count = before.manifests.size + (isChanged && isBegun ? 2 : 1)
    await checkConverged(stand, store, { count, orphans: runObjects, pool })
    if (cut.at % 5 !== 0) return
    const idle = await stand.backup()
    assert.deepEqual(
      [idle.exitStatus, idle.sources[0]?.plan.steps],
      [0, []],
      'a third run is not idle',
    )
  } catch (error) {
    throw new Error(`cut by ${what}`, { cause: error })
  } finally {
    stand.remove()
  }
}

async function hasJournal(stand: Stand): Promise<boolean> {
  return (await loadJournal(join(stand.state, 'sources', 'home', 'journal-disk'))) !== undefined
}

/** I8: what the run said is what happened. */
function checkOutcome(outcome: unknown, isCommitted: boolean): void {
  if (outcome instanceof Error) {
    assert.ok(isFailure(outcome), `not a Failure: ${outcome.stack}`)
    assert.match(outcome.message, /^cannot /)
    assert.ok(!isCommitted, 'committed, and said it was not')
    return
  }
  const { exitStatus, sources } = outcome as BackupReport
  const [source] = sources
  assert.equal(
    (source?.sends.length ?? 0) > 0,
    isCommitted,
    'the report does not say what was committed',
  )
  if (exitStatus === 0) assert.ok(isCommitted)
  else assert.ok((source?.failures.length ?? 0) > 0)
  for (const { message } of source?.failures ?? []) assert.match(message, /^cannot /)
}

async function eachOf<T>(items: readonly T[], atOnce: number, use: (item: T) => Promise<void>) {
  const rest = [...items]
  const errors: unknown[] = []
  const work = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) {
      await use(item).catch((error: unknown) => errors.push(error))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const told = errors.map(
    error => `${(error as Error).message}\n    ${((error as Error).cause as Error)?.message}`,
  )
  assert.equal(errors.length, 0, `${errors.length} of ${items.length} cuts:\n${told.join('\n')}`)
}
