// What `btrfs receive` itself loses, each provoked on purpose: without mending, the restore's own
// comparison tells all of it; with mending, nothing is lost.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { makeScene, type Point, type Scene } from './scene.ts'
import { assertExplained, assertSameTree, differencesOf, walk } from './walk.ts'

interface Loss {
  /** Scripts that are run in the source, each before a backup. */
  readonly steps: readonly string[]
  /** What is lost at the last of them, as the walker names it. */
  readonly lost: readonly string[]
}

const losses: Record<string, Loss> = {
  'the set-uid and set-gid bits, when a change of owner is followed by the same mode as before': {
    steps: [
      'touch plain u g; chmod 4755 u; chmod 2755 g',
      'chown 7 u; chmod 4755 u; chgrp 7 g; chmod 2755 g; chown 7 plain',
    ],
    lost: ['g: mode', 'u: mode'],
  },
  'the time of the top folder, when a file is made further down': {
    // A read would set the access time of the top folder later, and send tells all times then.
    steps: ['mkdir d; touch -a -d 2030-01-01 .', 'touch d/new'],
    lost: [': mtime'],
  },
  'the absence of access lists, when the top folder has one to inherit': {
    steps: ['mkdir d; touch d/f; setfacl -d -m u:1000:rwx .'],
    lost: ['d/f: xattr:system.posix_acl_access', 'd: xattr:system.posix_acl_default'],
  },
  'the absence of a property, when the top folder has it to inherit': {
    steps: ['mkdir d; touch d/f; btrfs property set . compression zstd'],
    lost: ['d/f: xattr:btrfs.compression', 'd: xattr:btrfs.compression'],
  },
}

describe('what btrfs receive loses', () => {
  for (const [name, { steps, lost }] of Object.entries(losses)) {
    it(`is told without mending, and kept with it: ${name}`, async () => {
      await using scene = await small()
      const last = await backedUp(scene, steps)

      const told = await scene.restore('told', { mend: false, latestOnly: true })
      const actual = walk(told.published[0] as string)
      const seen = differencesOf(last.walk, actual)
      for (const difference of lost) assert.ok(seen.includes(difference), seen.join())
      assert.ok(told.comparison)
      assertExplained(told.comparison, { expected: last.walk, actual })
      assert.equal(told.exitStatus, 3)

      const other = scene.world.addFilesystem('other', { sizeMiB: 256 })
      const kept = await scene.restore(other)
      assert.equal(kept.exitStatus, 0, JSON.stringify(kept.comparison))
      assertSameTree(walk(kept.published.at(-1) as string), last.walk, { label: name })
    })
  }

  it('is told also where the target held the snapshot before, and nothing was received', async () => {
    await using scene = await small()
    await backedUp(scene, ['touch u; chmod 4755 u', 'chown 7 u; chmod 4755 u'])
    await scene.restore('first', { mend: false, verify: 'none' })
    const again = await scene.restore('second')
    assert.equal(again.fetchedBytes, 0)
    assert.equal(again.exitStatus, 3)
    assert.deepEqual(
      again.comparison?.differences.map(({ path, what }) => `${path}: ${what}`),
      ['u: mode'],
    )
  })
})

describe('what is in no send stream', () => {
  it('is in no backup: an attribute called security.cap', async () => {
    await using scene = await small()
    const last = await backedUp(scene, ['touch f; setfattr -n security.cap -v x f'])
    const report = await scene.restore('out')
    assert.equal(report.exitStatus, 0)
    const actual = walk(report.published[0] as string)
    assert.deepEqual(differencesOf(last.walk, actual), ['f: xattr:security.cap'])
  })

  it('may be told of when it goes: receive fails at that, unless it is mended', async () => {
    await using scene = await small()
    const steps = [
      'touch f; setfattr -n security.cap -v x f',
      'setfattr -x security.cap f; touch g',
    ]
    const last = await backedUp(scene, steps)
    await assert.rejects(scene.restore('out', { mend: false }), error => {
      assert.ok(isFailure(error, 'receive-failed'), String(error))
      return true
    })
    assert.equal(scene.world.shOutside('ls -A second/out'), '')
    const mended = await scene.restore('out')
    const actual = walk(mended.published.at(-1) as string)
    assertSameTree(actual, last.walk, { label: 'the second' })
  })
})

async function small(): Promise<Scene> {
  return makeScene({ world: { sizeMiB: 256, second: { sizeMiB: 256 } } })
}

async function backedUp(scene: Scene, steps: readonly string[]): Promise<Point> {
  const points: Point[] = []
  for (const step of steps) {
    scene.world.sh(`cd home; ${step}`)
    points.push(await scene.point())
  }
  return points.at(-1) as Point
}
