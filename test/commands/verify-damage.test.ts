// The repository is damaged in every way that a level claims to catch: the level catches it and names
// what depends on it, and the level below does not claim to have seen it.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Btrfs, systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { type SeriesVerification, verify } from '../../src/commands/verify.ts'
import type { StoredObject } from '../../src/model/backup.ts'
import { type VerifyLevel, verifyLevels } from '../../src/restore/verify-ledger.ts'
import { foreignKey, last, makeScene, only, refused, type Scene } from './verify-scene.ts'

let scene: Scene

before(async () => {
  scene = await makeScene()
})
after(async () => scene[Symbol.asyncDispose]())

interface Case {
  readonly name: string
  readonly damage: () => void | Promise<void>
  /** The first level that can see it. */
  readonly level: VerifyLevel
  readonly exit: number
  /** Backups with findings of their own. */
  readonly bad: readonly number[]
  readonly dependents?: readonly number[]
  /** A machine without memory of the repository. */
  readonly bare?: true
}

const cases: readonly Case[] = [
  ...[0, 500, -3].map(at => ({
    name: `a byte of a manifest (at ${at})`,
    damage: () => scene.vault.flipByte(scene.manifests[4] as string, at),
    level: 'listed' as const,
    exit: 40,
    bad: [4],
  })),
  {
    name: 'a byte of a signature',
    damage: () => scene.vault.flipByte(`${scene.manifests[4]}.sig`, 200),
    level: 'listed',
    exit: 40,
    bad: [4],
  },
  {
    name: 'a manifest that is gone, on a machine that has seen it',
    damage: () => scene.vault.deleteObject(scene.manifests[2] as string),
    level: 'listed',
    exit: 31,
    bad: [2],
  },
  {
    name: 'the manifest of a parent that is gone, on a bare machine',
    damage: () => scene.vault.deleteObject(scene.manifests[3] as string),
    level: 'listed',
    exit: 31,
    bad: [4],
    bare: true,
  },
  {
    name: 'a signature that is gone',
    damage: () => scene.vault.deleteObject(`${scene.manifests[4]}.sig`),
    level: 'listed',
    exit: 31,
    bad: [4],
  },
  {
    name: 'a manifest that somebody else signed',
    damage: async () => scene.sign(scene.read(scene.manifests[2] as string), await foreignKey()),
    level: 'listed',
    exit: 40,
    bad: [2],
  },
  {
    name: 'a manifest that was replaced by the holder of the key',
    damage: async () => {
      const manifest = scene.read(scene.manifests[2] as string)
      const createdAt = new Date(manifest.createdAt.getTime() + 1)
      scene.sign({ ...manifest, createdAt }, await scene.ownKey())
    },
    level: 'listed',
    exit: 40,
    bad: [2],
  },
  {
    name: 'two manifests that follow the same one',
    damage: async () => {
      const manifest = scene.read(scene.manifests[4] as string)
      const { previous } = scene.read(scene.manifests[3] as string)
      scene.sign({ ...manifest, previous }, await scene.ownKey())
    },
    level: 'listed',
    exit: 40,
    bad: [4],
    bare: true,
  },
  ...(['segment', 'index'] as const).flatMap((role): Case[] => [
    {
      name: `a lost ${role}`,
      damage: () => scene.vault.deleteObject(scene.oneOf(role, 3)),
      level: 'present',
      exit: 31,
      bad: [3],
      dependents: [4],
    },
    {
      name: `one end of an object (${role})`,
      damage: () => {
        const key = scene.oneOf(role, 1)
        scene.vault.writeObject(key, scene.vault.readObject(key).slice(0, -1))
      },
      level: 'present',
      exit: 40,
      bad: [1],
      dependents: [2, 3, 4],
    },
    ...[0, 100, 250, -1].map(
      (at): Case => ({
        name: `a byte of an object (${role}, at ${at})`,
        damage: () => scene.vault.flipByte(scene.oneOf(role, 3), at),
        level: 'bytes',
        exit: 40,
        bad: [3],
        dependents: [4],
      }),
    ),
  ]),
  {
    name: 'two segments that changed places',
    damage: () => {
      const [one, other] = scene.twoOfOneSize(scene.segmentsOf(1))
      const bytes = scene.vault.readObject(one)
      scene.vault.writeObject(one, scene.vault.readObject(other))
      scene.vault.writeObject(other, bytes)
    },
    level: 'bytes',
    exit: 40,
    bad: [1, 1],
    dependents: [2, 3, 4],
  },
  {
    name: 'a manifest of the key holder with its segments in another order',
    damage: async () => {
      const manifest = scene.read(scene.manifests[4] as string)
      const [first, second, ...rest] = manifest.segments
      const segments = [second as StoredObject, first as StoredObject, ...rest]
      const bytes = scene.segmentsOf(4).map(key => scene.vault.readObject(key))
      scene.sign({ ...manifest, segments }, await scene.ownKey())
      for (const [n, key] of scene.segmentsOf(4).slice(0, 2).entries()) {
        scene.vault.writeObject(key, bytes[1 - n] as Uint8Array)
      }
    },
    level: 'decrypts',
    exit: 40,
    bad: [4],
    bare: true,
  },
  {
    name: 'a manifest of the key holder with the index of another backup',
    damage: async () => {
      const indexes = scene.read(scene.manifests[2] as string).indexes
      const bytes = scene.vault.readObject(scene.oneOf('index', 2))
      scene.sign({ ...scene.read(scene.manifests[4] as string), indexes }, await scene.ownKey())
      scene.vault.writeObject(scene.oneOf('index', 4), bytes)
    },
    level: 'decrypts',
    exit: 40,
    bad: [4],
    bare: true,
  },
]

describe('verify(), of what is damaged,', () => {
  for (const one of cases) {
    it(`finds ${one.name} at the level ${one.level}, and the rest is still checked`, async () => {
      await scene.whileDamaged(one.damage, async () => {
        const where = one.bare ? scene.bare() : {}
        const below = verifyLevels[verifyLevels.indexOf(one.level) - 1]
        if (below !== undefined) {
          const quiet = await scene.verifyAt(below, where)
          assert.equal(quiet.exitStatus, 0, 'the level below claims to have seen it')
        }
        const report = await scene.verifyAt(one.level, where)
        assert.equal(report.exitStatus, one.exit, JSON.stringify(report, null, 1))
        const { damages, coverage } = only(report)
        assert.deepEqual(
          damages.map(damage => damage.backup),
          one.bad,
        )
        for (const damage of damages) {
          assert.equal(damage.level, one.level)
          assert.deepEqual(damage.dependents, one.dependents ?? [])
        }
        const { objects, backups } = coverage.at(-1) as SeriesVerification['coverage'][number]
        assert.equal(backups.failed, new Set([...one.bad, ...(one.dependents ?? [])]).size)
        assert.equal(backups.unchecked, 0)
        // An object that can't be opened leaves what it would tell of the others open.
        if (objects === null || one.level === 'decrypts') return
        assert.equal(objects.failed, one.bad.length)
        assert.equal(objects.proven, objects.total - one.bad.length)
      })
    })
  }

  it('goes on opening what comes after a damaged segment, or beside it', async () => {
    const key = scene.segmentsOf(1)[1] as string
    await scene.whileDamaged(
      () => scene.vault.flipByte(key, 5000),
      async () => {
        const { damages, doubts, coverage } = only(await scene.verifyAt('receives'))
        assert.deepEqual(
          damages.map(({ level, backup: seq, object }) => ({ level, seq, object })),
          [{ level: 'bytes', seq: 1, object: key }],
        )
        assert.deepEqual(doubts, [])
        const [decrypts, receives] = coverage.slice(-2)
        const total = scene.allObjects().length
        assert.deepEqual(decrypts?.objects, { total, proven: total - 1, failed: 1, unchecked: 0 })
        assert.deepEqual(receives?.backups, { total: 4, proven: 0, failed: 4, unchecked: 0 })
        assert.equal(scene.vault.world.sh('ls -A "$1"', scene.vault.out), '')
      },
    )
  })

  it('receives the branches beside one that is damaged', async () => {
    await scene.whileDamaged(
      () => scene.vault.flipByte(scene.oneOf('segment', 2), 5000),
      async () => {
        const report = await scene.verifyAt('receives')
        assert.equal(report.exitStatus, 40)
        const { backups } = last(report)
        assert.deepEqual(backups, { total: 4, proven: 3, failed: 1, unchecked: 0 })
      },
    )
  })

  it('lists every bad object', async () => {
    await scene.whileDamaged(
      () => {
        for (const key of scene.allObjects()) scene.vault.flipByte(key, 300)
      },
      async () => {
        for (const level of ['bytes', 'decrypts'] as const) {
          const report = await scene.verifyAt(level)
          assert.equal(report.exitStatus, 40)
          const found = only(report).damages.map(({ object }) => object ?? '')
          assert.deepEqual(found.toSorted(), scene.allObjects().toSorted())
        }
      },
    )
  })

  it('calls wrong what btrfs receive refuses, or makes something else of', async () => {
    const refuses = { ...systemBtrfs, startReceive: () => refused() }
    const wrong = await verify({ ...scene.vault.context, btrfs: refuses }, scene.usual('receives'))
    assert.equal(wrong.exitStatus, 20)
    assert.deepEqual(last(wrong).backups, { total: 4, proven: 0, failed: 4, unchecked: 0 })
    assert.equal(only(wrong).coverage[3]?.backups.proven, 4, 'it decrypts all the same')
    // What is compared is the source as it is now, which is none of the backups.
    const snapshot = scene.vault.world.path('changed')
    scene.vault.world.sh('chmod 700 home/two; btrfs -q subvolume snapshot -r home "$1"', snapshot)
    const startSend: Btrfs['startSend'] = call => systemBtrfs.startSend({ ...call, snapshot })
    const differs = await verify(
      { ...scene.vault.context, btrfs: { ...systemBtrfs, startSend } },
      scene.usual('receives'),
    )
    assert.equal(differs.exitStatus, 20)
    assert.match(only(differs).damages[0]?.failure.message ?? '', /differences \(.*extra/)
    assert.equal(scene.vault.world.sh('ls -A "$1"', scene.vault.out), '')
  })
})
