// The process around a command line: its streams, its signals, and how it ends.

import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../base/clock.ts'
import { systemCodeOf } from '../base/failure.ts'
import type { Context } from '../commands/shared/context.ts'
import type { EventSink } from '../model/event.ts'
import { plainPaint } from './colour.ts'
import { watchInterruptions } from './interruption.ts'
import type { News } from './news.ts'
import { errorLines, runCommandLine } from './run.ts'
import { isJournal, screenOf } from './screen.ts'
import type { Verb } from './verb.ts'

export interface Program {
  readonly version: string
  readonly verbs: readonly Verb[]
  readonly makeContext: (emit: EventSink, signal: AbortSignal) => Promise<Context>
}

/** Runs the command that the process was started with, then ends the process. */
export async function startProgram({ version, verbs, makeContext }: Program): Promise<never> {
  let news: News | undefined
  let lost: Error | undefined
  const out = screenOf(process.stdout, error => {
    lost ??= error
  })
  const err = screenOf(process.stderr)
  const die = (error: unknown) => {
    news?.close()
    err.write(`${errorLines(error, { paint: plainPaint, verbose: true }).join('\n')}\n`)
    process.exit(70)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  const interruption = watchInterruptions({
    onFirst: name => {
      const again = name === 'SIGINT' ? '; press Ctrl-C again to stop at once' : ''
      news?.emit({ kind: 'step', text: `stopping cleanly${again}` })
    },
    onSecond: () => {
      news?.close()
      process.exit(130)
    },
  })
  const status = await runCommandLine({
    argv: process.argv.slice(2),
    env: process.env,
    version,
    verbs,
    out,
    err,
    isJournal: isJournal(2, process.env),
    isRoot: process.getuid?.() === 0,
    clock: systemClock,
    signal: interruption.signal,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    makeContext: async emit => makeContext(emit, interruption.signal),
    onNews: opened => {
      news = opened
      warnOfDebugger(opened)
    },
  })
  interruption.release()
  await flush(process.stdout)
  if (lost !== undefined) {
    err.write(`error: cannot write to standard output: ${systemCodeOf(lost) ?? lost.message}\n`)
  }
  // Connections that are kept open for a next request must not keep us here.
  process.exit(lost !== undefined && status === 0 ? 1 : status)
}

function warnOfDebugger(news: News): void {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
  if (process.getuid?.() !== 0 || !options.includes('--inspect')) return
  news.emit({
    kind: 'warning',
    text: 'this process can be inspected: whoever reaches its debug port is root',
  })
}

/** Settles also when the reader has gone away; errors of earlier writes have been told by then. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writable) {
    await new Promise<void>(resolve => {
      stream.write('', () => resolve())
    })
  }
  await setImmediate()
}
