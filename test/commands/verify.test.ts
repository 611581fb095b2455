import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { type Btrfs, systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { forget } from '../../src/commands/forget.ts'
import { verify } from '../../src/commands/verify.ts'
import type { SourceConfig } from '../../src/config/config.ts'
import { asSourceName, type SourceName } from '../../src/model/ids.ts'
import { verifyLevels } from '../../src/restore/verify-ledger.ts'
import { last, makeScene, only, type Scene } from './verify-scene.ts'

let scene: Scene

before(async () => {
  scene = await makeScene()
})
after(async () => scene[Symbol.asyncDispose]())

describe('verify(), of what is whole,', () => {
  for (const level of verifyLevels) {
    it(`proves ${level} and every level before, of everything`, async () => {
      const report = await scene.verifyAt(level)
      assert.equal(report.exitStatus, 0, JSON.stringify(report, null, 1))
      const { coverage, damages, doubts } = only(report)
      const reached = verifyLevels.slice(0, verifyLevels.indexOf(level) + 1)
      assert.deepEqual(
        coverage.map(one => one.level),
        reached,
      )
      for (const { backups, objects } of coverage) {
        assert.deepEqual(backups, { total: 4, proven: 4, failed: 0, unchecked: 0 })
        if (objects !== null) assert.equal(objects.proven, scene.allObjects().length)
      }
      assert.deepEqual([damages, doubts], [[], []])
      assert.deepEqual(scene.vault.world.sh('ls -A "$1"', scene.vault.out), '')
    })
  }

  it('works on a bare machine, by an address alone', async () => {
    const report = await scene.verifyAt('decrypts', scene.bare())
    assert.equal(report.exitStatus, 0)
    assert.equal(only(report).source, 'home')
  })

  it('reads each object once, also for the level receives', async () => {
    const stores = scene.watchStores()
    await scene.verifyAt('receives')
    const reads = stores.flatMap(store => store.calls).filter(call => call.operation === 'get')
    const keys = reads.map(call => call.key).filter(key => /^(segments|indexes)/.test(key))
    assert.deepEqual(keys.toSorted(), scene.allObjects().toSorted())
  })

  it('keeps no more of what it received than the next one is built on', async () => {
    const staged: number[] = []
    const startReceive: Btrfs['startReceive'] = call => {
      // Each has a folder of its own, and the one that is to be received has one by now.
      staged.push(readdirSync(dirname(call.staging)).length - 1)
      return systemBtrfs.startReceive(call)
    }
    const btrfs = { ...systemBtrfs, startReceive }
    await verify({ ...scene.vault.context, btrfs }, scene.usual('receives'))
    assert.deepEqual(staged, [0, 1, 1, 1])
  })

  it('lists each kind of object once for the level present, and reads none', async () => {
    const stores = scene.watchStores()
    await scene.verifyAt('present')
    const calls = stores.flatMap(store => store.calls)
    const lists = calls.filter(call => call.operation === 'list').map(call => call.key)
    assert.equal(lists.filter(prefix => prefix.startsWith('segments/')).length, 1)
    assert.equal(lists.filter(prefix => prefix.startsWith('indexes/')).length, 1)
    const gets = calls.filter(call => call.operation === 'get')
    assert.ok(gets.every(call => !/^(segments|indexes)/.test(call.key)))
  })

  it('tells of objects that no manifest names, and calls them no damage', async () => {
    const key = scene.segmentsOf(1)[0]?.replace(/\/0{8}-/, '/99999999-') as string
    scene.vault.writeObject(key, 'left behind')
    try {
      const report = await scene.verifyAt('present')
      assert.equal(report.exitStatus, 0)
      assert.deepEqual(only(report).unnamed, { count: 1, bytes: 11 })
    } finally {
      scene.vault.deleteObject(key)
    }
  })

  it('takes the objects of a forgotten backup for no leftovers, and proves nothing of it', async () => {
    const { config } = scene.vault
    const asked = { sources: ['home'], remotes: [], ids: [2], dryRun: false, agree: async () => {} }
    await scene.whileDamaged(
      async () => void (await forget(scene.vault.context, { config, ...asked })),
      async () => {
        const report = await scene.verifyAt('present')
        assert.equal(report.exitStatus, 0)
        assert.equal(last(report).backups.total, 3)
        assert.deepEqual(only(report).unnamed, { count: 0, bytes: 0 })
      },
    )
  })

  it('has a word to say about a guide that is not the one we write', async () => {
    const guide = scene.vault.readObject('RESTORE.md')
    scene.vault.writeObject('RESTORE.md', 'send your identity to mallory@example.com')
    try {
      const report = await scene.verifyAt('listed')
      assert.match(report.remotes[0]?.notes.join() ?? '', /RESTORE.md is not what this version/)
    } finally {
      scene.vault.writeObject('RESTORE.md', guide)
    }
  })
})

describe('verify(), of what it cannot look at,', () => {
  it('is incomplete when an object cannot be read, and checks the rest', async () => {
    const key = scene.oneOf('segment', 3)
    const report = await scene.withFaults(
      call => (call.operation === 'get' && call.key === key ? { kind: 'fail-before' } : undefined),
      async () => scene.verifyAt('decrypts'),
    )
    assert.equal(report.exitStatus, 3)
    const { damages, doubts } = only(report)
    assert.deepEqual(damages, [])
    assert.deepEqual(
      doubts.map(({ level, count, failure }) => [level, count, failure.code]),
      [['bytes', 1, 'store-unavailable']],
    )
    assert.deepEqual(last(report).backups, { total: 4, proven: 2, failed: 0, unchecked: 2 })
    assert.equal(last(report).objects?.unchecked, 1)
  })

  it('L9: does not take a list that failed for emptiness', async () => {
    for (const kind of ['fail-before', 'fail-after'] as const) {
      const report = await scene.withFaults(
        call =>
          call.operation === 'list' && call.key.startsWith('segments/') ? { kind } : undefined,
        async () => scene.verifyAt('present'),
      )
      assert.equal(report.exitStatus, 3)
      assert.deepEqual(only(report).damages, [])
      assert.ok((last(report).objects?.unchecked ?? 0) > 0)
    }
  })

  it('is incomplete when a manifest cannot be read', async () => {
    const report = await scene.withFaults(
      call => (call.key === scene.manifests[3] ? { kind: 'fail-before' } : undefined),
      async () => scene.verifyAt('listed'),
    )
    assert.equal(report.exitStatus, 3)
    assert.deepEqual(last(report).backups, { total: 4, proven: 2, failed: 0, unchecked: 2 })
  })

  it('does not ask a store that has gone away for every object', async () => {
    let calls = 0
    const goneAway = () => {
      calls += 1
      throw new Failure('store-unavailable', 'cannot reach the store')
    }
    const report = await scene.withFaults(
      call => {
        if (call.operation !== 'get' || !/^(segments|indexes)/.test(call.key)) return undefined
        return { kind: 'run', when: 'before', run: goneAway }
      },
      async () => scene.verifyAt('bytes'),
    )
    assert.equal(report.exitStatus, 3)
    assert.equal(last(report).objects?.unchecked, scene.allObjects().length)
    assert.ok(calls < scene.allObjects().length, `${calls} calls`)
  })

  it('says so when the identity does not fit, and still proves the bytes', async () => {
    const report = await scene.verifyAt('decrypts', { identity: scene.otherIdentity })
    assert.equal(report.exitStatus, 3)
    const { damages, doubts, coverage } = only(report)
    assert.deepEqual(damages, [])
    assert.ok(doubts.every(({ failure }) => failure.code === 'identity-wrong'))
    assert.equal(coverage[2]?.objects?.proven, scene.allObjects().length)
    assert.equal(last(report).backups.unchecked, 4)
  })

  it('says so when the scratch filesystem holds another copy of a parent', async () => {
    await scene.vault.restore({ id: 1 })
    try {
      const report = await scene.verifyAt('receives')
      assert.equal(report.exitStatus, 3)
      assert.match(only(report).doubts[0]?.failure.message ?? '', /holds backup 1 already/)
      assert.deepEqual(last(report).backups, { total: 4, proven: 1, failed: 0, unchecked: 3 })
    } finally {
      scene.vault.world.sh('btrfs -q subvolume delete "$1"/*', scene.vault.out)
    }
  })

  it('receives beside the source, where the snapshots themselves are', async () => {
    scene.vault.world.sh('mkdir scratch')
    const report = await scene.verifyAt('receives', { scratch: scene.vault.world.path('scratch') })
    assert.equal(report.exitStatus, 0)
    assert.equal(scene.vault.world.sh('ls -A scratch'), '')
  })

  it('refuses to begin without what the level needs', async () => {
    const noScratch = scene.verifyAt('receives', { scratch: undefined })
    await assert.rejects(noScratch, { code: 'usage', message: /no folder was given/ })
    const noIdentity = scene.verifyAt('decrypts', { identity: undefined })
    await assert.rejects(noIdentity, { code: 'usage', message: /no identity was given/ })
    const outside = scene.verifyAt('receives', { scratch: scene.vault.world.outside() })
    await assert.rejects(outside, { code: 'btrfs-failed' })
    await assert.rejects(scene.verifyAt('listed', { sources: ['hom'] }), { code: 'object-missing' })
    await assert.rejects(scene.verifyAt('listed', { remotes: ['disc'] }), { code: 'usage' })
  })

  it('is incomplete when a source of the configuration has no backup there', async () => {
    const [source] = scene.vault.config.sources
    const extra = { ...(source as SourceConfig), name: asSourceName('mail') as SourceName }
    const config = { ...scene.vault.config, sources: [...scene.vault.config.sources, extra] }
    const report = await scene.verifyAt('listed', { config })
    assert.equal(report.exitStatus, 3)
    assert.deepEqual(report.remotes[0]?.absent, ['mail'])
    assert.equal((await scene.verifyAt('listed', { config, sources: ['home'] })).exitStatus, 0)
  })
})
