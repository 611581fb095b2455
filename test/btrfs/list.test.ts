import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findReceived, nestedSubvolumes, parseList } from '../../src/btrfs/list.ts'
import { showSubvolume } from '../../src/btrfs/subvolume.ts'
import { asUuid, type Uuid } from '../../src/model/ids.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ second: true })
  world.sh(String.raw`btrfs subvolume create @; cd @
    btrfs subvolume create direct; mkdir -p a/b; btrfs subvolume create a/b/deep
    btrfs subvolume create a/b/deep/deeper; btrfs subvolume create $'odd\nname \xff'
    cd ..; btrfs subvolume create @two; btrfs subvolume create @two/not-below`)
})
after(async () => await world.destroy())

const nested = ['a/b/deep', 'a/b/deep/deeper', 'direct', 'odd\nname \uFFFD']

test('nestedSubvolumes() finds all below at any depth and nothing beside', async () => {
  const found = await nestedSubvolumes(world.path('@'))
  assert.deepEqual(
    found.map(one => one.path),
    nested,
  )
  const deep = await showSubvolume(world.path('@/a/b/deep'))
  assert.equal(found[0]?.uuid, deep.uuid)
  assert.equal(found[0]?.id, deep.id)
  assert.deepEqual(await nestedSubvolumes(world.path('@/direct')), [])
})

test('nestedSubvolumes() is the same where only the subvolume is mounted', async () => {
  const mountPoint = world.outside('mounted-@')
  world.mountImage('first', mountPoint, 'subvol=@')
  const found = await nestedSubvolumes(mountPoint)
  assert.deepEqual(
    found.map(one => one.path),
    nested,
  )
  const below = await nestedSubvolumes(`${mountPoint}/a/b/deep`)
  assert.deepEqual(
    below.map(one => one.path),
    ['deeper'],
  )
})

test('nestedSubvolumes() of the top level are all subvolumes', async () => {
  const found = (await nestedSubvolumes(world.path())).map(one => one.path)
  for (const path of ['@', '@two', '@two/not-below', '@/a/b/deep/deeper']) {
    assert.ok(found.includes(path), path)
  }
})

test('a name that pretends to be a line of the list hides nothing', () => {
  const real = '11111111-1111-1111-1111-111111111111'
  const line = (id: number, upper: number, path: string) =>
    `ID ${id} gen 9 parent ${upper} top level ${upper} received_uuid -                                    uuid ${real} path ${path}\n`
  const answer = line(256, 5, `x\n${line(258, 5, 'fake')}`) + line(258, 256, '<FS_TREE>/x/real')
  const found = parseList(Buffer.from(answer))
  assert.ok(found.some(one => one.id === 258 && one.upperId === 256 && one.path === 'x/real'))
})

/** A snapshot of the first filesystem, received into folders of the second. */
async function received(name: string, ...folders: string[]): Promise<Uuid> {
  world.sh('btrfs subvolume create "$1"; btrfs subvolume snapshot -r "$1" "$1.1"', name)
  for (const folder of folders) {
    world.sh(
      'mkdir -p "$2"; btrfs send -q "$1.1" | btrfs receive -q -C "$2" >&2',
      name,
      world.secondPath(folder),
    )
  }
  return (await showSubvolume(world.path(`${name}.1`))).uuid
}

test('findReceived() finds what was received, by the uuid of the sent snapshot', async () => {
  const uuid = await received('src', 'in')
  const { usable, inTheWay } = await findReceived(world.secondPath('in'), uuid)
  assert.deepEqual(inTheWay, [])
  assert.deepEqual(usable, [await showSubvolume(world.secondPath('in/src.1'))])
  assert.equal(usable[0]?.receivedUuid, uuid)
  assert.ok((usable[0]?.sendTransid ?? 0) > 0)
})

test('findReceived() finds the snapshot itself on its own filesystem', async () => {
  const uuid = await received('own')
  const { usable } = await findReceived(world.path(), uuid)
  assert.deepEqual(
    usable.map(one => one.path),
    [world.path('own.1')],
  )
})

test('findReceived() finds nothing for a uuid that nobody has', async () => {
  const uuid = asUuid('11111111-2222-3333-4444-555555555555') as Uuid
  assert.deepEqual(await findReceived(world.path(), uuid), { usable: [], inTheWay: [] })
})

test('findReceived() tells of a duplicate outside what is mounted', async () => {
  world.sh('cd "$1"; btrfs subvolume create @; mkdir @/in', world.secondPath())
  const uuid = await received('dup', 'outside', '@/in')
  const mountPoint = world.outside('mounted-second')
  world.mountImage('second', mountPoint, 'subvol=@')
  const outside = await showSubvolume(world.secondPath('outside/dup.1'))
  const { usable, inTheWay } = await findReceived(mountPoint, uuid)
  assert.deepEqual(
    usable.map(one => one.path),
    [`${mountPoint}/in/dup.1`],
  )
  assert.deepEqual(inTheWay, [outside.id])
  const all = await findReceived(world.secondPath(), uuid)
  assert.equal(all.usable.length, 2)
  assert.deepEqual(all.inTheWay, [])
})

test('findReceived() never offers a writable subvolume', async () => {
  world.sh('btrfs subvolume create writable')
  const { id, uuid } = await showSubvolume(world.path('writable'))
  assert.deepEqual(await findReceived(world.path(), uuid), { usable: [], inTheWay: [id] })
})
