// `btrfs send` on its bad days: a program of that name writes a prepared stream and ends as it is
// told. Nothing but a whole stream of a sender that says so is ever committed (L1).

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.ts'
import { isFailure } from '../../src/base/failure.ts'
import type { Btrfs } from '../../src/btrfs/btrfs.ts'
import { startSend } from '../../src/btrfs/send.ts'
import { asUuid, type Uuid } from '../../src/model/ids.ts'
import { WorkerPool } from '../../src/pack/worker-pool.ts'
import { encodeCommand, encodeHead, encodeStreamHeader } from '../../src/stream/encode.ts'
import { StreamGuard, type StreamHead } from '../../src/stream/guard.ts'
import { checkConverged, checkSnapshots, checkStored, lookInto } from './laws.ts'
import { Stand } from './stand.ts'

type Bytes = Uint8Array

interface Send {
  readonly name: string
  /** What it writes instead of the true stream. */
  readonly writes: (stream: Bytes) => Bytes
  readonly status?: number
  readonly stderr?: string
  /** A shell command instead of an exit. */
  readonly last?: string
  readonly says: RegExp
}

const runObjects = 3
const laterClock = { ...systemClock, now: () => Date.now() + 2000 }
const foreign = asUuid('99999999-8888-7777-6666-555555555555') as Uuid
const path = process.env['PATH'] ?? ''
let pool: WorkerPool
let base: Stand

before(async () => {
  pool = new WorkerPool()
  base = await Stand.make()
  assert.equal((await base.backup()).exitStatus, 0)
  base.btrfs.change(base.source)
})
after(async () => {
  process.env['PATH'] = path
  base.remove()
  await pool.close()
})

const whole = (stream: Bytes): Bytes => stream
const end = encodeCommand('end', [], 2)

const sends: readonly Send[] = [
  {
    name: 'nothing, with status 0',
    writes: () => new Uint8Array(0),
    says: /too early|no stream|empty|end/i,
  },
  {
    name: 'garbage',
    writes: stream => stream.map(byte => byte ^ 0x5a),
    says: /not a send stream|magic|begin/i,
  },
  {
    name: 'all, but no END',
    writes: stream => stream.subarray(0, -end.length),
    says: /too early|END/,
  },
  { name: 'END, then a byte', writes: stream => join2(stream, [0]), says: /after|END/ },
  { name: 'END, then END', writes: stream => join2(stream, end), says: /after|END/ },
  {
    name: 'END, then the stream again',
    writes: stream => join2(stream, stream),
    says: /after|END|second/,
  },
  { name: 'all, and status 1', writes: whole, status: 1, says: /status 1/ },
  {
    name: 'all, and an error',
    writes: whole,
    status: 1,
    stderr: 'ERROR: send ioctl failed with -5: Input/output error',
    says: /input\/output error|disk or a checksum/i,
  },
  { name: 'all, and is killed', writes: whole, last: 'kill -9 $$', says: /SIGKILL/ },
  {
    name: 'half, and is killed',
    writes: stream => half(stream),
    last: 'kill -9 $$',
    says: /SIGKILL/,
  },
  { name: 'a CRC that is wrong', writes: stream => flip(stream, 200), says: /CRC|checksum/i },
  {
    name: 'file data that is wrong',
    writes: stream => flip(stream, 700_000),
    says: /CRC|checksum/i,
  },
  {
    name: 'the wrong snapshot',
    writes: stream => headed(stream, { uuid: foreign }),
    says: /uuid|snapshot/,
  },
  {
    name: 'the wrong parent',
    writes: stream => headed(stream, { parent: { uuid: foreign, ctransid: 5 } }),
    says: /parent/,
  },
  {
    name: 'two snapshots',
    writes: stream => join2(stream.subarray(0, -end.length), stream.subarray(17)),
    says: /second snapshot/,
  },
]

describe('L1: a backup from a btrfs send that writes', { concurrency: 1 }, () => {
  for (const send of sends) {
    it(`${send.name}: is never committed, says why, and the next run is fine`, async () => {
      await refuses(send, true)
    })
  }

  for (const [name, change] of [
    ['another state of the parent', { ctransidShift: 1 }],
    ['a full stream, where a difference was asked for', { parent: null }],
  ] as const) {
    it(`${name}: is refused, and a full one is sent instead`, async () => {
      const writes = (stream: Bytes) => headed(stream, change)
      const { stand, report } = await run({ name, writes, says: /./ })
      assert.equal(report.sources[0]?.sends[0]?.makes, 'full')
      const lying = await lookInto(stand.openedStore)
      assert.ok([...lying.manifests.values()].every(({ parent }) => parent === null))
      assert.match(JSON.stringify(stand.events), /sending in full instead of parent 1/)
      stand.remove()
    })
  }

  it('only a part, cut at 24 places, with status 0 and 1: is never committed', async () => {
    const length = base.btrfs.contentBytes
    for (let n = 0; n < 24; n += 1) {
      const at = Math.floor((n * length) / 24) + (n % 7)
      const writes = (stream: Bytes) => stream.subarray(0, at)
      const status = n % 2
      await refuses({ name: `cut at ${at}`, writes, status, says: /./ }, n % 12 === 0)
    }
  })

  it('all, with noise on stderr and status 0: is committed', async () => {
    const stderr = 'WARNING: something that nobody asked about\n'.repeat(5000)
    const { stand, report } = await run({ name: 'noise', writes: whole, stderr, says: /./ })
    assert.equal(report?.exitStatus, 0)
    assert.equal(report?.sources[0]?.sends.length, 1)
    stand.remove()
  })

  it('one command less, or one twice: can’t be seen in the format, and is kept as it was sent', async () => {
    // Each command has a CRC of its own, and nothing counts them: only the hash that the index
    // keeps of the whole tells, and that is of what was sent.
    for (const writes of [withoutOne, withOneTwice]) {
      const { stand, report } = await run({ name: 'unseen', writes, says: /./ })
      assert.equal(report?.exitStatus, 0)
      await stand.restore()
      assert.equal(stand.received.length, 2)
      stand.remove()
    }
  })

  it('half and then hangs: is given up at once when the user interrupts', async () => {
    const stand = base.fork()
    const before = await lookInto(stand.openedStore)
    const user = new AbortController()
    const hang = { name: 'hang', writes: half, last: 'exec sleep 600', says: /./ }
    const running = stand.backup({ btrfs: sending(stand, hang), signal: user.signal })
    await delay(700)
    const begun = Date.now()
    user.abort()
    await assert.rejects(running, error => isFailure(error, 'interrupted'))
    assert.ok(Date.now() - begun < 6000, `it took ${Date.now() - begun} ms`)
    await goesOn(stand, before)
    stand.remove()
  })

  it('nothing good from a parent: is sent in full instead, which is said', async () => {
    const stand = base.fork()
    const bad = { name: 'bad parent', writes: half, status: 1, says: /./ }
    const btrfs = sending(stand, bad)
    const startSend: Btrfs['startSend'] = call =>
      call.parent === undefined ? stand.btrfs.startSend(call) : btrfs.startSend(call)
    const report = await stand.backup({ btrfs: replaced(stand.btrfs, startSend) })
    assert.equal(report.exitStatus, 0)
    assert.equal(report.sources[0]?.sends[0]?.makes, 'full')
    assert.match(JSON.stringify(stand.events), /sending in full instead of parent 1/)
    stand.remove()
  })
})

async function refuses(send: Send, goOn: boolean): Promise<void> {
  const { stand, report, before } = await run(send)
  try {
    const [source] = report?.sources ?? []
    assert.equal(report?.exitStatus, 20, `${send.name}: ${JSON.stringify(source)}`)
    assert.deepEqual(source?.sends, [], `${send.name}: was committed`)
    const [failure] = source?.failures ?? []
    assert.match(failure?.message ?? '', /^cannot /)
    assert.match(`${failure?.message} ${failure?.hint}`, send.says, send.name)
    const lying = await lookInto(stand.openedStore)
    checkStored(before, lying)
    checkSnapshots(stand, lying)
    assert.equal(lying.manifests.size, before.manifests.size, `${send.name}: L1`)
    if (goOn) await goesOn(stand, before)
  } finally {
    stand.remove()
  }
}

async function goesOn(stand: Stand, before: Awaited<ReturnType<typeof lookInto>>): Promise<void> {
  const next = await stand.backup({ clock: laterClock })
  assert.equal(next.exitStatus, 0, JSON.stringify(next.sources))
  const count = before.manifests.size + 1
  // Twice tried, with a parent and in full.
  await checkConverged(stand, stand.openedStore, { count, orphans: 2 * runObjects, pool })
}

async function run(send: Send) {
  const stand = base.fork()
  const before = await lookInto(stand.openedStore)
  const report = await stand.backup({ btrfs: sending(stand, send) })
  return { stand, before, report }
}

/** The fake btrfs, but its send is a real program that does what it is told. */
function sending(stand: Stand, send: Send): Btrfs {
  const { btrfs, root } = stand
  return replaced(btrfs, call => {
    const bin = join(root, 'bin')
    mkdirSync(bin, { recursive: true })
    const base = call.parent === undefined ? undefined : btrfs.identityOf(call.parent)
    writeFileSync(join(bin, 'stream'), send.writes(btrfs.streamOf(call.snapshot, base)))
    writeFileSync(join(bin, 'stderr'), send.stderr ?? '')
    const ending = send.last ?? `exit ${send.status ?? 0}`
    const script = `#!/bin/sh\ncat ${bin}/stream\ncat ${bin}/stderr >&2\n${ending}\n`
    writeFileSync(join(bin, 'btrfs'), script)
    chmodSync(join(bin, 'btrfs'), 0o755)
    process.env['PATH'] = `${bin}:${path}`
    return startSend(call)
  })
}

function replaced(btrfs: Btrfs, startSend: Btrfs['startSend']): Btrfs {
  return new Proxy(btrfs, {
    get(target, name) {
      if (name === 'startSend') return startSend
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function join2(a: Bytes, b: Bytes | readonly number[]): Bytes {
  return Buffer.concat([a, Buffer.from(b)])
}

function half(stream: Bytes): Bytes {
  return stream.subarray(0, stream.length / 2)
}

function flip(stream: Bytes, at: number): Bytes {
  const copy = stream.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

/** The commands after the stream's header. */
function commandsOf(stream: Bytes): Bytes[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  const commands: Bytes[] = []
  for (let at = 17; at < stream.length; ) {
    const length = 10 + view.getUint32(at, true)
    commands.push(stream.subarray(at, at + length))
    at += length
  }
  return commands
}

/** The true stream under another name. */
function headed(
  stream: Bytes,
  change: {
    readonly uuid?: Uuid
    readonly parent?: { readonly uuid: Uuid; readonly ctransid: number } | null
    readonly ctransidShift?: number
  },
): Bytes {
  const [first, ...rest] = commandsOf(stream)
  const { uuid, ctransid, parent } = headOf(first as Bytes)
  const shifted = parent && { ...parent, ctransid: parent.ctransid + (change.ctransidShift ?? 0) }
  const head = encodeHead({
    version: 2,
    name: 'home',
    uuid: change.uuid ?? uuid,
    ctransid,
    parent: change.parent === undefined ? shifted : change.parent,
  })
  return Buffer.concat([head, ...rest])
}

function headOf(command: Bytes): StreamHead {
  const guard = new StreamGuard({ expect: {} })
  guard.write(encodeStreamHeader(2))
  guard.write(command)
  return guard.head as StreamHead
}

function withoutOne(stream: Bytes): Bytes {
  return Buffer.concat([stream.subarray(0, 17), ...commandsOf(stream).toSpliced(5, 1)])
}

function withOneTwice(stream: Bytes): Bytes {
  const commands = commandsOf(stream)
  return Buffer.concat([stream.subarray(0, 17), ...commands.toSpliced(5, 0, commands[5] as Bytes)])
}
