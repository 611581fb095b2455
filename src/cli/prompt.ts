// Asking a person: before something that cannot be taken back or costs money, and for secrets.

import { createInterface } from 'node:readline/promises'
import { type Readable, Writable } from 'node:stream'
import { Failure, interruption } from '../base/failure.ts'

export interface Terminal {
  readonly input: Readable
  readonly output: Writable
  /** Both ends are a person's terminal. */
  readonly isInteractive: boolean
  readonly signal: AbortSignal
}

/**
 * Resolves when the person says yes (or `--yes` does), rejects with Failure 'refused' when not, or
 * when nobody is there to ask. `deed` completes "cannot …": `restore to /mnt`.
 */
export async function askConsent(
  deed: string,
  question: string,
  { yes, ...terminal }: Terminal & { readonly yes: boolean },
): Promise<void> {
  if (yes) return
  if (!terminal.isInteractive) {
    throw new Failure('refused', `cannot ${deed}: nobody is at a terminal to agree`, {
      hint: 'give --yes to agree beforehand',
    })
  }
  const answer = await readAnswer(`${question} [y/N] `, terminal)
  if (/^(y|yes)$/i.test(answer?.trim() ?? '')) return
  throw new Failure('refused', `cannot ${deed}: it was not agreed to`)
}

/** What was typed, without showing it (L10); Failure 'refused' off a terminal or without an answer. */
export async function askSecret(question: string, terminal: Terminal): Promise<string> {
  if (!terminal.isInteractive) {
    throw new Failure('refused', `cannot ask for the ${question}: nobody is at a terminal`, {
      hint: 'use a file without a passphrase here, or run this on a terminal',
    })
  }
  terminal.output.write(`${question}: `)
  const answer = await readAnswer('', { ...terminal, output: new Silence() })
  terminal.output.write('\n')
  if (answer === undefined) throw new Failure('refused', `cannot go on: no ${question} was given`)
  return answer
}

/** Takes the place of the terminal, so that readline's echo goes nowhere. */
class Silence extends Writable {
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done()
  }
}

/** Undefined at the end of the input (Ctrl-D). */
async function readAnswer(
  question: string,
  { input, output, signal }: Terminal,
): Promise<string | undefined> {
  const lines = createInterface({ input, output, terminal: true, historySize: 0 })
  const ended = Promise.withResolvers<undefined>()
  lines.once('close', () => ended.resolve(undefined))
  // In raw mode Ctrl-C is a key: readline would only close.
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
