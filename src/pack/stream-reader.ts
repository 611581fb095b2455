// The main thread's end of the reader thread: a send stream as guarded frames, in order.

import { closeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { releaseBytes } from '../base/bytes.ts'
import { Failure, interruption, isFailure, throwIfAborted } from '../base/failure.ts'
import { openPipe, type Pipe } from '../base/pipe.ts'
import type { StreamExpectation, StreamHead, StreamSummary } from '../stream/guard.ts'
import type { ReaderFrame, ReaderMessage, ReaderTask, SpentFrame } from './reader-protocol.ts'
import { stopCredits } from './reader-protocol.ts'
import { failureOf } from './worker-protocol.ts'

/** Frames that the reader may be ahead of its consumer. */
const framesAhead = 4

export interface ReaderOptions {
  readonly frameSize: number
  readonly segmentSize: number
  readonly expect: StreamExpectation
  /** What the snapshot is to be called in the stream, instead of what btrfs calls it. */
  readonly name?: string | undefined
  /** Pieces of the skeleton, in order, between the frames that they come from. */
  readonly onSkeleton?: (piece: Uint8Array<ArrayBuffer>) => void
  readonly onHead?: (head: StreamHead) => void
  readonly signal?: AbortSignal
}

export interface StreamEnd {
  readonly summary: StreamSummary
  readonly sha256: string
}

/**
 * Reads one send stream. Use: open(), give `writeFd` to the producer as its standard output and
 * call producerStarted(), then iterate frames(). The producer must be ended (killed, if need be)
 * before close() is awaited: a blocking read ends only when the pipe's last writer is gone.
 */
export class StreamReader {
  readonly #worker: Worker
  readonly #credits: Int32Array<SharedArrayBuffer>
  readonly #options: ReaderOptions
  readonly #messages: ReaderMessage[] = []
  readonly #exited: Promise<void>
  #wake: (() => void) | undefined
  #died: Error | undefined
  #writeEnd: number | undefined
  #end: StreamEnd | undefined

  static async open(options: ReaderOptions): Promise<StreamReader> {
    throwIfAborted(options.signal)
    return new StreamReader(await openPipe(), options)
  }

  private constructor({ readEnd, writeEnd }: Pipe, options: ReaderOptions) {
    const { frameSize, segmentSize, expect, name } = options
    const credits = new SharedArrayBuffer(4)
    this.#options = options
    this.#credits = new Int32Array(credits)
    this.#writeEnd = writeEnd
    const skeleton = options.onSkeleton !== undefined
    const task: ReaderTask = { readEnd, frameSize, segmentSize, expect, skeleton, name, credits }
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./reader-worker.${ending}`, import.meta.url), {
      workerData: task,
      // It closes what the main thread opened.
      trackUnmanagedFds: false,
    })
    this.#worker.on('message', (message: ReaderMessage) => this.#receive(message))
    this.#worker.on('error', (error: Error) => this.#die(error))
    this.#exited = new Promise(resolve => {
      this.#worker.on('exit', () => {
        this.#die(new Error('the reader thread ended early'))
        resolve()
      })
    })
    this.#grant(framesAhead)
  }

  /** The pipe's write end, for the producer. */
  get writeFd(): number {
    if (this.#writeEnd === undefined) throw new Error('the write end was closed')
    return this.#writeEnd
  }

  /** Closes our copy of the write end: from now on the pipe ends when the producer does. */
  producerStarted(): void {
    if (this.#writeEnd !== undefined) closeSync(this.#writeEnd)
    this.#writeEnd = undefined
  }

  /** Ends normally only after a clean END (L1); then `end` is there. */
  async *frames(): AsyncGenerator<ReaderFrame, void, undefined> {
    for (;;) {
      const message = await this.#next(this.#options.signal)
      switch (message.kind) {
        case 'frame':
          this.#grant(1)
          yield message
          break
        case 'head':
          this.#options.onHead?.(message.head)
          break
        case 'skeleton':
          this.#options.onSkeleton?.(message.bytes)
          break
        case 'end':
          this.#end = message
          return
        case 'failed':
          throw unsound(failureOf(message))
        case 'stopped':
          throw new Error('the reader was stopped')
      }
    }
  }

  /** Memory of a frame that was used up; the reader fills it again instead of taking more. */
  takeBack(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length !== this.#options.frameSize) return releaseBytes(bytes)
    this.#worker.postMessage({ bytes } satisfies SpentFrame, [bytes.buffer])
  }

  get end(): StreamEnd {
    if (this.#end === undefined) throw new Error('the stream has not ended')
    return this.#end
  }

  async close(): Promise<void> {
    this.producerStarted()
    Atomics.store(this.#credits, 0, stopCredits)
    Atomics.notify(this.#credits, 0)
    await this.#exited
  }

  #grant(count: number): void {
    Atomics.add(this.#credits, 0, count)
    Atomics.notify(this.#credits, 0)
  }

  async #next(signal: AbortSignal | undefined): Promise<ReaderMessage> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      if (this.#died !== undefined) throw this.#died
      if (signal?.aborted) throw interruption(signal)
      await this.#news(signal)
    }
  }

  async #news(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>(resolve => {
      const wake = () => {
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#wake = wake
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  #receive(message: ReaderMessage): void {
    this.#messages.push(message)
    this.#wake?.()
  }

  #die(error: Error): void {
    this.#died ??= error
    this.#wake?.()
  }
}

/** What the guard refuses here comes from our own btrfs: a send that went wrong, not a corrupt store. */
function unsound(error: Error): Error {
  if (!isFailure(error, 'corrupt')) return error
  const hint = error.hint ?? 'nothing of it was committed'
  return new Failure('send-failed', `cannot use what btrfs send wrote: ${error.message}`, {
    hint,
    cause: error,
  })
}
