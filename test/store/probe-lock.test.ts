import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { probeStore } from '../../src/store/probe.ts'
import type { ObjectLock } from '../../src/store/store.ts'

function storeWith({ mayLift = false } = {}) {
  const clock = new FakeClock(Date.parse('2026-11-21T00:00:00Z'))
  return { clock, store: new MemoryStore({ now: () => clock.now(), locks: { mayLift } }) }
}

type Locks = ReturnType<typeof storeWith>

async function verdicts({ clock, store }: Pick<Locks, 'clock'> & { store: MemoryStore }) {
  const report = await probeStore(store, { clock, locks: true })
  const found = report.checks.filter(({ name }) => name.endsWith('object lock'))
  return { found: found.map(({ outcome, words }) => `${outcome}: ${words}`), left: report.left }
}

function denied(): Failure {
  return new Failure('store-refused', 'cannot: access denied')
}

describe('the trial of locks', () => {
  it('finds that a lock holds, and leaves what is locked to a later trial', async () => {
    const one = storeWith()
    const first = await verdicts(one)
    assert.deepEqual(first.found, [
      'ok: it refuses to delete what is locked',
      'ok: these credentials can not lift a lock',
    ])
    assert.match(first.left.join(), /^probe\/\w+\/locked$/)
    assert.equal((await one.store.lock?.versions(''))?.length, 1)
    one.clock.advance(3_600_000)
    await verdicts(one)
    const left = (await one.store.lock?.versions('')) ?? []
    assert.ok(!left.some(({ key }) => first.left.includes(key)))
  })

  it('finds who may lift it, and then leaves nothing', async () => {
    const one = storeWith({ mayLift: true })
    const { found, left } = await verdicts(one)
    assert.match(found[1] ?? '', /^missing: these credentials may lift/)
    assert.deepEqual(left, [])
    assert.deepEqual(await one.store.lock?.versions(''), [])
  })

  const pretenders: Readonly<Record<string, [change: Partial<ObjectLock>, expected: RegExp]>> = {
    'a store that deletes what it locked': [
      { remove: async () => {} },
      /^broken: it deleted an object that was locked/,
    ],
    'a store that forgets locks': [
      { retention: async () => undefined },
      /^broken: it took a lock, and does not have it/,
    ],
    'a store without locks': [
      { whyNot: async () => 'the bucket was made without object lock' },
      /^missing: the bucket was made without/,
    ],
    'credentials that may remove no version': [
      {
        remove: async () => {
          throw denied()
        },
      },
      /^not-permitted: it has the lock; whether it holds could not be tried/,
    ],
    'credentials that may not ask': [
      {
        whyNot: async () => {
          throw denied()
        },
      },
      /^not-permitted: cannot: access denied/,
    ],
  }
  for (const [what, [change, expected]] of Object.entries(pretenders)) {
    it(`tells ${what}`, async () => {
      const one = storeWith()
      Object.assign(one.store.lock as ObjectLock, change)
      assert.match((await verdicts(one)).found[0] ?? '', expected)
    })
  }

  it('says it where a store has no locks at all, and asks nothing unless locks are wanted', async () => {
    const { clock } = storeWith()
    const store = new MemoryStore()
    assert.deepEqual((await verdicts({ clock, store })).found, ['missing: it has no locks'])
    const { checks } = await probeStore(store, { clock })
    assert.ok(!checks.some(({ name }) => name === 'object lock'))
  })
})
