// The generator and the walker that judge restores are judged here, against btrfs itself.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { test } from 'node:test'
import { type BtrfsWorld, makeBtrfsWorld } from './btrfs-world.ts'

interface Counts {
  readonly done: Record<string, number>
  readonly refused: Record<string, number>
}

function python(script: string, ...args: string[]): string {
  const file = new URL(script, import.meta.url).pathname
  const result = spawnSync('/usr/bin/python3', [file, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  assert.equal(result.status, 0, result.stderr.slice(-500))
  return result.stdout
}

const mutate = (root: string, seed: number, ...options: string[]) =>
  JSON.parse(
    python('mutate.py', ...options.slice(1), root, String(seed), options[0] ?? '100'),
  ) as Counts
const walk = (root: string, ...options: string[]) => python('walk.py', ...options, root)

/** Four snapshots, sent and received natively; the lines that differ after each. */
function chain(world: BtrfsWorld, seed: number, change: (root: string, seed: number) => void) {
  world.sh('btrfs subvolume create src')
  mkdirSync(world.secondPath('in'))
  return [1, 2, 3, 4].map(step => {
    change(world.path('src'), seed * 10 + step)
    world.sh('btrfs subvolume snapshot -r src "s$1"', String(step))
    const parent = step === 1 ? '' : `-p s${step - 1}`
    world.sh(
      `btrfs send -q --proto 2 ${parent} "s$1" | btrfs receive -q -C "$2"`,
      String(step),
      world.secondPath('in'),
    )
    const before = walk(world.path(`s${step}`)).split('\n')
    const after = new Set(walk(world.secondPath(`in/s${step}`)).split('\n'))
    return before.filter(line => !after.has(line))
  })
}

test('a changed tree survives send and receive where known losses are avoided', async () => {
  await using world = await makeBtrfsWorld({ second: true })
  const differences = chain(world, 7, (root, seed) => void mutate(root, seed, '250'))
  assert.deepEqual(differences, [[], [], [], []])
})

test('forced losses are seen by the walker in the second snapshot', async () => {
  await using world = await makeBtrfsWorld({ second: true })
  const [first, second] = chain(
    world,
    8,
    (root, seed) => void mutate(root, seed, '0', '--known-losses=force'),
  )
  assert.deepEqual(first, [])
  assert.equal(second?.length, 2)
  assert.match(second?.[0] ?? '', /^\/ dir .* mtime=/)
  assert.match(second?.[1] ?? '', /^\/set-uid file mode=4755 .*xattr:security\.cap=/)
})

test('every operation is done, and refused only where btrfs knows no such thing', async () => {
  await using world = await makeBtrfsWorld()
  world.sh('btrfs subvolume create src')
  const { done, refused } = mutate(world.path('src'), 1, '1500')
  const never = Object.keys(done).filter(name => done[name] === 0)
  assert.deepEqual(never, ['collapse_range'], 'btrfs has no collapse range')
  const errors = Object.keys(refused).filter(name => / E/.test(name))
  assert.ok(
    errors.every(name => /^(collapse_range|clone_\w+|set_\w+) /.test(name)),
    errors.join(),
  )
})

test('the same seed makes the same tree', async () => {
  await using world = await makeBtrfsWorld()
  const texts = ['a', 'b'].map(name => {
    world.sh('btrfs subvolume create "$1"', name)
    mutate(world.path(name), 3, '300')
    return walk(world.path(name))
      .replaceAll(/ mtime=-?\d+/g, '')
      .replaceAll(world.path(name), '')
  })
  assert.ok((texts[0]?.length ?? 0) > 10_000)
  assert.equal(
    texts[0]?.replaceAll(/target=\S*first\S*/g, ''),
    texts[1]?.replaceAll(/target=\S*first\S*/g, ''),
  )
})

test('the walker sees every kind of difference', async () => {
  await using world = await makeBtrfsWorld()
  world.sh(`btrfs subvolume create base; cd base; echo text > file; ln file link; ln -s file symlink
    mkdir dir; mknod node c 1 3; mkfifo fifo; setfattr -n user.a -v 1 file; touch second
    setfattr -h -n trusted.s -v 1 symlink; head -c 1M /dev/zero > zeros; cp -a second third`)
  const changes = [
    'echo Text > file; touch -r ../base/file file',
    'printf x | dd of=zeros bs=1 seek=9999 conv=notrunc; touch -r ../base/zeros zeros',
    'chmod 4644 file; touch -r ../base/file file',
    'chown 1:0 file',
    'chown 0:1 dir',
    'chown -h 7:7 symlink',
    'touch -d @1.000000001 file',
    'touch -h -d @1 symlink',
    'touch -d @-5 dir',
    'rm node; mknod node c 1 4; touch -r ../base/node node',
    'rm node; mknod node b 1 3; touch -r ../base/node node',
    'ln -sfn filf symlink; touch -h -r ../base/symlink symlink',
    'setfattr -n user.a -v 2 file',
    'setfattr -x user.a file',
    'setfattr -h -n trusted.s -v 2 symlink',
    'setfacl -m u:5:r file',
    'rm link; cp -a file link',
    'ln -f second link; rm third; cp -a file third',
    'truncate -s 2M zeros; touch -r ../base/zeros zeros',
    'mv second "second "; touch -r ../base .',
    String.raw`mv second $'sec\xffond'; touch -r ../base .`,
    'rmdir dir; touch -r ../base .',
    'touch .',
  ]
  const original = walk(world.path('base'))
  world.sh('btrfs subvolume snapshot base same')
  assert.equal(walk(world.path('same')), original)
  for (const [index, change] of changes.entries()) {
    world.sh(`btrfs subvolume snapshot base "c$1"; cd "c$1"; ${change}`, String(index))
    assert.notEqual(walk(world.path(`c${index}`)), original, change)
  }
})

test('the walker does not enter nested subvolumes, and knows their stand-ins', async () => {
  await using world = await makeBtrfsWorld()
  world.sh(`btrfs subvolume create a; btrfs subvolume create a/nested; touch a/nested/file a/beside
    btrfs subvolume snapshot a b`)
  assert.match(walk(world.path('a')), /^\/nested nested$/m)
  assert.equal(walk(world.path('b')), walk(world.path('a')))
  assert.doesNotMatch(walk(world.path('a'), '--skip-nested'), /nested/)
})
