import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { Failure } from '../../src/base/failure.ts'
import { syncFilesystem } from '../../src/btrfs/filesystem.ts'
import { activeSwapFiles } from '../../src/btrfs/mounts.ts'
import { deleteSnapshot, makeSnapshot } from '../../src/btrfs/snapshot.ts'
import { findSubvolume, showSubvolume } from '../../src/btrfs/subvolume.ts'
import { asUuid, type Uuid } from '../../src/model/ids.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

const otherUuid = asUuid('11111111-2222-3333-4444-555555555555') as Uuid

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ second: true })
  world.sh('btrfs subvolume create home; echo one > home/file; mkdir snaps')
})
after(async () => await world.destroy())

test('makeSnapshot() makes a read-only snapshot of the source', async () => {
  const home = await showSubvolume(world.path('home'))
  const made = await makeSnapshot(home.path, world.path('snaps/first'))
  assert.equal(made.readOnly, true)
  assert.equal(made.sourceUuid, home.uuid)
  assert.deepEqual(made, await showSubvolume(world.path('snaps/first')))
})

test('after a sync, an unchanged source has a generation not above the snapshot', async () => {
  const made = await makeSnapshot(world.path('home'), world.path('snaps/unchanged'))
  await syncFilesystem(world.path())
  assert.ok((await showSubvolume(world.path('home'))).generation <= made.creationGeneration)
  world.sh('chmod 600 home/file')
  // Why a sync must come first: the change is not told before it is committed.
  assert.ok((await showSubvolume(world.path('home'))).generation <= made.creationGeneration)
  await syncFilesystem(world.path())
  assert.ok((await showSubvolume(world.path('home'))).generation > made.creationGeneration)
})

test('makeSnapshot() never touches what exists already, nor puts anything into it', async () => {
  world.sh('mkdir snaps/folder; echo precious > snaps/file')
  await makeSnapshot(world.path('home'), world.path('snaps/taken'))
  const before = world.sh('ls -laR snaps; btrfs subvolume list .')
  for (const name of ['folder', 'file', 'taken']) {
    await assert.rejects(makeSnapshot(world.path('home'), world.path('snaps', name)), {
      code: 'btrfs-failed',
      message: new RegExp(`${name} exists already$`),
    })
  }
  assert.equal(world.sh('ls -laR snaps; btrfs subvolume list .'), before)
})

test('makeSnapshot() names a missing folder, and one on another filesystem', async () => {
  await assert.rejects(makeSnapshot(world.path('home'), world.path('absent/x')), (e: Failure) => {
    assert.match(e.message, /the folder \S+\/absent does not exist$/)
    assert.match(e.hint ?? '', /mkdir -m 0700/)
    return true
  })
  for (const elsewhere of [world.secondPath('x'), world.outside('x')]) {
    await assert.rejects(makeSnapshot(world.path('home'), elsewhere), {
      message: `cannot make snapshot ${elsewhere} of ${world.path('home')}: they are on different filesystems`,
    })
    assert.ok(!existsSync(elsewhere))
  }
})

test('makeSnapshot() names the active swap file and what to do about it', async () => {
  world.sh(`btrfs subvolume create 'with swap'; cd 'with swap'; truncate -s 0 'swap file'
    chattr +C 'swap file'; fallocate -l 8M 'swap file'; chmod 600 'swap file'
    mkswap -q 'swap file'; swapon 'swap file'`)
  const swap = world.path('with swap/swap file')
  try {
    await assert.rejects(
      makeSnapshot(world.path('with swap'), world.path('snaps/swap')),
      (e: Failure) => {
        assert.ok(e.message.endsWith(`: the swap file ${swap} in it is in use`), e.message)
        assert.match(e.hint ?? '', /swapoff/)
        return true
      },
    )
    assert.equal(await findSubvolume(world.path('snaps/swap')), undefined)
    // Somebody else's swap file does not matter.
    assert.deepEqual(await activeSwapFiles(world.path('home')), [])
    await makeSnapshot(world.path('home'), world.path('snaps/beside-swap'))
  } finally {
    world.sh('swapoff "$1"', swap)
  }
})

test('makeSnapshot() and deleteSnapshot() tell that a filesystem is read-only', async () => {
  const kept = await makeSnapshot(world.path('home'), world.path('snaps/kept'))
  world.sh('mount -o remount,ro .')
  try {
    await assert.rejects(makeSnapshot(world.path('home'), world.path('snaps/ro')), {
      code: 'btrfs-failed',
      message: /Read-only file system$/,
      hint: /mounted read-only/,
    })
    await assert.rejects(deleteSnapshot(kept.path, kept.uuid), { code: 'btrfs-failed' })
  } finally {
    world.sh('mount -o remount,rw .')
  }
})

test('makeSnapshot() tells that there is no space left for metadata', async () => {
  await using small = await makeBtrfsWorld({ sizeMiB: 120 })
  small.trySh('btrfs subvolume create a; head -c 100M /dev/zero > big')
  small.trySh(`/usr/bin/python3 -c '
import os
for i in range(100000):
    path = "a/%06d" % i + "x" * 200
    open(path, "wb").close()
    os.setxattr(path, "user.x", b"z" * 3500)'`)
  small.trySh('for i in {1..1500}; do btrfs subvolume snapshot -r a s$i || break; done')
  const before = readdirSync(small.path())
  await assert.rejects(makeSnapshot(small.path('a'), small.path('last')), {
    code: 'no-space',
    message: /no space left for btrfs metadata$/,
  })
  assert.deepEqual(readdirSync(small.path()), before)
  // Making room must work where nothing else does.
  const first = await showSubvolume(small.path('s1'))
  assert.equal(await deleteSnapshot(first.path, first.uuid), true)
})

test('makeSnapshot() does nothing when the signal has aborted', async () => {
  const options = { signal: AbortSignal.abort() }
  const path = world.path('snaps/aborted')
  await assert.rejects(makeSnapshot(world.path('home'), path, options), { code: 'interrupted' })
  assert.ok(!existsSync(path))
})

test('a snapshot of the top level works', async () => {
  const made = await makeSnapshot(world.path(), world.path('snaps/top'))
  assert.equal(made.sourceUuid, (await showSubvolume(world.path())).uuid)
})

test('deleteSnapshot() deletes ours, and says so when it is gone', async () => {
  const made = await makeSnapshot(world.path('home'), world.path('snaps/gone'))
  assert.equal(await deleteSnapshot(made.path, made.uuid), true)
  assert.ok(!existsSync(made.path))
  assert.equal(await deleteSnapshot(made.path, made.uuid), false)
})

test('deleteSnapshot() leaves alone what has another uuid or is writable (L11)', async () => {
  const foreign = await makeSnapshot(world.path('home'), world.path('snaps/foreign'))
  await assert.rejects(deleteSnapshot(foreign.path, otherUuid), {
    code: 'refused',
    message: new RegExp(`its uuid is ${foreign.uuid}, expected was ${otherUuid}$`),
  })
  assert.ok(existsSync(foreign.path))
  world.sh('btrfs subvolume snapshot home snaps/writable')
  const writable = await showSubvolume(world.path('snaps/writable'))
  await assert.rejects(deleteSnapshot(writable.path, writable.uuid), { code: 'refused' })
  assert.ok(existsSync(writable.path))
})

test('deleteSnapshot() never deletes a directory or what it can not look at (L11)', async () => {
  world.sh('mkdir snaps/dir; touch snaps/dir/precious')
  await assert.rejects(deleteSnapshot(world.path('snaps/dir'), otherUuid), { code: 'btrfs-failed' })
  assert.ok(statSync(world.path('snaps/dir/precious')).isFile())
})

test('deleteSnapshot() through a symbolic link leaves the target of the link alone', async () => {
  const made = await makeSnapshot(world.path('home'), world.path('snaps/target'))
  world.sh('ln -s target snaps/symlink')
  await assert.rejects(deleteSnapshot(world.path('snaps/symlink'), made.uuid), {
    code: 'refused',
  })
  assert.ok(existsSync(made.path))
})
