import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { concatBytes, equalBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { type ReaderOptions, StreamReader } from '../../src/pack/stream-reader.ts'
import { encodeCommand } from '../../src/stream/encode.ts'
import { command, guardAll, head, ownUuid, sampleCommands } from '../stream/sample-stream.ts'
import { makeScratchFolder } from '../support/scratch-folder.ts'
import { rawBytes } from './packing.ts'

const KiB = 1024
const frameSize = 64 * KiB
const segmentSize = 256 * KiB
const isSendFailed = (error: unknown) => isFailure(error, 'send-failed')

/** A stream of about 1.2 MiB: four whole segments and a rest. */
const stream = concatBytes([
  head(2),
  ...Array.from({ length: 26 }, (_, n) =>
    encodeCommand(
      ...command('write', {
        path: 'dir/file',
        fileOffset: n * 48 * KiB,
        data: rawBytes(48 * KiB, 0.5, n),
      }),
      2,
    ),
  ),
  ...sampleCommands(2).slice(-1),
])
let folder: string
let file: string

before(async () => {
  folder = await makeScratchFolder()
  file = join(folder, 'stream')
  await writeFile(file, stream)
  // Of our own: pipes that are left behind are counted there.
  process.env['TMPDIR'] = folder
})
after(async () => await rm(folder, { recursive: true, force: true }))

describe('StreamReader', { timeout: 60_000 }, () => {
  it('fills frames again that were taken back, and shows nothing of what was in them', async () => {
    const frames = await readAndTakeBack(`cat ${file}`)
    assert.deepEqual(
      frames.map(({ length }) => length),
      framesIn(stream.length),
    )
    assert.ok(equalBytes(concatBytes(frames), stream))
  })

  it('gives the stream in whole frames, with what the guard found on the way', async () => {
    const skeleton: Uint8Array[] = []
    const heads: unknown[] = []
    const read = await readAll(`cat ${file}`, {
      onSkeleton: piece => skeleton.push(piece),
      onHead: one => heads.push(one),
    })
    assert.ok(equalBytes(concatBytes(read.frames.map(({ bytes }) => bytes)), stream))
    assert.deepEqual(
      read.frames.map(({ bytes }) => bytes.length),
      framesIn(stream.length),
    )
    const guarded = guardAll(stream)
    assert.deepEqual(concatBytes(skeleton), guarded.skeleton)
    assert.deepEqual(read.end.summary, guarded.summary)
    assert.equal(read.end.sha256, sha256(stream))
    assert.equal(heads.length, 1)
    for (const [n, { prefixSha256 }] of read.frames.entries()) {
      const end = (n + 1) * frameSize
      const isWhole = end <= stream.length && end % segmentSize === 0
      assert.equal(prefixSha256, isWhole ? sha256(stream.subarray(0, end)) : undefined)
    }
  })

  it('ends a stream that ends with a whole frame', async () => {
    const whole = { frameSize: stream.length, segmentSize: stream.length }
    const { frames, end } = await readAll(`cat ${file}`, whole)
    assert.deepEqual(
      frames.map(({ prefixSha256 }) => prefixSha256),
      [end.sha256],
    )
    assert.equal(end.sha256, sha256(stream))
  })

  it('gives the same from a producer that writes a few bytes at a time', async () => {
    const slow = `for at in 0 1 2 3; do dd if=${file} bs=1000 skip=$((at*20)) count=20 status=none; sleep 0.02; done; dd if=${file} bs=1000 skip=80 status=none`
    const read = await readAll(slow)
    assert.equal(read.end.sha256, sha256(stream))
    assert.deepEqual(
      read.frames.map(({ bytes }) => bytes.length),
      framesIn(stream.length),
    )
  })

  const brokenProducers = {
    'that writes nothing at all': 'true',
    'that dies in the middle': `head -c 300000 ${file}; kill -9 $$`,
    'that dies just before the END': `head -c ${stream.length - 10} ${file}; kill -9 $$`,
    'that writes on after the END': `cat ${file}; echo more`,
    'that writes two streams': `cat ${file} ${file}`,
    'that writes no stream': 'head -c 200000 /dev/zero',
  }
  for (const [what, script] of Object.entries(brokenProducers)) {
    it(`L1: never ends normally on a producer ${what}`, async () => {
      const frames: Uint8Array[] = []
      await assert.rejects(
        readAll(script, {}, bytes => frames.push(bytes)),
        isSendFailed,
      )
    })
  }

  it('L1: has no end before the stream has ended', async () => {
    const reader = await StreamReader.open(options())
    const producer = start(`exec cat ${file}`, reader)
    reader.producerStarted()
    for await (const _ of reader.frames()) break
    assert.throws(() => reader.end, /has not ended/)
    producer.kill('SIGKILL')
    await inTime(reader.close())
  })

  it('refuses a stream of another snapshot at its first command', async () => {
    const expect = { uuid: ownUuid, parent: { uuid: ownUuid, ctransid: 5 } }
    let frames = 0
    const failing = readAll(`cat ${file}`, { expect }, () => (frames += 1))
    await assert.rejects(failing, isSendFailed)
    assert.equal(frames, 0)
  })

  it('is ended by its signal while a producer stays silent', async () => {
    const abort = new AbortController()
    const reader = await StreamReader.open(options({ signal: abort.signal }))
    const producer = start('exec sleep 30', reader)
    reader.producerStarted()
    const reading = Array.fromAsync(reader.frames())
    setTimeout(() => abort.abort(), 50)
    await assert.rejects(inTime(reading), error => isFailure(error, 'interrupted'))
    producer.kill('SIGKILL')
    await inTime(reader.close())
  })

  it('does not begin when its signal was aborted before', async () => {
    const opening = StreamReader.open(options({ signal: AbortSignal.abort() }))
    await assert.rejects(inTime(opening), error => isFailure(error, 'interrupted'))
  })

  it('holds a producer back that is faster than its consumer', async () => {
    const reader = await StreamReader.open(options())
    const producer = start(`exec cat ${file}`, reader)
    reader.producerStarted()
    for await (const _ of reader.frames()) break
    await delay(300)
    // Four frames ahead and the one that was asked for, one in the thread's hand, and what a pipe holds.
    const written = await writtenBy(producer)
    assert.ok(
      written <= 6 * frameSize + 64 * KiB,
      `${written} of ${stream.length} bytes were taken`,
    )
    producer.kill('SIGKILL')
    await inTime(reader.close())
  })

  it('leaves no thread, descriptor or folder behind, however a round ends', async () => {
    await round(0)
    const before = held()
    for (let n = 0; n < 50; n += 1) await round(n)
    await delay(50)
    const after = held()
    assert.ok(after.threads <= before.threads, `${before.threads} threads became ${after.threads}`)
    assert.ok(after.files <= before.files, `${before.files} files became ${after.files}`)
    assert.ok(after.pipes <= before.pipes, `${before.pipes} pipes became ${after.pipes}`)
  })
})

/** Whole, dead producer, left in the middle, never started, aborted: each in turn. */
async function round(n: number): Promise<void> {
  switch (n % 5) {
    case 0:
      await readAll(`cat ${file}`)
      return
    case 1:
      await assert.rejects(readAll('head -c 70000 /dev/zero'), isSendFailed)
      return
    case 2: {
      const reader = await StreamReader.open(options())
      const producer = start(`exec cat ${file}`, reader)
      reader.producerStarted()
      for await (const _ of reader.frames()) break
      producer.kill('SIGKILL')
      await inTime(reader.close())
      return
    }
    case 3:
      await inTime((await StreamReader.open(options())).close())
      return
    default:
      await assert.rejects(StreamReader.open(options({ signal: AbortSignal.abort() })))
  }
}

function options(given: Partial<ReaderOptions> = {}): ReaderOptions {
  return { frameSize, segmentSize, expect: { uuid: ownUuid, parent: null }, ...given }
}

async function readAndTakeBack(script: string): Promise<Uint8Array[]> {
  const reader = await StreamReader.open(options({}))
  const producer = start(script, reader)
  try {
    reader.producerStarted()
    const copies: Uint8Array[] = []
    for await (const { bytes } of reader.frames()) {
      copies.push(bytes.slice())
      bytes.fill(0xff)
      reader.takeBack(bytes)
      assert.ok(bytes.buffer.detached)
    }
    return copies
  } finally {
    producer.kill('SIGKILL')
    await inTime(reader.close())
  }
}

async function readAll(
  script: string,
  given: Partial<ReaderOptions> = {},
  onFrame: (bytes: Uint8Array) => void = () => {},
) {
  const reader = await StreamReader.open(options(given))
  const producer = start(script, reader)
  try {
    reader.producerStarted()
    const frames: { bytes: Uint8Array; prefixSha256: string | undefined }[] = []
    for await (const frame of reader.frames()) {
      onFrame(frame.bytes)
      frames.push(frame)
    }
    return { frames, end: reader.end }
  } finally {
    producer.kill('SIGKILL')
    await inTime(reader.close())
  }
}

function start(script: string, reader: StreamReader): ChildProcess {
  return spawn('sh', ['-c', script], { stdio: ['ignore', reader.writeFd, 'ignore'] })
}

/** Bytes that a process has written so far. */
async function writtenBy(producer: ChildProcess): Promise<number> {
  const io = await readFile(`/proc/${producer.pid}/io`, 'utf8')
  return Number(/wchar: (\d+)/.exec(io)?.[1])
}

/** What this process has right now. */
function held(): { threads: number; files: number; pipes: number } {
  return {
    threads: readdirSync('/proc/self/task').length,
    files: readdirSync('/proc/self/fd').length,
    pipes: readdirSync(tmpdir()).filter(name => name.startsWith('btrvault-pipe-')).length,
  }
}

function framesIn(bytes: number): number[] {
  const whole = Array.from({ length: Math.floor(bytes / frameSize) }, () => frameSize)
  return bytes % frameSize === 0 ? whole : [...whole, bytes % frameSize]
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  const done = new AbortController()
  const limit = delay(10_000, undefined, { signal: done.signal }).then(() => {
    throw new Error('it waits for ever')
  })
  limit.catch(() => {})
  try {
    return await Promise.race([promise, limit])
  } finally {
    done.abort()
  }
}
