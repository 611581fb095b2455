// Asking a person before something that cannot be taken back or costs money.

import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { Failure, interruption } from '../base/failure.ts'

export interface AskOptions {
  readonly input: Readable
  readonly output: Writable
  /** Both ends are a person's terminal. */
  readonly isInteractive: boolean
  /** `--yes` was given. */
  readonly yes: boolean
  readonly signal: AbortSignal
}

/**
 * Resolves when the person says yes (or `--yes` does), rejects with Failure 'refused' when not, or
 * when nobody is there to ask. `deed` completes "cannot …": `restore to /mnt`.
 */
export async function askConsent(
  deed: string,
  question: string,
  options: AskOptions,
): Promise<void> {
  if (options.yes) return
  if (!options.isInteractive) {
    throw new Failure('refused', `cannot ${deed}: nobody is at a terminal to agree`, {
      hint: 'give --yes to agree beforehand',
    })
  }
  const answer = await readAnswer(`${question} [y/N] `, options)
  if (/^(y|yes)$/i.test(answer.trim())) return
  throw new Failure('refused', `cannot ${deed}: it was not agreed to`)
}

async function readAnswer(
  question: string,
  { input, output, signal }: AskOptions,
): Promise<string> {
  const lines = createInterface({ input, output, terminal: true })
  // Its own Ctrl-C would only pause the input; the end of the input (Ctrl-D) is a no.
  const ended = Promise.withResolvers<string>()
  lines.once('close', () => ended.resolve(''))
  lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    return await Promise.race([lines.question(question, { signal }), ended.promise])
  } catch (error) {
    if (signal.aborted) throw interruption(signal)
    throw error
  } finally {
    lines.close()
  }
}
