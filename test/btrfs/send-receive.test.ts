import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Failure } from '../../src/base/failure.ts'
import { openPipe } from '../../src/base/pipe.ts'
import { startReceive } from '../../src/btrfs/receive.ts'
import { type SendCall, startSend } from '../../src/btrfs/send.ts'
import { makeSnapshot } from '../../src/btrfs/snapshot.ts'
import { findSubvolume, showSubvolume } from '../../src/btrfs/subvolume.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'

let world: BtrfsWorld
let fulls: Buffer
let difference: Buffer
before(async () => {
  world = await makeBtrfsWorld({ second: true })
  world.sh('btrfs subvolume create src; echo one > src/secret-name; mkdir snaps')
  await makeSnapshot(world.path('src'), world.path('snaps/s1'))
  world.sh('echo two > src/two; head -c 3M /dev/urandom > src/large')
  await makeSnapshot(world.path('src'), world.path('snaps/s2'))
  fulls = await sent({ snapshot: world.path('snaps/s1') })
  difference = await sent({ snapshot: world.path('snaps/s2'), parent: world.path('snaps/s1') })
})
after(async () => await world.destroy())

async function sent(call: Omit<SendCall, 'output' | 'protocol'>): Promise<Buffer> {
  const path = world.outside('stream')
  const output = openSync(path, 'w')
  try {
    await startSend({ protocol: 2, ...call, output }).done
  } finally {
    closeSync(output)
  }
  return readFileSync(path)
}

async function receive(staging: string, stream: Buffer, signal?: AbortSignal): Promise<void> {
  const pipe = await openPipe()
  const running = startReceive({ staging, input: pipe.readEnd, signal })
  closeSync(pipe.readEnd)
  const stdin = new Socket({ fd: pipe.writeEnd, readable: false })
  await pipeline(Readable.from([stream]), stdin).catch(() => {})
  await running.done
}

function stagingFolder(name: string): string {
  const path = world.secondPath(name)
  mkdirSync(path, { mode: 0o700 })
  return path
}

test('a full stream and a difference are sent and received again', async () => {
  const staging = stagingFolder('whole')
  await receive(staging, fulls)
  await receive(staging, difference)
  const original = await showSubvolume(world.path('snaps/s2'))
  const copy = await showSubvolume(`${staging}/s2`)
  assert.equal(copy.receivedUuid, original.uuid)
  assert.equal(copy.readOnly, true)
  assert.ok(copy.sendTransid > 0)
  const walk = (path: string) =>
    spawnSync('/usr/bin/python3', [new URL('../support/walk.py', import.meta.url).pathname, path], {
      encoding: 'utf8',
    }).stdout
  assert.equal(walk(copy.path), walk(original.path))
})

test('startSend() says what it runs: one snapshot, one parent, plain version 2', async () => {
  const output = openSync('/dev/null', 'w')
  const [snapshot, parent] = [world.path('snaps/s2'), world.path('snaps/s1')]
  const running = startSend({ snapshot, parent, protocol: 2, noData: true, output })
  const command = ['btrfs', 'send', '-q', '--proto', '2', '--no-data', '-p', parent, snapshot]
  assert.deepEqual(running.argv, command)
  await running.done
  closeSync(output)
  assert.ok((await sent({ snapshot, parent, noData: true })).length < difference.length / 10)
})

test('startSend() tells what is wrong without naming a file of the user (L10)', async () => {
  const cases: [Omit<SendCall, 'output' | 'protocol'>, RegExp][] = [
    [{ snapshot: world.path('src') }, /it or its parent is not read-only$/],
    [{ snapshot: world.path('snaps/s2'), parent: world.path('src') }, /not read-only$/],
    [{ snapshot: world.path('absent') }, /it does not exist$/],
    [
      { snapshot: world.path('snaps/s2'), parent: world.path('absent') },
      /no such file or directory$/,
    ],
  ]
  for (const [call, message] of cases) {
    await assert.rejects(sent(call), (error: Failure) => {
      assert.equal(error.code, 'send-failed')
      assert.match(error.message, message)
      assert.ok(error.message.includes(call.snapshot))
      return true
    })
  }
})

test('a path that is too long to send is told by its own hint', async () => {
  world.sh(`btrfs subvolume create deep; cd deep; n=$(printf 'd%.0s' {1..250})
    for i in {1..17}; do mkdir $n; cd -P $n 2>/dev/null || break; done`)
  // The shell can't go below PATH_MAX by name: move the deep tree one level further down.
  world.sh(`n=$(printf 'e%.0s' {1..250}); mkdir -p deep/$n/$n; mv deep/d* deep/$n/$n/`)
  await makeSnapshot(world.path('deep'), world.path('snaps/deep'))
  await assert.rejects(sent({ snapshot: world.path('snaps/deep') }), (error: Failure) => {
    assert.equal(error.code, 'send-failed')
    assert.match(error.message, /file name too long$/)
    assert.match(error.hint ?? '', /4095/)
    return true
  })
})

test('a file that can not be read makes the send fail as an input/output error', async () => {
  await using broken = await makeBtrfsWorld({ sizeMiB: 120 })
  broken.sh(
    'btrfs subvolume create a; head -c 64K /dev/urandom > a/secret-name; sync a/secret-name',
  )
  await makeSnapshot(broken.path('a'), broken.path('s'))
  const content = readFileSync(broken.path('a/secret-name')).subarray(0, 4096)
  await broken.umount(broken.path())
  const offset = readFileSync(broken.outside('first.img')).indexOf(content)
  assert.ok(offset > 0)
  broken.shOutside(
    `printf 'damaged' | dd of=first.img bs=1 seek=${offset} conv=notrunc status=none`,
  )
  broken.mountImage('first', broken.path())
  const output = openSync('/dev/null', 'w')
  try {
    const { done } = startSend({ snapshot: broken.path('s'), protocol: 2, output })
    await assert.rejects(done, (error: Failure) => {
      assert.match(error.message, /input\/output error$/)
      assert.match(error.hint ?? '', /scrub/)
      return true
    })
  } finally {
    closeSync(output)
  }
})

test('a send is ended by its signal, and by its reader going away', async () => {
  world.sh('head -c 40M /dev/urandom > src/huge; mkfifo "$1"', world.outside('fifo'))
  await makeSnapshot(world.path('src'), world.path('snaps/huge'))
  const fifo = world.outside('fifo')
  // Read and write, so that opening does not wait; nobody reads, so the send blocks.
  const ends = openSync(fifo, 'r+')
  const abort = new AbortController()
  const snapshot = world.path('snaps/huge')
  const running = startSend({ snapshot, protocol: 2, output: ends, signal: abort.signal })
  await delay(100)
  abort.abort()
  await assert.rejects(running.done, { code: 'interrupted' })
  closeSync(ends)
  const both = openSync(fifo, 'r+')
  const writer = openSync(fifo, 'w')
  const left = startSend({ snapshot, protocol: 2, output: writer })
  await delay(50)
  closeSync(both)
  closeSync(writer)
  await assert.rejects(left.done, (error: Failure) => {
    assert.equal(error.code, 'send-failed')
    assert.match(error.message, /broken pipe$|killed by SIGPIPE$/)
    return true
  })
})

test('a send that is killed from outside is a failed send', async () => {
  const fifo = world.outside('fifo2')
  world.sh('mkfifo "$1"', fifo)
  const ends = openSync(fifo, 'r+')
  const snapshot = world.path('snaps/huge')
  const { done } = startSend({ snapshot, protocol: 2, output: ends })
  await delay(100)
  world.sh(
    `for p in /proc/[0-9]*; do
    if [ "$(tr '\\0' ' ' < $p/cmdline 2>/dev/null)" = "btrfs send -q --proto 2 $1 " ]; then
      kill -KILL \${p#/proc/}; fi; done`,
    snapshot,
  )
  await assert.rejects(done, {
    code: 'send-failed',
    message: `cannot send snapshot ${snapshot}: btrfs send was killed by SIGKILL`,
  })
  closeSync(ends)
})

test('startReceive() refuses a stream that is cut or damaged, and leaves no good-looking copy', async () => {
  const staging = stagingFolder('broken')
  const flipped = Buffer.from(fulls)
  flipped[60] = (flipped[60] as number) ^ 1
  for (const stream of [fulls.subarray(0, 150), flipped, Buffer.alloc(0)]) {
    await assert.rejects(receive(staging, stream), { code: 'receive-failed' })
    const left = await findSubvolume(`${staging}/s1`)
    assert.ok(left === undefined || (!left.readOnly && left.receivedUuid === null))
    world.sh('for s in "$1"/*; do [ ! -e "$s" ] || btrfs subvolume delete "$s"; done', staging)
  }
})

test('startReceive() confines a hostile stream to the staging directory', async () => {
  const staging = stagingFolder('hostile')
  const uuid = Buffer.alloc(16, 7)
  const ctransid = Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])
  const hostile = Buffer.concat([
    Buffer.from('btrfs-stream\0\x01\0\0\0', 'latin1'),
    command(1, [15, Buffer.from('s')], [1, uuid], [2, ctransid]),
    command(3, [15, Buffer.from('../../evil')], [3, ctransid]),
    command(3, [15, Buffer.from('../../../evil')], [3, ctransid]),
    command(21),
  ])
  await receive(staging, hostile).catch(() => {})
  for (const path of [world.secondPath('evil'), world.outside('evil')]) {
    assert.ok(!existsSync(path), path)
  }
  assert.equal((await showSubvolume(`${staging}/s`)).name, 's', 'the stream was read')
})

/** A command of the send stream; its checksum is CRC-32C from 0, not inverted. */
function command(type: number, ...attributes: [number, Buffer][]): Buffer {
  const payload = attributes.flatMap(([key, value]) => [shorts(key, value.length), value])
  const size = payload.reduce((sum, part) => sum + part.length, 0)
  const bytes = Buffer.concat([shorts(size, 0, type, 0, 0), ...payload])
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  bytes.writeUInt32LE(crc >>> 0, 6)
  return bytes
}

function shorts(...values: number[]): Buffer {
  return Buffer.from(Uint16Array.from(values).buffer)
}

test('startReceive() tells that the parent is missing, or out of reach', async () => {
  const bare = await makeBtrfsWorld()
  try {
    await assert.rejects(receive(bare.path(), difference), {
      code: 'receive-failed',
      message: /the snapshot that the stream is a difference from is not on this filesystem$/,
    })
    bare.sh('btrfs subvolume create @; mkdir @/in outside')
    await receive(bare.path('outside'), fulls)
    bare.mountImage('first', bare.outside('at'), 'subvol=@')
    await assert.rejects(receive(bare.outside('at', 'in'), difference), {
      code: 'receive-failed',
      message: /lies outside what is mounted$/,
      hint: /subvolid=5/,
    })
    // A second copy within reach does not help: receive takes the first.
    await receive(bare.outside('at', 'in'), fulls)
    await assert.rejects(receive(bare.outside('at', 'in'), difference), {
      message: /lies outside what is mounted$/,
    })
  } finally {
    await bare.destroy()
  }
})

test('startReceive() tells that the target is a bind mount, through which no parent is found', async () => {
  const bare = await makeBtrfsWorld()
  try {
    bare.sh('mkdir folder "$1"; mount --bind folder "$1"', bare.outside('at'))
    await receive(bare.outside('at'), fulls)
    await assert.rejects(receive(bare.outside('at'), difference), {
      code: 'receive-failed',
      message: /mounted by itself/,
      hint: /whole filesystem/,
    })
  } finally {
    await bare.destroy()
  }
})

test('startReceive() tells that the target is full', async () => {
  await using small = await makeBtrfsWorld({ sizeMiB: 120 })
  const huge = await sent({ snapshot: world.path('snaps/huge') })
  small.trySh('head -c 25M /dev/urandom > filler')
  await assert.rejects(receive(small.path(), huge), (error: Failure) => {
    assert.equal(error.code, 'no-space')
    assert.doesNotMatch(error.message + String(error.hint), /secret|huge$/)
    return true
  })
})

test('an interrupted receive ends the program and leaves only a writable part', async () => {
  const staging = stagingFolder('interrupted')
  const abort = new AbortController()
  const pipe = await openPipe()
  const running = startReceive({ staging, input: pipe.readEnd, signal: abort.signal })
  closeSync(pipe.readEnd)
  const stdin = new Socket({ fd: pipe.writeEnd, readable: false })
  stdin.on('error', () => {})
  stdin.write(fulls.subarray(0, fulls.length - 30))
  for (let i = 0; i < 100 && !existsSync(`${staging}/s1`); i += 1) await delay(10)
  abort.abort()
  await assert.rejects(running.done, { code: 'interrupted' })
  stdin.destroy()
  const left = await showSubvolume(`${staging}/s1`)
  assert.equal(left.readOnly, false)
  assert.equal(left.receivedUuid, null)
})

test('publishing by a read-only snapshot keeps the received uuid and stays a parent', async () => {
  const staging = stagingFolder('staging')
  const target = stagingFolder('target')
  await receive(staging, fulls)
  const published = await makeSnapshot(`${staging}/s1`, `${target}/s1`)
  const original = await showSubvolume(world.path('snaps/s1'))
  assert.equal(published.receivedUuid, original.uuid)
  for (const copy of ['staging/s1', 'whole/s1', 'whole/s2']) {
    world.sh('btrfs subvolume delete "$1"', world.secondPath(copy))
  }
  await receive(staging, difference)
  assert.deepEqual(readdirSync(staging), ['s2'])
  assert.ok(statSync(`${staging}/s2/two`).isFile())
})
