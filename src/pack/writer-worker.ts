// The body of the writer thread. The last chunk is written only when the hash of all of them is
// right: until then the stream has no end, and nobody takes it for a whole one (L6).

import { createHash } from 'node:crypto'
import { closeSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { releaseBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import { failureMessage } from './worker-protocol.ts'
import type { WriterMessage, WriterRequest, WriterTask } from './writer-protocol.ts'

const task = workerData as WriterTask
const hash = createHash('sha256')
let held: Extract<WriterRequest, { kind: 'write' }> | undefined

parentPort?.on('message', (request: WriterRequest) => {
  try {
    const isOver = answer(request)
    if (isOver) leave()
  } catch (error) {
    send(failureMessage(error))
    leave()
  }
})

function answer(request: WriterRequest): boolean {
  switch (request.kind) {
    case 'write':
      if (task.hashed) hash.update(request.chunk)
      writeHeld()
      held = request
      send({ kind: 'taken' })
      return false
    case 'end': {
      const isRight = !task.hashed || hash.digest('hex') === request.sha256
      if (isRight) writeHeld()
      send({ kind: 'ended', isRight })
      return true
    }
    case 'stop':
      return true
  }
}

function writeHeld(): void {
  if (held === undefined) return
  const { chunk, parts } = held
  held = undefined
  for (const part of parts) {
    writeWhole(part instanceof Uint8Array ? part : chunk.subarray(part[0], part[1]))
  }
  releaseBytes(chunk)
}

function writeWhole(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSome(bytes, at)
  }
}

function writeSome(bytes: Uint8Array, at: number): number {
  try {
    return writeSync(task.writeEnd, bytes, at, bytes.length - at)
  } catch (cause) {
    throw new Failure('failed', 'cannot write the stream: its reader is gone', { cause })
  }
}

/** The reader sees the pipe's end. */
function leave(): void {
  closeSync(task.writeEnd)
  parentPort?.close()
}

function send(message: WriterMessage): void {
  parentPort?.postMessage(message)
}
