// Makes the Context, runs one command, maps the outcome to an exit status.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import packageFacts from '../package.json' with { type: 'json' }
import { systemClock } from './base/clock.ts'
import { plainPaint } from './cli/colour.ts'
import { watchInterruptions } from './cli/interruption.ts'
import type { News } from './cli/news.ts'
import { errorLines, runCommandLine } from './cli/run.ts'
import { isJournal, screenOf } from './cli/screen.ts'
import { verbs } from './cli/verbs.ts'
import type { Context } from './commands/context.ts'
import type { EventSink } from './model/event.ts'

await main()

async function main(): Promise<void> {
  let news: News | undefined
  const out = screenOf(process.stdout)
  const err = screenOf(process.stderr)
  const isRoot = process.getuid?.() === 0
  const interruption = watchInterruptions(() => {
    news?.close()
    process.exit(130)
  })
  interruption.onFirst = name => {
    const again = name === 'SIGINT' ? '; press Ctrl-C again to stop at once' : ''
    news?.emit({ kind: 'step', text: `stopping cleanly${again}` })
  }
  const die = (error: unknown) => {
    news?.close()
    err.write(`${errorLines(error, { paint: plainPaint, verbose: true }).join('\n')}\n`)
    process.exit(70)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)

  const status = await runCommandLine({
    argv: process.argv.slice(2),
    env: process.env,
    version: packageFacts.version,
    verbs,
    out,
    err,
    isJournal: isJournal(2, process.env),
    isRoot,
    clock: systemClock,
    signal: interruption.signal,
    stdin: process.stdin,
    stderr: process.stderr,
    makeContext: async emit => makeContext(emit, interruption.signal),
    onNews: opened => {
      news = opened
      if (isRoot && isDebuggable()) {
        opened.emit({
          kind: 'warning',
          text: 'this process can be inspected: whoever reaches its debug port is root',
        })
      }
    },
  })
  interruption.release()
  await flush(process.stdout)
  // Connections that are kept open for a next request must not keep us here.
  process.exit(status)
}

async function makeContext(emit: EventSink, signal: AbortSignal): Promise<Context> {
  const [{ systemBtrfs }, { openStore }] = await Promise.all([
    import('./btrfs/btrfs.ts'),
    import('./store/open.ts'),
  ])
  return {
    clock: systemClock,
    signal,
    emit,
    btrfs: systemBtrfs,
    openStore,
    randomBytes: count => new Uint8Array(randomBytes(count)),
    hostname: hostname(),
    program: `btrvault ${packageFacts.version}`,
  }
}

function isDebuggable(): boolean {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
  return /--inspect/.test(options)
}

/** Settles also when the reader has gone away. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (!stream.writable) return
  await new Promise<void>(resolve => {
    stream.write('', () => resolve())
  })
}
