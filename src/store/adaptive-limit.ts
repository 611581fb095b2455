// How many calls may run at once against a store that now and then says "slow down": halved
// when it does, raised by one for each round of calls that went well.

import { interruption } from '../base/failure.ts'

export class AdaptiveLimit {
  readonly #max: number
  #limit: number
  #running = 0
  #round = 0
  readonly #waiting: (() => void)[] = []

  constructor(max: number) {
    this.#max = max
    this.#limit = max
  }

  /** How many may run now. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** Runs the call when its turn comes; `isBusy` says which errors mean "too many at once". */
  async run<T>(
    call: () => Promise<T>,
    options: {
      readonly isBusy: (error: unknown) => boolean
      readonly signal?: AbortSignal | undefined
    },
  ): Promise<T> {
    await this.#enter(options.signal)
    const round = this.#round
    try {
      const value = await call()
      this.#limit = Math.min(this.#max, this.#limit + 1 / this.#limit)
      return value
    } catch (error) {
      if (options.isBusy(error)) this.#lower(round)
      throw error
    } finally {
      this.#running -= 1
      this.#letIn()
    }
  }

  // Calls that were under way together and all hear "slow down" count once.
  #lower(round: number): void {
    if (round !== this.#round) return
    this.#round += 1
    this.#limit = Math.max(1, this.#limit / 2)
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw interruption(signal)
    if (this.#waiting.length === 0 && this.#running < this.limit) {
      this.#running += 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(interruption(signal as AbortSignal))
      }
      this.#waiting.push(enter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #letIn(): void {
    while (this.#running < this.limit) {
      const enter = this.#waiting.shift()
      if (enter === undefined) return
      this.#running += 1
      enter()
    }
  }
}
