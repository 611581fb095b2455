// Time as a thing that is handed in, so that tests can hold it.

import { setTimeout as delay } from 'node:timers/promises'
import { interruption } from './failure.ts'

export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number
  /** Resolves after `ms`; rejects with Failure 'interrupted' when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal ? { signal } : {})
    } catch (error) {
      if (signal?.aborted) throw interruption(signal)
      throw error
    }
  },
}

/** A clock that stands still until somebody sleeps on it; for tests. */
export class FakeClock implements Clock {
  #now: number
  readonly sleeps: number[] = []

  constructor(start: number) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  advance(ms: number): void {
    this.#now += ms
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw interruption(signal)
    this.sleeps.push(ms)
    this.#now += ms
    await Promise.resolve()
  }
}
