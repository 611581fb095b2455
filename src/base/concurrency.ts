// The only place where things run at the same time: bounded, ordered, and nothing left behind.

import { interruption } from './failure.ts'

/**
 * A budget of units (bytes, slots). take() waits until the units are free, first come first
 * served; give() returns them. A single demand larger than the whole budget is let through alone.
 */
export class Budget {
  readonly #limit: number
  #taken = 0
  readonly #waiting: { units: number; grant: () => void }[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  async take(units: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw interruption(signal)
    if (this.#waiting.length === 0 && this.#fits(units)) {
      this.#taken += units
      return
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        const index = this.#waiting.indexOf(entry)
        if (index >= 0) this.#waiting.splice(index, 1)
        reject(interruption(signal as AbortSignal))
      }
      const entry = {
        units,
        grant: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      this.#waiting.push(entry)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  give(units: number): void {
    this.#taken -= units
    for (;;) {
      const next = this.#waiting[0]
      if (next === undefined || !this.#fits(next.units)) return
      this.#waiting.shift()
      this.#taken += next.units
      next.grant()
    }
  }

  #fits(units: number): boolean {
    return this.#taken === 0 || this.#taken + units <= this.#limit
  }
}

/**
 * Starts tasks as they are added, remembers the first failure, and settles them all before it
 * reports: nothing runs on in the background after finish() or stop().
 */
export class TaskGroup {
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #failed = false
  #failure: unknown

  /** Aborts as soon as one task fails or the outer signal does. */
  readonly signal: AbortSignal

  constructor(outer?: AbortSignal) {
    this.signal = outer ? AbortSignal.any([outer, this.#abort.signal]) : this.#abort.signal
  }

  add(task: () => Promise<void>): void {
    const running: Promise<void> = task()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Throws the first failure so far; for producers that should stop early. */
  check(): void {
    if (this.#failed) throw this.#failure
  }

  /** Waits for every task, then throws the first failure if there was one. */
  async finish(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
    this.check()
  }

  /** Aborts what runs and waits for it; never throws. */
  async stop(reason: unknown): Promise<void> {
    this.#fail(reason)
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
    this.#abort.abort(error)
  }
}

/**
 * Maps items with at most `limit` at a time and yields the results in order. Reads ahead no
 * further than `limit`. After a failure or an early return it waits for what still runs, whose
 * signal aborts then: nobody wants it any more.
 */
export async function* mapInOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  task: (item: T, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const pending: Promise<R>[] = []
  const over = new AbortController()
  try {
    for await (const item of items) {
      const result = task(item, over.signal)
      result.catch(() => {})
      pending.push(result)
      if (pending.length >= limit) yield await (pending.shift() as Promise<R>)
    }
    while (pending.length > 0) yield await (pending.shift() as Promise<R>)
  } finally {
    over.abort()
    await Promise.allSettled(pending)
  }
}

/** Runs a task for every item, at most `limit` at a time; settles all, then throws the first failure. */
export async function forEachLimited<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const results = mapInOrder(items, limit, task)
  while (!(await results.next()).done);
}
