// The main thread's end of the writer thread: a stream into a program's standard input.

import { closeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { openPipe, type Pipe } from '../base/pipe.ts'
import { failureOf } from './worker-protocol.ts'
import type { Part, WriterMessage, WriterRequest, WriterTask } from './writer-protocol.ts'

/** Chunks that the thread may have before it; one more is held by it. */
const chunksAhead = 2

/**
 * Writes one stream. Use: open(), give `readFd` to the consumer as its standard input and call
 * consumerStarted(), then write() and end(). The consumer must have ended (killed, if need be)
 * before close() is awaited: a blocking write ends only when somebody reads, or nobody can.
 */
export class StreamWriter {
  readonly #worker: Worker
  readonly #exited: Promise<void>
  #readEnd: number | undefined
  #chunksOut = 0
  #isRight: boolean | undefined
  #failure: Error | undefined
  #wake: (() => void) | undefined

  /** `hashed`: end() holds the stream against its SHA-256. */
  static async open(options: { readonly hashed: boolean }): Promise<StreamWriter> {
    return new StreamWriter(await openPipe(), options.hashed)
  }

  private constructor({ readEnd, writeEnd }: Pipe, hashed: boolean) {
    this.#readEnd = readEnd
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./writer-worker.${ending}`, import.meta.url), {
      workerData: { writeEnd, hashed } satisfies WriterTask,
      // It closes what the main thread opened.
      trackUnmanagedFds: false,
    })
    this.#worker.on('message', (message: WriterMessage) => this.#receive(message))
    this.#worker.on('error', (error: Error) => this.#die(error))
    this.#exited = new Promise(resolve => {
      this.#worker.on('exit', () => {
        if (this.#isRight === undefined) this.#die(new Error('the writer thread ended early'))
        resolve()
      })
    })
  }

  /** The pipe's read end, for the consumer. */
  get readFd(): number {
    if (this.#readEnd === undefined) throw new Error('the read end was closed')
    return this.#readEnd
  }

  /** Closes our copy of the read end: from now on writing fails when the consumer is gone. */
  consumerStarted(): void {
    if (this.#readEnd !== undefined) closeSync(this.#readEnd)
    this.#readEnd = undefined
  }

  /**
   * Takes the chunk over, and waits until another one may come. `pieces` are what to write of it:
   * views of it, or bytes of their own. Rejects when the consumer reads no more.
   */
  async write(
    chunk: Uint8Array<ArrayBuffer>,
    pieces: readonly Uint8Array[] = [chunk],
  ): Promise<void> {
    const parts = pieces.map((piece): Part => {
      // A view's whole memory would cross over with it.
      if (piece.buffer !== chunk.buffer) return new Uint8Array(piece)
      const start = piece.byteOffset - chunk.byteOffset
      return [start, start + piece.length]
    })
    this.#chunksOut += 1
    this.#post({ kind: 'write', chunk, parts }, [chunk.buffer])
    await this.#until(() => this.#chunksOut <= chunksAhead)
  }

  /** Writes the end if the hash of all chunks is right, and says whether it is. */
  async end(sha256: string | undefined): Promise<boolean> {
    this.#post({ kind: 'end', sha256 })
    await this.#until(() => this.#isRight !== undefined)
    return this.#isRight === true
  }

  async close(): Promise<void> {
    this.consumerStarted()
    this.#post({ kind: 'stop' })
    await this.#exited
  }

  #post(request: WriterRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer)
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  #receive(message: WriterMessage): void {
    if (message.kind === 'taken') this.#chunksOut -= 1
    else if (message.kind === 'ended') this.#isRight = message.isRight
    else this.#failure ??= failureOf(message)
    this.#wake?.()
  }

  #die(error: Error): void {
    this.#failure ??= error
    this.#wake?.()
  }
}
