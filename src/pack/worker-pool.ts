// The pack threads: jobs in, replies out, back-pressure, and no waiter left when a thread dies.

import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Envelope, FailureMessage, PackReplies, PackRequest } from './worker-protocol.ts'
import { failureOf } from './worker-protocol.ts'

interface Job {
  readonly request: PackRequest
  readonly transfer: ArrayBuffer[]
  readonly resolve: (reply: never) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  job: { readonly id: number; readonly job: Job } | undefined
}

/** Threads for packing: one a core up to four; the kernel's send needs a core of its own. */
export function defaultThreadCount(): number {
  return Math.min(4, Math.max(1, availableParallelism()))
}

/**
 * Else V8 marks its whole heap again and again, to find megabytes that are given back without it: a
 * tenth of the CPU seconds of a run. What it counts of them is to count less, a thread's heap need
 * not be marked while it is small, and a heap may grow to four times what is in use.
 */
const collectorFlags = [
  '--external-memory-accounted-in-global-limit',
  '--initial-old-space-size=256',
  '--heap-growing-percent=300',
]

/** A thread is started when the first job needs it: most runs find nothing to do. */
export class WorkerPool {
  readonly threadCount: number
  readonly #threads: Thread[] = []
  readonly #queue: Job[] = []
  #nextId = 1
  #broken: Error | undefined

  constructor(threadCount = defaultThreadCount()) {
    for (const flag of collectorFlags) setFlagsFromString(flag)
    this.threadCount = threadCount
  }

  /**
   * Runs one job on the next free thread. The buffers in `transfer` are moved: the caller can't
   * use them any more. Jobs of kind 'seal' overtake the rest: they free the most memory.
   */
  async run<R extends PackRequest>(
    request: R,
    transfer: readonly Uint8Array<ArrayBuffer>[],
  ): Promise<PackReplies[R['kind']]> {
    if (this.#broken !== undefined) throw this.#broken
    return new Promise((resolve, reject) => {
      const buffers = [...new Set(transfer.map(bytes => bytes.buffer))]
      const job = { request, transfer: buffers, resolve: resolve as Job['resolve'], reject }
      if (request.kind === 'seal') this.#queue.unshift(job)
      else this.#queue.push(job)
      this.#dispatch()
    })
  }

  async close(): Promise<void> {
    this.#fail(new Error('the pack threads were closed'))
    await Promise.all(this.#threads.map(thread => thread.worker.terminate()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #start(): Thread {
    // The bundle holds the thread's file as .js beside this one, a checkout as .ts.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./pack-worker.${ending}`, import.meta.url))
    const thread: Thread = { worker, job: undefined }
    worker.on('message', (envelope: Envelope<PackReplies[keyof PackReplies] | FailureMessage>) => {
      this.#settle(thread, envelope)
    })
    worker.on('error', (error: Error) => this.#fail(error))
    worker.on('exit', status => this.#fail(new Error(`a pack thread ended with status ${status}`)))
    worker.unref()
    return thread
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#freeThread()
      if (thread === undefined) return
      const job = this.#queue.shift() as Job
      const id = this.#nextId++
      thread.job = { id, job }
      thread.worker.ref()
      thread.worker.postMessage({ id, body: job.request }, job.transfer)
    }
  }

  #freeThread(): Thread | undefined {
    const free = this.#threads.find(({ job }) => job === undefined)
    if (free !== undefined || this.#threads.length === this.threadCount) return free
    const started = this.#start()
    this.#threads.push(started)
    return started
  }

  #settle(thread: Thread, envelope: Envelope<{ readonly kind: string }>): void {
    const running = thread.job
    if (running === undefined || running.id !== envelope.id) return
    thread.job = undefined
    thread.worker.unref()
    const body = envelope.body
    if (body.kind === 'failed') running.job.reject(failureOf(body as FailureMessage))
    else running.job.resolve(body as never)
    this.#dispatch()
  }

  #fail(error: Error): void {
    this.#broken ??= error
    const waiting = [
      ...this.#threads.flatMap(({ job }) => job?.job ?? []),
      ...this.#queue.splice(0),
    ]
    for (const thread of this.#threads) thread.job = undefined
    for (const job of waiting) job.reject(this.#broken)
  }
}
