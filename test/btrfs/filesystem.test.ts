import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { filesystemOf, protocolFor, syncFilesystem, versions } from '../../src/btrfs/filesystem.ts'
import { mountOf, parseMounts, pathBelow } from '../../src/btrfs/mounts.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ second: { sizeMiB: 200 } })
})
after(async () => await world.destroy())

test('filesystemOf() tells filesystems apart and knows their space', async () => {
  world.sh('mkdir -p a/b')
  const first = await filesystemOf(world.path('a/b'))
  const second = await filesystemOf(world.secondPath())
  const shown = world.sh('btrfs filesystem show "$1"', world.path())
  assert.ok(shown.includes(first.uuid))
  assert.notEqual(first.uuid, second.uuid)
  assert.equal(first.mountPoint, world.path())
  assert.equal(second.totalBytes, 200 * 1024 * 1024)
  assert.ok(second.freeBytes > 50_000_000 && second.freeBytes < second.totalBytes)
  assert.equal(first.readOnly, false)
  assert.equal(first.deviceErrorCount, 0)
  assert.equal(first.exclusiveOperation, 'none')
})

test('filesystemOf() sees read-only mounts and quotas', async () => {
  assert.equal((await filesystemOf(world.path())).quotas, 'off')
  world.sh('btrfs quota enable .')
  assert.equal((await filesystemOf(world.path())).quotas, 'full')
  world.sh('btrfs quota disable .')
  const mountPoint = world.outside('ro')
  world.mountImage('second', mountPoint)
  world.sh('mount -o remount,bind,ro "$1"', mountPoint)
  assert.equal((await filesystemOf(mountPoint)).readOnly, true)
  assert.equal((await filesystemOf(world.secondPath())).readOnly, false)
})

test('filesystemOf() refuses what is not btrfs or not there', async () => {
  await assert.rejects(filesystemOf('/proc'), { message: /: it is not btrfs$/ })
  await assert.rejects(filesystemOf(world.path('absent')), { code: 'btrfs-failed' })
})

test('syncFilesystem() tells what is not btrfs', async () => {
  await assert.rejects(syncFilesystem('/proc'), { message: /at \/proc: it is not btrfs$/ })
})

test('versions() knows what runs here', async () => {
  const found = await versions()
  assert.match(found.progs, /^\d+\.\d+/)
  assert.match(found.kernel, /^\d+\.\d+/)
  assert.equal(found.protocol, 2)
})

test('protocolFor() wants version 2 from both the kernel and btrfs-progs', () => {
  assert.equal(protocolFor('5.18', 2), 1)
  assert.equal(protocolFor('5.19', 2), 2)
  assert.equal(protocolFor('5.19.1', 3), 2)
  assert.equal(protocolFor('6.2', 1), 1)
  assert.equal(protocolFor('6.14', 2), 2)
  assert.equal(protocolFor('10.0', 2), 2)
})

test('mountOf() takes the mount that covers a path, also under odd names', async () => {
  const odd = world.outside('odd name\nand more')
  world.mountImage('second', odd)
  assert.equal((await mountOf(odd))?.mountPoint, odd)
  assert.equal((await mountOf(world.path()))?.device, world.device())
  assert.equal((await mountOf(world.outside()))?.device === world.device(), false)
})

test('parseMounts() reads optional fields, roots and options', () => {
  const table = `36 35 98:0 /@home /mnt/a\\040b rw,noatime shared:1 master:2 - btrfs /dev/x rw,ssd
37 35 0:3 / /proc rw - proc proc ro`
  assert.deepEqual(parseMounts(table), [
    { root: '/@home', mountPoint: '/mnt/a b', device: '/dev/x', readOnly: false },
    { root: '/', mountPoint: '/proc', device: 'proc', readOnly: true },
  ])
})

test('pathBelow() does not take a longer name for a folder', () => {
  assert.equal(pathBelow('/a', '/a/b'), 'b')
  assert.equal(pathBelow('/a', '/ab'), undefined)
  assert.equal(pathBelow('/', '/ab'), 'ab')
  assert.equal(pathBelow('/a', '/a'), '')
})
