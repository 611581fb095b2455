// The ways in which a restore can be asked for: which point in time, where to, on top of what.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '../../src/base/failure.ts'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { makeScene, type Point, type Scene } from './scene.ts'
import { assertSameTree, walk } from './walk.ts'

const mebibyte = 1024 * 1024

describe('restore', () => {
  let scene: Scene
  let points: Point[]
  before(async () => {
    scene = await makeScene({ segmentSizeBytes: mebibyte, world: { sizeMiB: 1024, second: true } })
    points = []
    for (let n = 0; n < 4; n += 1) {
      scene.mutate(500 + n, 120)
      points.push(await scene.point())
      // Snapshots know whole seconds only, and --at must be able to tell them apart.
      await delay(1100)
    }
  })
  after(async () => {
    await scene?.[Symbol.asyncDispose]()
  })

  const point = (seq: number) => points[seq - 1] as Point
  const storedBytes = (...seqs: number[]) =>
    seqs.reduce((sum, seq) => sum + point(seq).send.storedBytes, 0)
  const same = (path: string | undefined, seq: number) =>
    assertSameTree(walk(path as string), point(seq).walk, { label: `backup ${seq} at ${path}` })
  const freshTarget = (name: string, options = {}) => scene.world.addFilesystem(name, options)

  it('--at takes the last backup whose snapshot was made by then', async () => {
    const target = freshTarget('at')
    const { snapshotTime } = await scene.restore(target, { id: 3, dryRun: true })
    const exact = await scene.restore(target, { at: snapshotTime })
    assert.deepEqual([exact.id, exact.chain], [3, [1, 2, 3]])
    same(exact.published.at(-1), 3)
    const before = await scene.restore(target, { at: new Date(snapshotTime.getTime() - 1) })
    assert.equal(before.id, 2)
    const long = scene.restore(target, { at: new Date('2001-01-01T00:00:00Z') })
    await assert.rejects(long, error => isFailure(error, 'object-missing'))
  })

  it('--latest-only publishes the wanted snapshot alone, and a later one builds on it', async () => {
    const target = freshTarget('latest')
    const first = await scene.restore(target, { id: 3, latestOnly: true })
    assert.deepEqual(readdirSync(target), [point(3).send.snapshot])
    assert.equal(first.published.length, 1)
    same(first.published[0], 3)
    assert.equal(await subvolumeCount(target), 1)
    const second = await scene.restore(target, { latestOnly: true })
    assert.deepEqual([second.present, second.fetchedBytes], [3, storedBytes(4)])
    same(second.published[0], 4)
  })

  it('fetches only what the target lacks', async () => {
    const target = freshTarget('lacks')
    const full = await scene.restore(target, { id: 1 })
    assert.deepEqual([full.present, full.fetchedBytes], [null, storedBytes(1)])
    const rest = await scene.restore(target, {})
    assert.deepEqual([rest.present, rest.fetchedBytes], [1, storedBytes(2, 3, 4)])
    for (const [n, path] of rest.published.entries()) same(path, n + 2)
    const again = await scene.restore(target, {})
    assert.deepEqual([again.present, again.fetchedBytes], [4, 0])
    assert.deepEqual(again.published, [join(target, point(4).send.snapshot)])
  })

  it('--writable makes a copy beside the snapshot, which stays as a parent for later', async () => {
    const target = freshTarget('writable')
    const report = await scene.restore(target, { id: 2, writable: 'home' })
    assert.equal(report.writable, join(target, 'home'))
    same(report.writable ?? undefined, 2)
    writeFileSync(join(target, 'home', 'new'), 'x')
    const copy = await systemBtrfs.show(join(target, 'home'))
    assert.deepEqual([copy.readOnly, copy.receivedUuid], [false, null])
    const next = await scene.restore(target, { id: 3 })
    assert.deepEqual([next.present, next.fetchedBytes], [2, storedBytes(3)])
    same(next.published[0], 3)
  })

  it('twice to different folders of one filesystem, and builds on either', async () => {
    const target = freshTarget('twice')
    const first = await scene.restore(join(target, 'a'), { id: 3 })
    const second = await scene.restore(join(target, 'b'), { id: 3 })
    assert.equal(second.fetchedBytes, 0)
    assert.equal(second.published[0], join(target, 'b', point(3).send.snapshot))
    same(second.published[0], 3)
    same(first.published.at(-1), 3)
    const third = await scene.restore(join(target, 'c'))
    assert.deepEqual([third.present, third.fetchedBytes], [3, storedBytes(4)])
    same(third.published[0], 4)
  })

  it('where only a subvolume of the target is mounted', async () => {
    const top = freshTarget('top')
    await systemBtrfs.sync(top)
    scene.world.shOutside('btrfs subvolume create top/inner >/dev/null')
    await scene.world.umount(top)
    const inner = scene.world.outside('inner')
    scene.world.mountImage('top', inner, 'subvol=inner')
    const first = await scene.restore(join(inner, 'x/y'), { id: 2 })
    for (const [n, path] of first.published.entries()) same(path, n + 1)
    const rest = await scene.restore(inner)
    assert.deepEqual([rest.present, rest.fetchedBytes], [2, storedBytes(3, 4)])
    same(rest.published.at(-1), 4)
  })

  it('is refused where an ancestor lies outside what is mounted', async () => {
    const top = freshTarget('outer')
    await scene.restore(top, { id: 2 })
    scene.world.shOutside('btrfs subvolume create outer/inner >/dev/null')
    const inner = scene.world.outside('outer-inner')
    await scene.world.umount(top)
    scene.world.mountImage('outer', inner, 'subvol=inner')
    await refused(scene.restore(inner), /passes for backup 2/)
    assert.deepEqual(readdirSync(inner), [])
    // What nothing is built on is nobody's mistake.
    const full = await scene.restore(inner, { id: 1 })
    same(full.published[0], 1)
  })

  it('is refused where an ancestor was altered, for receive would build on that', async () => {
    const target = freshTarget('altered')
    const [path = ''] = (await scene.restore(target, { id: 1 })).published
    makeWritable(path)
    const [file] = [...point(1).walk].filter(([name, [kind]]) => kind === 'file' && isPlain(name))
    writeFileSync(join(path, (file as [string, unknown])[0]), 'altered')
    await refused(scene.restore(target), /passes for backup 1/)
    assert.deepEqual(readdirSync(target), [point(1).send.snapshot])
  })

  it('tells when an ancestor was altered and made read-only again', async () => {
    const target = freshTarget('altered-back')
    const [path = ''] = (await scene.restore(target, { id: 1 })).published
    makeWritable(path)
    writeFileSync(join(path, 'added'), 'altered')
    scene.world.shOutside('btrfs property set "$1" ro true', path)
    const report = await scene.restore(target)
    assert.equal(report.exitStatus, 3)
    assert.ok(
      report.comparison?.differences.some(
        ({ what, path: at }) => `${what} ${at}` === 'extra added',
      ),
    )
  })

  it('onto the source filesystem itself', async () => {
    const folder = scene.world.path('restored')
    const newest = await scene.restore(folder)
    assert.equal(newest.fetchedBytes, 0)
    same(newest.published[0], 4)
    const older = await scene.restore(folder, { id: 2 })
    assert.deepEqual([older.present, older.fetchedBytes], [null, storedBytes(1, 2)])
    for (const [n, path] of older.published.entries()) same(path, n + 1)
    scene.world.sh('btrfs subvolume delete restored/* >/dev/null; rmdir restored')
  })

  it('to a filesystem that compresses, from a bare machine', async () => {
    const target = freshTarget('bare', { mountOptions: 'compress-force=zstd' })
    const report = await scene.restore(target, {
      config: undefined,
      from: scene.repository,
      signers: scene.world.outside('keys/allowed_signers'),
    })
    for (const [n, path] of report.published.entries()) same(path, n + 1)
  })

  it('is refused where the target is not on btrfs', async () => {
    await assert.rejects(scene.restore('/proc'), /cannot restore to \/proc: it is not on btrfs/)
  })

  it('leaves nothing where a snapshot of that name is in the way', async () => {
    const target = freshTarget('taken')
    mkdirSync(join(target, point(2).send.snapshot))
    await assert.rejects(scene.restore(target, { id: 2 }), error =>
      isFailure(error, 'receive-failed'),
    )
    assert.deepEqual(readdirSync(target), [point(2).send.snapshot])
    assert.equal(await subvolumeCount(target), 0)
  })

  it('leaves nothing where the target becomes full', async () => {
    const target = freshTarget('small', { sizeMiB: 128 })
    scene.world.shOutside('head -c 200M /dev/urandom > small/filler || true; sync')
    const refused = scene.restore(target, { ignoreSpace: false })
    await assert.rejects(refused, error => isFailure(error, 'no-space'))
    await assert.rejects(scene.restore(target, { ignoreSpace: true }), error => isFailure(error))
    rmSync(join(target, 'filler'))
    assert.deepEqual(readdirSync(target), [])
    assert.equal(await subvolumeCount(target), 0)
  })

  async function refused(restoring: Promise<unknown>, why: RegExp): Promise<void> {
    await assert.rejects(restoring, error => {
      assert.ok(isFailure(error, 'receive-failed'), String(error))
      assert.match(error.message, why)
      return true
    })
  }

  async function subvolumeCount(target: string): Promise<number> {
    return (await systemBtrfs.nested(target)).length
  }
})

describe('very long paths', () => {
  // btrfs receive -C writes to //NAME/PATH, and NAME is home.YYYYMMDDTHHMMSSZ.
  const mostBytes = 4095 - 4 - 21
  const isOfPath = (text: string) => text.includes('btrfs receive can make none above')

  it('of nearly 4096 bytes come back, however long the path of the target is', async () => {
    await using scene = await makeScene({ world: { sizeMiB: 512, second: { sizeMiB: 512 } } })
    deepTree(scene.home(), 3900)
    const { walk: expected } = await scene.point()
    const longest = [...expected.keys()].map(path => path.length).sort((a, b) => b - a)[0] as number
    assert.ok(longest >= 3890, String(longest))
    const report = await scene.restore('out')
    assertSameTree(walk(report.published[0] as string), expected, { label: 'the deep tree' })
  })

  it('come back without a warning up to what btrfs receive can make', async () => {
    await using scene = await makeScene({ world: { sizeMiB: 512, second: { sizeMiB: 512 } } })
    deepTree(scene.home(), mostBytes)
    assert.equal((await scene.backup()).exitStatus, 0)
    assert.deepEqual(scene.warnings().filter(isOfPath), [])
    await scene.restore('out')
  })

  it('beyond that are told of by the backup, and a failure that leaves nothing', async () => {
    await using scene = await makeScene({ world: { sizeMiB: 512, second: { sizeMiB: 512 } } })
    deepTree(scene.home(), mostBytes + 1)
    assert.equal((await scene.backup()).exitStatus, 0)
    assert.equal(scene.warnings().filter(isOfPath).length, 1)
    await assert.rejects(scene.restore('out'), error => isFailure(error, 'receive-failed'))
    assert.deepEqual(readdirSync(scene.world.secondPath('out')), [])
  })

  it('of 4096 bytes and more make the send fail, and nothing is committed', async () => {
    await using scene = await makeScene({ world: { sizeMiB: 512, second: { sizeMiB: 512 } } })
    deepTree(scene.home(), 4200)
    const report = await scene.backup()
    assert.equal(report.exitStatus, 20)
    const [failure] = report.sources[0]?.failures ?? []
    assert.equal(failure?.code, 'send-failed')
    assert.match(`${failure?.message} ${failure?.hint}`, /long|4096/)
  })
})

/** Made step by step, for no system call takes such a path at once. */
function deepTree(root: string, length: number): void {
  const script = `import os, sys
os.chdir(sys.argv[1])
left = int(sys.argv[2]) - 4
while left > 1:
    name = 'd' * min(200, left - 1)
    os.mkdir(name); os.chdir(name)
    left -= len(name) + 1
open('leaf', 'w').write('deep')`
  execFileSync('/usr/bin/python3', ['-c', script, root, String(length)])
}

/** Past btrfs-progs, which would take the received uuid away or refuse. */
function makeWritable(snapshot: string): void {
  const script = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x4008941a, struct.pack('<Q', 0))`
  execFileSync('/usr/bin/python3', ['-c', script, snapshot])
}

function isPlain(name: string): boolean {
  return /^[\w./-]+$/.test(name)
}
