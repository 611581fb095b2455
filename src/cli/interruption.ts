// Ctrl-C and its like: first ask the command to stop cleanly, then stop at once.

import { Failure } from '../base/failure.ts'

export interface Interruption {
  readonly signal: AbortSignal
  /** Called at the first interruption, for telling that it was heard. */
  onFirst: (name: NodeJS.Signals) => void
  /** Gives the signals back to Node. */
  release(): void
}

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** `exitNow` is called at the second interruption. */
export function watchInterruptions(exitNow: () => void): Interruption {
  const controller = new AbortController()
  const listen = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) return exitNow()
    interruption.onFirst(name)
    controller.abort(
      new Failure('interrupted', `interrupted by ${name}`, {
        hint: 'run the same command again: it goes on with what is stored already',
      }),
    )
  }
  const interruption: Interruption = {
    signal: controller.signal,
    onFirst: () => {},
    release: () => {
      for (const name of signals) process.off(name, listen)
    },
  }
  for (const name of signals) process.on(name, listen)
  return interruption
}
