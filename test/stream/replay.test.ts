import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { compareTrees, type TreeDifference } from '../../src/stream/compare.ts'
import { TreeReplay } from '../../src/stream/replay.ts'
import type { Tree, TreeNode } from '../../src/stream/tree.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { guardAll } from './sample-stream.ts'

const mutator = fileURLToPath(new URL('mutate-tree.py', import.meta.url))

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ second: true })
})
after(() => world.destroy())

function replay(stream: Uint8Array, payload: 'included' | 'left-out', tree?: Tree): Tree {
  const replayed = new TreeReplay({ payload, tree })
  for (let at = 0; at < stream.length; at += 50_000)
    replayed.write(stream.subarray(at, at + 50_000))
  return replayed.finish()
}

/** What the filesystem itself says of a snapshot: a full stream without file data. */
function treeOf(snapshot: string): Tree {
  world.sh(
    'btrfs -q send --no-data --proto 2 -f "$2" "$1" && chmod 600 "$2"',
    snapshot,
    world.outside('no-data'),
  )
  return replay(readFileSync(world.outside('no-data')), 'included')
}

function differences(expected: Tree, actual: Tree): TreeDifference[] {
  return compareTrees(expected, actual).toArray()
}

/** Every lstat that disagrees with the tree. */
function lstatDifferences(tree: Tree, folder: string): string[] {
  const wrong: string[] = []
  const seen = new Set<string>()
  for (const { path, node } of tree.walk()) {
    seen.add(path)
    const stats = lstatSync(bytePath(folder, path), { bigint: true })
    const expected = describe(node)
    const nlink = node.kind === 'folder' ? undefined : stats.nlink
    const actual = {
      mode: stats.mode & 0o7777n,
      owner: `${stats.uid}:${stats.gid}`,
      size: node.kind === 'folder' ? 0n : stats.size,
      mtime: stats.mtimeNs,
      nlink,
      type: stats.mode & 0o170000n,
      rdev: stats.rdev,
    }
    try {
      assert.deepEqual(actual, expected)
      if (node.kind === 'symlink') {
        const target = readlinkSync(bytePath(folder, path), { encoding: 'latin1' })
        assert.equal(target, node.target)
      }
    } catch (error) {
      wrong.push(`${JSON.stringify(path)}: ${String(error)}`)
    }
  }
  for (const path of pathsBelow(folder, '')) if (!seen.has(path)) wrong.push(`${path} is extra`)
  return wrong
}

const typeBits = {
  file: 0o100000n,
  folder: 0o040000n,
  symlink: 0o120000n,
  fifo: 0o010000n,
  socket: 0o140000n,
  char: 0o020000n,
  block: 0o060000n,
}

function describe(node: TreeNode) {
  return {
    mode: BigInt(node.mode),
    owner: `${node.uid}:${node.gid}`,
    size: BigInt(node.size),
    mtime: BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanoseconds),
    nlink: node.kind === 'folder' ? undefined : BigInt(node.links),
    type: typeBits[node.kind],
    rdev: BigInt(node.rdev),
  }
}

function bytePath(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')])
}

function* pathsBelow(folder: string, path: string): Generator<string> {
  for (const entry of readdirSync(bytePath(folder, path), {
    encoding: 'buffer',
    withFileTypes: true,
  })) {
    const inside = join(path, entry.name.toString('latin1'))
    yield inside
    if (entry.isDirectory()) yield* pathsBelow(folder, inside)
  }
}

for (const { seed, version } of [
  { seed: 11, version: 1 },
  { seed: 12, version: 2 },
  { seed: 13, version: 2 },
  { seed: 14, version: 1 },
]) {
  test(`replayed skeletons of a chain (seed ${seed}, version ${version}) equal each snapshot`, () => {
    const name = `chain${seed}`
    world.sh('btrfs -q subvolume create "$1"', name)
    let tree: Tree | undefined
    for (let step = 1; step <= 4; step += 1) {
      const snapshot = `${name}-${step}`
      world.sh(
        'python3 "$1" "$2" "$3" "$4"',
        mutator,
        name,
        String(seed * 100 + step),
        step === 1 ? '300' : '120',
      )
      world.sh('btrfs -q subvolume snapshot -r "$1" "$2"', name, snapshot)
      const parent = step === 1 ? [] : ['-p', `${name}-${step - 1}`]
      const file = world.outside('stream')
      const sendOptions = ['--proto', String(version), ...parent, snapshot]
      world.sh('out=$1; shift; btrfs -q send -f "$out" "$@"', file, ...sendOptions)
      const stream = readFileSync(file)
      const { skeleton, summary } = guardAll(stream, 1_000_003)
      assert.equal(skeleton.length, stream.length - summary.payloadBytes)
      tree = replay(skeleton, 'left-out', tree)
      assert.deepEqual(differences(tree, treeOf(snapshot)), [])
      assert.deepEqual(lstatDifferences(tree, world.path(snapshot)), [])
      const names = [...tree.walk()]
      assert.ok(names.length > 60, `${names.length} names are too few to prove anything`)
    }
  })
}

test('comparing with a received chain shows what btrfs receive lost, and nothing else', () => {
  world.sh(
    `
    btrfs -q subvolume create loss
    echo x > loss/setuid; chown 1:1 loss/setuid; chmod 4755 loss/setuid; echo y > loss/plain
    btrfs -q subvolume snapshot -r loss loss-1
    sleep 0.01; touch -d @1000000000 loss
    btrfs -q subvolume snapshot -r loss loss-2
    chown 2:2 loss/setuid; chmod 4755 loss/setuid
    btrfs -q subvolume snapshot -r loss loss-3
    btrfs -q send loss-1 | btrfs -q receive "$1"
    btrfs -q send -p loss-1 loss-2 | btrfs -q receive "$1"
    btrfs -q send -p loss-2 loss-3 | btrfs -q receive "$1"
  `,
    world.secondPath(),
  )
  const found = differences(treeOf(world.path('loss-3')), treeOf(world.secondPath('loss-3')))
  assert.deepEqual(found, [{ path: 'setuid', what: 'mode', expected: '4755', actual: '0755' }])
})
