import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { StreamMender } from '../../src/stream/mender.ts'
import type { Tree } from '../../src/stream/tree.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { guardAll } from './sample-stream.ts'

const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld({ second: true })
})
after(() => world.destroy())

function python(script: string, ...args: string[]): string {
  const options = { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const
  return execFileSync('/usr/bin/python3', [support(script), ...args], options)
}

/** Every name with all that can be seen of it, but the xattr whose name no send stream ever holds. */
function walk(folder: string): string[] {
  const text = python('walk.py', folder).replaceAll(/ xattr:security\.cap=[0-9a-f]*/g, '')
  return text.split('\n')
}

/** The first few lines that only one of the two has. */
function differing(received: string[], source: string[]): string[] {
  const [left, right] = [new Set(received), new Set(source)]
  const lines = [
    ...source.filter(line => !left.has(line)),
    ...received.filter(line => !right.has(line)),
  ]
  return lines.slice(0, 4).map(line => line.slice(0, 300))
}

function mend(stream: Uint8Array, tree: Tree | undefined, pieceBytes: number) {
  const mender = new StreamMender({ tree, expect: {} })
  const out: Uint8Array[] = []
  for (let at = 0; at < stream.length; at += pieceBytes) {
    const pieces = mender.write(stream.slice(at, at + pieceBytes))
    for (const piece of pieces) out.push(new Uint8Array(piece))
  }
  return { mended: Buffer.concat(out), tree: mender.finish() }
}

/** Sends a chain of snapshots, full first, and gives back the streams. */
function chainOf(protocol: number, seed: number): { streams: Buffer[]; snapshots: string[] } {
  const source = world.path(`src-${protocol}-${seed}`)
  world.sh('btrfs -q subvolume create "$1"', source)
  const streams: Buffer[] = []
  const snapshots: string[] = []
  for (let n = 0; n < 4; n += 1) {
    python('mutate.py', '--known-losses=force', source, String(seed + n), '150')
    // What receive would spread over the whole tree, and a property that came and went.
    if (n === 1) world.sh('setfacl -d -m u:1234:rwx "$1" && chmod 2775 "$1"', source)
    if (n === 2) world.sh('setfacl -k "$1"; btrfs property set "$1" compression zstd', source)
    const snapshot = `${source}.${n}`
    world.sh('btrfs -q subvolume snapshot -r "$1" "$2"', source, snapshot)
    const file = world.outside('stream')
    const parent = n === 0 ? [] : ['-p', `${source}.${n - 1}`]
    execFileSync('btrfs', [
      '-q',
      'send',
      '--proto',
      String(protocol),
      ...parent,
      '-f',
      file,
      snapshot,
    ])
    streams.push(readFileSync(file))
    snapshots.push(snapshot)
  }
  return { streams, snapshots }
}

for (const protocol of [1, 2]) {
  test(`StreamMender makes btrfs receive arrive at exactly the source, protocol ${protocol}`, () => {
    const seed = 40 + protocol
    const { streams, snapshots } = chainOf(protocol, seed)
    const target = world.secondPath(`out-${protocol}`)
    world.sh('mkdir "$1"', target)
    let tree: Tree | undefined
    let losses = 0
    for (const [n, stream] of streams.entries()) {
      const result = mend(stream, tree, 300_000)
      tree = result.tree
      guardAll(result.mended)
      const file = world.outside('mended')
      writeFileSync(file, result.mended)
      world.sh('btrfs -q receive "$1" < "$2"', target, file)
      const snapshot = snapshots[n] as string
      const received = `${target}/src-${protocol}-${seed}.${n}`
      assert.deepEqual(differing(walk(received), walk(snapshot)), [], `snapshot ${n}`)
      losses += result.mended.length - stream.length
    }
    assert.ok(losses > 0, 'nothing had to be mended, so nothing was shown')
  })
}

test('StreamMender gives the same bytes however the stream is cut', () => {
  const { streams } = chainOf(2, 90)
  let whole: Tree | undefined
  let cut: Tree | undefined
  for (const stream of streams) {
    const inOne = mend(stream, whole, stream.length)
    const inBits = mend(stream, cut, 13)
    whole = inOne.tree
    cut = inBits.tree
    assert.ok(inOne.mended.equals(inBits.mended))
  }
})

test('without the mender, btrfs receive loses what these streams hold', () => {
  const { streams, snapshots } = chainOf(2, 140)
  const target = world.secondPath('plain')
  world.sh('mkdir "$1"', target)
  const receive = (stream: Buffer) => {
    writeFileSync(world.outside('plain'), stream)
    return world.trySh('btrfs -q receive "$1" < "$2"', target, world.outside('plain')).status
  }
  const statuses = streams.map(receive)
  const wrong = snapshots.filter((snapshot, n) => {
    const received = `${target}/src-2-140.${n}`
    return statuses[n] !== 0 || differing(walk(received), walk(snapshot)).length > 0
  })
  assert.ok(wrong.length > 0)
})
