// The body of the reader thread. Blocking reads of whole frames cost a third of what a child's
// pipe costs through the event loop, and the guard sees every byte before anyone else does.

import { createHash, type Hash } from 'node:crypto'
import { closeSync, readSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { StreamGuard } from '../stream/guard.ts'
import { renamedHead } from '../stream/rename.ts'
import type { ReaderMessage, ReaderTask, SpentFrame } from './reader-protocol.ts'
import { failureMessage } from './worker-protocol.ts'

const task = workerData as ReaderTask
const credits = new Int32Array(task.credits)

run()

function run(): void {
  try {
    readStream(task.readEnd)
  } catch (error) {
    send(failureMessage(error))
  } finally {
    closeSync(task.readEnd)
  }
}

function readStream(fd: number): void {
  const guard = new StreamGuard({
    expect: task.expect,
    onHead: head => send({ kind: 'head', head }),
    ...(task.skeleton && { onSkeleton: sendSkeleton }),
  })
  const hash = createHash('sha256')
  let streamBytes = 0
  for (;;) {
    if (!waitForCredit()) return send({ kind: 'stopped' })
    const frame = readFrame(fd, streamBytes === 0 ? readHead(fd) : undefined)
    if (frame.length > 0) {
      guard.write(frame)
      hash.update(frame)
      streamBytes += frame.length
    }
    const last = frame.length < task.frameSize
    if (frame.length > 0) sendFrame(frame, prefixOf(hash, streamBytes % task.segmentSize === 0))
    if (last) break
  }
  // L1: the guard saw END, cleanly, and nothing after it. The exit status is the sender's part.
  send({ kind: 'end', summary: guard.finish(), sha256: hash.digest('hex') })
}

/** The stream's beginning, when it is to be another one than btrfs writes. */
function readHead(fd: number): Uint8Array | undefined {
  const { name } = task
  if (name === undefined) return undefined
  return renamedHead(count => {
    const bytes = new Uint8Array(count)
    return bytes.subarray(0, fill(fd, bytes, 0))
  }, name)
}

function readFrame(fd: number, head: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const frame = spentFrame() ?? new Uint8Array(task.frameSize)
  if (head !== undefined) frame.set(head)
  const filled = fill(fd, frame, head?.length ?? 0)
  return filled === frame.length ? frame : frame.slice(0, filled)
}

/** How far it is filled: to its end, unless the stream ends before. */
function fill(fd: number, bytes: Uint8Array, from: number): number {
  let filled = from
  while (filled < bytes.length) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, null)
    if (count === 0) break
    filled += count
  }
  return filled
}

/** Memory that came back. Fresh megabytes cost a page fault for each four kibibytes. */
function spentFrame(): Uint8Array<ArrayBuffer> | undefined {
  const received: { message: SpentFrame } | undefined =
    parentPort === null ? undefined : receiveMessageOnPort(parentPort)
  return received?.message.bytes
}

function prefixOf(hash: Hash, wanted: boolean): string | undefined {
  return wanted ? hash.copy().digest('hex') : undefined
}

function waitForCredit(): boolean {
  for (;;) {
    const available = Atomics.load(credits, 0)
    if (available < 0) return false
    if (available > 0) {
      Atomics.sub(credits, 0, 1)
      return true
    }
    Atomics.wait(credits, 0, 0)
  }
}

function sendFrame(bytes: Uint8Array<ArrayBuffer>, prefixSha256: string | undefined): void {
  parentPort?.postMessage({ kind: 'frame', bytes, prefixSha256 } satisfies ReaderMessage, [
    bytes.buffer,
  ])
}

function sendSkeleton(piece: Uint8Array): void {
  send({ kind: 'skeleton', bytes: new Uint8Array(piece) })
}

function send(message: ReaderMessage): void {
  parentPort?.postMessage(message)
}
