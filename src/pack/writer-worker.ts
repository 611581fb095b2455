// The body of the writer thread. The last chunk is written only when the hash of all of them is
// right: until then the stream has no end, and nobody takes it for a whole one (L6).

import { createHash } from 'node:crypto'
import { closeSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { releaseBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import { failureMessage } from './worker-protocol.ts'
import type { WriterMessage, WriterRequest, WriterTask } from './writer-protocol.ts'

type Write = Extract<WriterRequest, { kind: 'write' }>

class HeldWriter {
  readonly #writeEnd: number
  readonly #hash = createHash('sha256')
  readonly #hashed: boolean
  #held: Write | undefined
  #isClosed = false

  constructor({ writeEnd, hashed }: WriterTask) {
    this.#writeEnd = writeEnd
    this.#hashed = hashed
  }

  write(next: Write): void {
    if (this.#hashed) this.#hash.update(next.chunk)
    this.#writeHeld()
    this.#held = next
  }

  end(sha256: string | undefined): boolean {
    const isRight = !this.#hashed || this.#hash.digest('hex') === sha256
    if (isRight) this.#writeHeld()
    return isRight
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The reader sees the pipe's end. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#writeEnd)
  }

  #writeHeld(): void {
    if (this.#held === undefined) return
    const { chunk, parts } = this.#held
    this.#held = undefined
    for (const part of parts) {
      this.#writeWhole(part instanceof Uint8Array ? part : chunk.subarray(part[0], part[1]))
    }
    releaseBytes(chunk)
  }

  #writeWhole(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#writeEnd, bytes, at, bytes.length - at)
      }
    } catch (cause) {
      throw new Failure('failed', 'cannot write the stream: its reader is gone', { cause })
    }
  }
}

const task = workerData as WriterTask
const writer = new HeldWriter(task)

parentPort?.on('message', (request: WriterRequest) => {
  // What was on its way when the end came: the descriptor may be somebody else's by now.
  if (writer.isClosed) return
  try {
    if (isOver(request)) leave()
  } catch (error) {
    send(failureMessage(error))
    leave()
  }
})

function isOver(request: WriterRequest): boolean {
  switch (request.kind) {
    case 'write':
      writer.write(request)
      send({ kind: 'taken' })
      return false
    case 'end':
      send({ kind: 'ended', isRight: writer.end(request.sha256) })
      return true
    case 'stop':
      return true
  }
}

function leave(): void {
  writer.close()
  parentPort?.close()
}

function send(message: WriterMessage): void {
  parentPort?.postMessage(message)
}
