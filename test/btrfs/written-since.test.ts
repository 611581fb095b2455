import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { filesystemOf } from '../../src/btrfs/filesystem.ts'
import { metadataSpace } from '../../src/btrfs/metadata-space.ts'
import { showSubvolume } from '../../src/btrfs/subvolume.ts'
import { writtenSince } from '../../src/btrfs/written-since.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

const mebibyte = 1024 * 1024

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ sizeMiB: 512 })
  world.sh('btrfs subvolume create home >/dev/null')
})
after(() => world.destroy())

test('writtenSince() counts data, each reflink of it, and neither holes nor preallocated space', async () => {
  world.sh(`cd home; head -c 5M /dev/urandom > data; cp --reflink=always data copy
    truncate -s 100M hole; fallocate -l 30M space; printf four > inline; sync`)
  assert.equal(await writtenSince(world.path('home'), 0), 10 * mebibyte + 4)
})

test('writtenSince() counts what came after a snapshot only', async () => {
  world.sh('btrfs subvolume snapshot -r home snapshot >/dev/null')
  const { creationGeneration } = await showSubvolume(world.path('snapshot'))
  assert.equal(await writtenSince(world.path('home'), creationGeneration + 1), 0)
  world.sh(
    'cd home; rm copy; head -c 2M /dev/urandom > "$(printf "new\\ninode 9 file offset 0 len 7")"; sync',
  )
  assert.equal(await writtenSince(world.path('home'), creationGeneration + 1), 2 * mebibyte)
})

test('writtenSince() does not say 0 where it may not look (L9)', async () => {
  process.seteuid?.(65_534)
  try {
    await assert.rejects(writtenSince(world.path('home'), 0), /permission denied/)
  } finally {
    process.seteuid?.(0)
  }
  await assert.rejects(writtenSince(world.path('gone'), 0), { code: 'btrfs-failed' })
})

test('metadataSpace() finds room on a fresh filesystem, and less on a full one', async () => {
  const { uuid } = await filesystemOf(world.path())
  const fresh = await metadataSpace(uuid)
  assert.ok(fresh && fresh.freeBytes > 0 && fresh.unallocatedBytes > 0)
  assert.ok(fresh.unallocatedBytes < 512 * mebibyte)
  world.trySh('head -c 400M /dev/zero > home/filler; sync')
  const full = await metadataSpace(uuid)
  assert.ok(full && full.unallocatedBytes < fresh.unallocatedBytes)
})
