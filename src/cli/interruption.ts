// Ctrl-C and its like: first ask the command to stop cleanly, then stop at once.

import { Failure } from '../base/failure.ts'

export interface Interruption {
  readonly signal: AbortSignal
  /** Gives the signals back to Node. */
  release(): void
}

export interface InterruptionSteps {
  /** For telling that it was heard; the signal aborts right after. */
  readonly onFirst: (name: NodeJS.Signals) => void
  readonly onSecond: () => void
}

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

export function watchInterruptions({ onFirst, onSecond }: InterruptionSteps): Interruption {
  const controller = new AbortController()
  const listen = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) return onSecond()
    onFirst(name)
    controller.abort(
      new Failure('interrupted', `interrupted by ${name}`, {
        hint: 'run the same command again: it goes on with what is stored already',
      }),
    )
  }
  for (const name of signals) process.on(name, listen)
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, listen)
    },
  }
}
