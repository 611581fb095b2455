import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import {
  findSubvolume,
  listSubvolumesIn,
  parseShow,
  showSubvolume,
} from '../../src/btrfs/subvolume.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld()
})
after(async () => await world.destroy())

const refusal = (path: string, why: string) => ({
  code: 'btrfs-failed',
  message: `cannot read subvolume ${path}: ${why}`,
})

test('showSubvolume() reads a subvolume and its snapshot', async () => {
  world.sh('btrfs subvolume create home; btrfs subvolume snapshot -r home home.1')
  const home = await showSubvolume(world.path('home'))
  const snapshot = await showSubvolume(world.path('home.1'))
  assert.equal(home.name, 'home')
  assert.equal(home.path, world.path('home'))
  assert.equal(home.readOnly, false)
  assert.equal(home.sourceUuid, null)
  assert.equal(home.receivedUuid, null)
  assert.match(home.uuid, /^[0-9a-f-]{36}$/)
  assert.equal(snapshot.readOnly, true)
  assert.equal(snapshot.sourceUuid, home.uuid)
  assert.ok(snapshot.id > home.id)
  assert.ok(home.generation <= snapshot.creationGeneration)
  assert.ok(Math.abs(snapshot.createdAt.getTime() - Date.now()) < 60_000)
})

test('showSubvolume() reads the top level of a filesystem', async () => {
  const top = await showSubvolume(world.path())
  assert.equal(top.id, 5)
  assert.equal(top.readOnly, false)
})

test('showSubvolume() tells the ways of not being a subvolume apart', async () => {
  world.sh(`btrfs subvolume create outer; btrfs subvolume create outer/inner; mkdir outer/plain
    touch outer/file; btrfs subvolume snapshot -r outer outer.1; ln -s loop loop`)
  const cases: [string, string][] = [
    [world.path('absent'), 'it does not exist'],
    [world.path('outer/plain'), 'it is a directory inside a subvolume, not a subvolume'],
    [world.path('outer/file'), 'it is not a directory'],
    [world.path('outer/file/x'), 'a part of the path is not a directory'],
    [world.path('outer.1/inner'), 'it is the empty stand-in for a nested subvolume in a snapshot'],
    [world.outside(), 'it is not on a btrfs filesystem'],
    [world.path('loop'), 'too many symbolic links'],
    [world.path('n'.repeat(300)), 'the path is too long'],
  ]
  for (const [path, why] of cases) await assert.rejects(showSubvolume(path), refusal(path, why))
})

test('findSubvolume() says undefined only for what does not exist (L9)', async () => {
  assert.equal(await findSubvolume(world.path('absent')), undefined)
  mkdirSync(world.path('folder'))
  await assert.rejects(findSubvolume(world.path('folder')), { code: 'btrfs-failed' })
})

test('showSubvolume() reads names with line feeds, blanks and what is not UTF-8', async () => {
  world.sh(String.raw`n=$'line\nfeed\tand \xff'; mkdir odd; btrfs subvolume create "odd/$n"
    ln -s "$n" odd/link; btrfs subvolume snapshot -r "odd/$n" $'odd/\nsnap'`)
  const odd = await showSubvolume(world.path('odd/link'))
  assert.equal(odd.name, 'line\nfeed\tand \uFFFD')
  const snapshot = await showSubvolume(world.path('odd/\nsnap'))
  assert.equal(snapshot.sourceUuid, odd.uuid)
})

test('a name that pretends to be a field is refused, not believed', async () => {
  const fake = 'x\n\tUUID: \t\t\t11111111-1111-1111-1111-111111111111\n'
  world.sh('mkdir fakes; btrfs subvolume create "fakes/$1"', fake)
  await assert.rejects(showSubvolume(world.path('fakes', fake)), /has no clear "Name"/)
  world.sh('btrfs subvolume create fakes/honest')
  world.sh('btrfs subvolume snapshot -r fakes/honest "fakes/$1"', `y${fake}`)
  await assert.rejects(showSubvolume(world.path('fakes/honest')), /has no clear "Name"/)
})

test('a subvolume without a uuid is refused with the reason', () => {
  const answer = `/\n\tName: \t\t\t<FS_TREE>\n\tUUID: \t\t\t-\n\tParent UUID: \t\t-
\tReceived UUID: \t\t-\n\tCreation time: \t\t-\n\tSubvolume ID: \t\t5\n\tGeneration: \t\t5
\tGen at creation: \t0\n\tSend transid: \t\t0\n\tReceive transid: \t0\n\tFlags: \t\t\t-\n`
  assert.throws(() => parseShow('/old', Buffer.from(answer)), {
    message: 'cannot use subvolume /old: it has no uuid',
  })
})

test('an answer that is cut short is refused at every line', async () => {
  const answer = world.sh('btrfs subvolume show home')
  const needed = answer.slice(0, answer.indexOf('\tReceive time'))
  const lines = needed.split('\n')
  assert.equal(parseShow('/home', Buffer.from(needed)).name, 'home')
  for (let kept = 0; kept < lines.length - 1; kept += 1) {
    const part = Buffer.from(lines.slice(0, kept).join('\n'))
    assert.throws(() => parseShow('/home', part), { code: 'btrfs-failed' }, `${kept} lines`)
  }
})

test('listSubvolumesIn() finds the subvolumes directly in a folder and nothing else', async () => {
  world.sh(`mkdir snaps; for i in b a c; do btrfs subvolume snapshot -r home snaps/$i; done
    mkdir snaps/plain; touch snaps/file; btrfs subvolume create snaps/deep
    btrfs subvolume create snaps/deep/below; ln -s ../home snaps/link`)
  world.sh(
    String.raw`btrfs subvolume create $'snaps/\xff'; btrfs subvolume snapshot -r snaps/deep snaps/e`,
  )
  const found = await listSubvolumesIn(world.path('snaps'))
  assert.deepEqual(
    found.map(one => one.path),
    ['a', 'b', 'c', 'deep', 'e'].map(name => world.path('snaps', name)),
  )
  const inSnapshot = await listSubvolumesIn(world.path('snaps/e'))
  assert.deepEqual(inSnapshot, [], 'a stand-in is not a subvolume')
})

test('listSubvolumesIn() never takes a folder that it can not read for an empty one (L9)', async () => {
  const path = world.path('absent')
  await assert.rejects(listSubvolumesIn(path), {
    message: `cannot list ${path}: it does not exist`,
  })
})
