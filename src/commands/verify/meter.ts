// Counts what a verify reads, and tells the progress: one subject a series.

import type { Context } from '../shared/context.ts'

export class VerifyMeter {
  readonly #context: Context
  #subject = ''
  #fetchedBytes = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** Over all subjects. */
  get fetchedBytes(): number {
    return this.#fetchedBytes
  }

  begin(subject: string): void {
    this.#subject = subject
  }

  /** `totalBytes` are of what is `fetched`, as stored, or `opened`, as raw stream. */
  move(totalBytes: number, of: 'fetched' | 'opened') {
    const subject = this.#subject
    const sums = { fetched: 0, opened: 0 }
    const emit = (done: boolean) =>
      this.#context.emit({
        kind: 'progress',
        subject,
        readBytes: sums[of],
        storedBytes: sums.fetched,
        totalBytes,
        done,
      })
    return {
      onFetched: (bytes: number) => {
        sums.fetched += bytes
        this.#fetchedBytes += bytes
        emit(false)
      },
      onOpened: (bytes: number) => {
        sums.opened += bytes
        emit(false)
      },
      [Symbol.dispose]: () => emit(true),
    }
  }
}
