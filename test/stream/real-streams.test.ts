import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { bytesOf, decodeStream } from '../../src/stream/decode.ts'
import { encodeCommand, encodeStreamHeader } from '../../src/stream/encode.ts'
import { StreamGuard } from '../../src/stream/guard.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { guardAll } from './sample-stream.ts'

let world: BtrfsWorld
const streams = new Map<string, Buffer>()

before(async () => {
  world = await makeBtrfsWorld({ mountOptions: 'compress=zstd' })
  world.sh(
    `
    btrfs -q subvolume create s; cd s
    mkdir -p dir/sub; ln -s /etc dir/ln; ln dir/ln dir/ln2; mkfifo fifo; mknod null c 1 3; mknod disk b 8 300
    head -c 700000 /dev/urandom > random; yes text | head -c 900000 > text; echo small > small
    cp --reflink=always random clone; ln small dir/hard; truncate -s 3G sparse; printf x >> sparse
    setfattr -n trusted.t -v '' small; setfattr -n trusted.u -v "$(head -c 900 /dev/zero | tr '\\0' a)" dir
    printf odd > $'new\\nline'; printf odd > $'\\xff\\xfe'; touch "$(printf 'n%.0s' $(seq 255))"
    chmod 4755 small; chown 4000000000:7 text; touch -d @-99999 random; setcap cap_net_raw+ep text
    deep=.; for n in $(seq 18); do deep=$deep/$(printf 'd%.0s' $(seq 200)); done; mkdir -p "$deep"; echo x > "$deep/x"
    cd ..; btrfs -q subvolume snapshot -r s s1; cd s
    mv dir/sub moved; rm fifo; mv text dir/text; echo y > moved/y
    mv small tmp; mv random small; mv tmp random; fallocate -p -o 8192 -l 90000 clone; truncate -s 100 "$(printf 'n%.0s' $(seq 255))"
    setfattr -x trusted.t random; rm dir/ln2; ln -s . dir/ln2; printf z >> sparse
    cd ..; btrfs -q subvolume snapshot -r s s2
    for v in 1 2; do
      btrfs -q send --proto $v -f full-v$v s1; btrfs -q send --proto $v -p s1 -f incremental-v$v s2
    done
    btrfs -q send --proto 2 --compressed-data -f compressed s1
    btrfs -q send --no-data -f no-data s1; btrfs -q send -e -f two s1 s2; btrfs -q send -f once s1; cat once once > twice
  `,
  )
  for (const name of [
    'full-v1',
    'full-v2',
    'incremental-v1',
    'incremental-v2',
    'compressed',
    'no-data',
    'two',
    'twice',
  ]) {
    streams.set(name, readFileSync(world.path(name)))
  }
})
after(() => world.destroy())

const good = ['full-v1', 'full-v2', 'incremental-v1', 'incremental-v2', 'compressed']

function stream(name: string): Buffer {
  return streams.get(name) as Buffer
}

test('StreamGuard accepts what btrfs sends, and knows it by uuid and ctransid as btrfs shows them', () => {
  const show = (name: string) => world.sh('btrfs subvolume show "$1"', name)
  for (const name of good) {
    const { summary } = guardAll(stream(name))
    const [own, parent] = name.startsWith('incremental') ? ['s2', 's1'] : ['s1', undefined]
    assert.match(show(own), new RegExp(`UUID: \\s*${summary.uuid}`))
    assert.equal(Buffer.from(summary.name).toString(), own)
    assert.equal(summary.parent === null, parent === undefined)
    if (parent !== undefined)
      assert.match(show(parent), new RegExp(`UUID: \\s*${summary.parent?.uuid}`))
    assert.equal(summary.version, name.endsWith('v1') ? 1 : 2)
    assert.equal(summary.bytes, stream(name).length)
    assert.equal(summary.untrackedSymlinkCount, 0)
  }
})

test('StreamGuard and a byte at a time agree with StreamGuard and the whole', () => {
  for (const name of good) {
    const part = stream(name)
    assert.deepEqual(guardAll(part, 4093), guardAll(part, part.length))
  }
  const smallest = stream('incremental-v2')
  assert.deepEqual(guardAll(smallest, 1), guardAll(smallest, smallest.length))
})

test('a skeleton and the payloads are the stream again, byte for byte', () => {
  for (const name of good) {
    const whole = stream(name)
    const { skeleton, summary } = guardAll(whole)
    assert.equal(skeleton.length + summary.payloadBytes, whole.length)
    const payloads = decodeStream([whole]).toArray()
    const bare = decodeStream([skeleton], { payload: 'left-out' }).toArray()
    const again = bare.map((command, n) => {
      const full = payloads[n]
      const data =
        full !== undefined && full.payloadBytes > 0
          ? [['data', bytesOf(full, 'data')] as const]
          : []
      return encodeCommand(command.command, [...command.attributes, ...data], summary.version)
    })
    assert.deepEqual(
      Buffer.from(concatBytes([encodeStreamHeader(summary.version), ...again])),
      whole,
    )
  }
})

test('L1: StreamGuard refuses real streams that are cut, doubled, or of two snapshots', () => {
  for (const name of good) {
    const whole = stream(name)
    for (const cut of [1, 9, 10, 11, 500, Math.floor(whole.length / 2), whole.length - 1]) {
      assert.throws(
        () => guardAll(whole.subarray(0, whole.length - cut)),
        /cannot accept send stream/,
      )
    }
  }
  assert.throws(() => guardAll(stream('twice')), /bytes after its END/)
  assert.throws(() => guardAll(stream('two')), /second snapshot/)
  assert.throws(() => guardAll(stream('no-data')), /sent without file data/)
})

test("a child's guard knows the symlinks of its parent's stream when it is handed them", () => {
  const parent = new StreamGuard({ expect: {} })
  parent.write(stream('full-v2'))
  parent.finish()
  assert.equal(parent.symlinks.count, 2)
  const head = [...decodeStream([stream('incremental-v2')])][0]
  assert.ok(head !== undefined)
  const through = encodeCommand(
    'mkfile',
    [
      ['path', 'dir/ln/evil'],
      ['ino', 999],
    ],
    2,
  )
  const hostile = concatBytes([
    encodeStreamHeader(2),
    encodeCommand(head.command, head.attributes, 2),
    through,
  ])
  assert.throws(
    () => guardAll(hostile, 1 << 20, { symlinks: parent.symlinks }),
    /leads through a symlink/,
  )
})
