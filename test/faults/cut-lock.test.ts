// A backup under a lock is cut at every effect that it has on the world: no backup is ever there
// that would outlive what it is built on, and the next run locks what is still to be locked.

import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { chainOf, loadCatalog } from '../../src/catalog/catalog.ts'
import { namedObjects } from '../../src/catalog/commit.ts'
import { manifestKey, repositoryKey, signatureKey } from '../../src/format/object-key.ts'
import type { Backup } from '../../src/model/backup.ts'
import type { RepositoryId } from '../../src/model/ids.ts'
import type { LockRule } from '../../src/model/lock.ts'
import { objectOf } from '../support/objects.ts'
import { type Cut, Effects } from './effects.ts'
import { Stand } from './stand.ts'

const rule: LockRule = { mode: 'governance', until: { ms: 3_600_000 } }

describe('a backup under a lock', () => {
  it('is cut at every store call and write of state: no ancestor ever goes before its child', async () => {
    const base = await standWithChain()
    const effects = new Effects()
    const whole = base.fork()
    assert.equal((await run(whole, effects)).exitStatus, 0)
    const reached = effects.seen.filter(({ where }) => where !== 'btrfs')
    assert.ok(reached.some(({ name }) => name.startsWith('retain segments/')))
    const firstLock = effects.seen.findIndex(({ name }) => name.startsWith('retention repository'))
    assert.ok(firstLock > 10)
    whole.remove()
    const cuts = effects.seen.flatMap(({ where, name }, at) => {
      // Of the calls before the first lock, test/faults/cut-backup.test.ts cuts each.
      const isOneOfMany =
        at < firstLock ? at % 5 !== 0 : name.startsWith('retention') && at % 3 !== 0
      if (where === 'btrfs' || isOneOfMany) return []
      const when = at % 2 === 0 && where === 'store' ? 'after' : 'before'
      const how = at % 3 === 0 ? 'dead' : 'error'
      return [{ cut: { at, when: how === 'dead' ? 'before' : when, how } as const, name }]
    })
    const work = async () => {
      for (let next = cuts.pop(); next !== undefined; next = cuts.pop()) {
        const { cut, name } = next
        await cutAndGoOn(base, cut).catch((error: unknown) => {
          throw new Error(`cut ${cut.when} ${name}, ${cut.how}`, { cause: error })
        })
      }
    }
    await Promise.all([work(), work(), work()])
    base.remove()
  })

  it('asks for nothing twice, and asks again when the state was lost', async () => {
    const stand = await standWithChain()
    const locked = async () => {
      const effects = new Effects()
      stand.btrfs.change(stand.source)
      assert.equal((await run(stand, effects)).exitStatus, 0)
      return effects.seen.filter(({ name }) => /^(retain|retention|versions) /.test(name)).length
    }
    const first = await locked()
    assert.ok(first > 10, `only ${first} calls for locks`)
    // Within a tenth of the time the lock of a chain is as it should be.
    stand.lock = { ...rule, until: { ms: 86_400_000_000 } }
    await locked()
    assert.equal(await locked(), 0)
    rmSync(join(stand.state, 'remotes', 'disk.locks.json'))
    assert.ok((await locked()) > 20)
    assert.equal(await locked(), 0)
    stand.remove()
  })

  it('locks what a store without locks was told before, with the first that is built on it', async () => {
    const stand = await Stand.make('memory', rule)
    stand.lock = undefined
    assert.equal((await stand.backup()).exitStatus, 0)
    stand.lock = rule
    stand.btrfs.change(stand.source)
    assert.equal((await stand.backup()).exitStatus, 0)
    await checkLocks(stand)
    stand.lock = { ...rule, mode: 'compliance' }
    stand.btrfs.change(stand.source)
    assert.equal((await stand.backup()).exitStatus, 0)
    for (const { key, version } of (await stand.openedStore.lock?.versions('segments/')) ?? []) {
      const found = await stand.openedStore.lock?.retention({ key, version })
      assert.equal(found?.mode, 'compliance')
    }
    stand.remove()
  })

  it('locks what lies beneath what somebody wrote over it, or hid', async () => {
    const stand = await standWithChain()
    const { openedStore: store } = stand
    const { lock } = store
    assert.ok(lock)
    const [one, other] = await lock.versions('segments/')
    assert.ok(one && other)
    await store.put(one.key, objectOf('ha ha'), { replace: true })
    await store.delete(other.key)
    stand.btrfs.change(stand.source)
    assert.equal((await stand.backup()).exitStatus, 0)
    const found = [await lock.retention(one), await lock.retention(other)]
    const soon = Date.now() + 7_000_000
    assert.ok(found.every(retention => retention && retention.until.getTime() > soon))
    stand.remove()
  })

  it('never makes a lock shorter', async () => {
    const stand = await standWithChain()
    const times = async () => {
      const versions = (await stand.openedStore.lock?.versions('segments/')) ?? []
      const found = await Promise.all(
        versions.map(async one => (await stand.openedStore.lock?.retention(one))?.until.getTime()),
      )
      return found
    }
    const before = await times()
    stand.lock = { ...rule, until: { ms: 1000 } }
    stand.btrfs.change(stand.source)
    assert.equal((await stand.backup()).exitStatus, 0)
    const after = await times()
    assert.deepEqual(
      before.filter(time => !after.includes(time)),
      [],
    )
    stand.remove()
  })

  it('is refused where the two clocks differ, or the store has no locks', async () => {
    const stand = await standWithChain()
    const clock = { ...stand.context().clock, now: () => Date.now() + 3_600_000 }
    stand.btrfs.change(stand.source)
    const late = await stand.backup({ clock })
    assert.equal(late.exitStatus, 4)
    assert.match(late.sources[0]?.failures[0]?.message ?? '', /clock and the store's differ by/)
    const bare = await Stand.make()
    bare.lock = rule
    const refused = await bare.backup()
    assert.equal(refused.exitStatus, 4)
    assert.match(refused.sources[0]?.failures[0]?.message ?? '', /its store has no locks/)
    stand.remove()
    bare.remove()
  })

  it('says when something is gone that the new backup is built on, and is made', async () => {
    const stand = await standWithChain()
    rmSync(join(stand.state, 'remotes', 'disk.locks.json'))
    const store = stand.openedStore
    const [first] = (await store.lock?.versions('segments/')) ?? []
    const listed = store.lock?.versions.bind(store.lock)
    if (store.lock && listed) {
      store.lock.versions = async prefix =>
        (await listed(prefix)).filter(({ key }) => key !== first?.key)
    }
    stand.btrfs.change(stand.source)
    assert.equal((await stand.backup()).exitStatus, 0)
    const told = stand.events.filter(event => event.kind === 'warning')
    assert.ok(told.some(event => /built on are gone/.test(JSON.stringify(event))))
    stand.remove()
  })
})

async function standWithChain(): Promise<Stand> {
  const stand = await Stand.make('memory', rule)
  for (let n = 0; n < 2; n += 1) {
    assert.equal((await stand.backup()).exitStatus, 0, JSON.stringify(stand.events))
    stand.btrfs.change(stand.source)
  }
  // Whatever is built on it from now on is locked for longer.
  stand.lock = { ...rule, until: { ms: 7_200_000 } }
  return stand
}

async function run(stand: Stand, effects: Effects) {
  using _ = effects.files(stand.state)
  return await stand.backup({ openStore: stand.openStore(store => effects.store(store)) })
}

async function cutAndGoOn(base: Stand, cut: Cut): Promise<void> {
  const stand = base.fork()
  try {
    const effects = new Effects(cut)
    await run(stand, effects).catch(() => {})
    assert.ok(effects.wasCut)
    await checkLocks(stand)
    if (cut.at % 2 === 1) stand.btrfs.change(stand.source)
    // A later run locks for longer: what the cut one did not get to is not taken for done.
    stand.lock = { ...rule, until: { ms: 10_800_000 } }
    const next = await stand.backup()
    assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
    const chain = await checkLocks(stand)
    assert.ok(chain >= 3)
  } finally {
    stand.remove()
  }
}

/** Every backup that is there: each object of each ancestor is locked as long as the first of its own. */
async function checkLocks(stand: Stand): Promise<number> {
  const store = stand.openedStore
  const id = JSON.parse(Buffer.from(await store.get(repositoryKey)).toString()).id as RepositoryId
  const signers = parseAllowedSigners(readFileSync(join(stand.root, 'allowed_signers'), 'utf8'), '')
  const { series, problems } = await loadCatalog({ id, store }, { signers })
  assert.deepEqual(
    problems.filter(({ kind }) => kind !== 'signature-missing'),
    [],
  )
  const backups = [...series.values()].flat()
  const earliest = async (backup: Backup) => {
    const { manifest } = backup
    const keys = [...namedObjects(manifest)].map(({ key }) => key)
    keys.push(manifestKey(manifest.series, manifest.seq))
    keys.push(signatureKey(manifest.series, manifest.seq))
    const times = keys.map(
      async key => (await store.lock?.retention({ key }))?.until.getTime() ?? 0,
    )
    return Math.min(...(await Promise.all(times)))
  }
  for (const backup of backups) {
    const own = (
      await store.lock?.retention({ key: manifestKey(backup.manifest.series, backup.manifest.seq) })
    )?.until
    if (own === undefined) continue
    for (const ancestor of chainOf(backup, backups)) {
      const until = await earliest(ancestor)
      const isOwn = ancestor === backup
      // Its own objects may be of a run that was cut: the next one makes them as long.
      if (isOwn) assert.ok(until > Date.now(), 'an object of a backup is not locked')
      else
        assert.ok(
          until >= own.getTime(),
          `backup ${ancestor.manifest.seq} goes before ${backup.manifest.seq}`,
        )
    }
    const root = (await store.lock?.retention({ key: repositoryKey }))?.until.getTime() ?? 0
    assert.ok(root >= own.getTime())
  }
  return backups.length
}
