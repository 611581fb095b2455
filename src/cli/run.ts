// One command from its arguments to its exit status: what is printed where, and how failures look.

import type { Clock } from '../base/clock.ts'
import { type Failure, isFailure, messageOf, systemCodeOf } from '../base/failure.ts'
import type { Context } from '../commands/shared/context.ts'
import type { Config } from '../config/config.ts'
import { configPath } from '../config/config-path.ts'
import type { EventSink } from '../model/event.ts'
import { makePaint, type Paint } from './colour.ts'
import { escapeControls, escapeLines } from './escape.ts'
import { describeError, errorDocument, reportDocument } from './json.ts'
import type { News } from './news.ts'
import { chooseNews, openNews } from './open-news.ts'
import { type Invocation, parseArguments, type Request } from './program.ts'
import { askConsent, askSecret, type Terminal } from './prompt.ts'
import type { Screen } from './screen.ts'
import { type Call, Flags, type Outcome, type Verb } from './verb.ts'

/** The world outside, as a command meets it. */
export interface World {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly verbs: readonly Verb[]
  readonly out: Screen
  readonly err: Screen
  readonly isJournal: boolean
  readonly isRoot: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly makeContext: (emit: EventSink) => Promise<Context>
  /** Told where warnings go while the command runs, so that an interruption can be announced. */
  readonly onNews?: (news: News) => void
}

/** Never rejects: whatever happens becomes words and an exit status. */
export async function runCommandLine(world: World): Promise<number> {
  const refused = world.argv.includes('--no-color')
  const paintOf = ({ isTerminal }: Screen): Paint =>
    makePaint({ refused, isTerminal, env: world.env })
  let request: Request
  try {
    request = parseArguments(world.argv, {
      verbs: world.verbs,
      version: world.version,
      paint: paintOf(world.out),
      width: Number.isFinite(world.out.columns()) ? world.out.columns() : 80,
    })
  } catch (error) {
    return tellError(world, {
      error,
      name: null,
      json: world.argv.includes('--json'),
      paint: paintOf(world.err),
    })
  }
  if (request.kind === 'lost') {
    world.err.write(request.text)
    return 2
  }
  if (request.kind === 'print') {
    world.out.write(request.text)
    return 0
  }
  return runInvocation(world, request.invocation, {
    out: paintOf(world.out),
    err: paintOf(world.err),
  })
}

interface Paints {
  readonly out: Paint
  readonly err: Paint
}

async function runInvocation(
  world: World,
  invocation: Invocation,
  paints: Paints,
): Promise<number> {
  const flags = new Flags(invocation.options)
  const json = flags.is('json')
  const news = openNews(newsKind(world, flags), {
    screen: world.err,
    clock: world.clock,
    paint: paints.err,
    quiet: flags.is('quiet'),
    words: invocation.verb.counted ?? { read: 'read', stored: 'stored' },
  })
  world.onNews?.(news)
  try {
    const call = makeCall(world, invocation, { flags, news })
    if (!invocation.verb.run) throw new Error(`the verb ${invocation.name} has nothing to do`)
    const outcome = await invocation.verb.run(await call)
    news.close()
    return tellOutcome(world, outcome, { name: invocation.name, flags, paint: paints.out })
  } catch (error) {
    news.close()
    const verbose = flags.is('verbose')
    return tellError(world, { error, name: invocation.name, json, paint: paints.err, verbose })
  }
}

function newsKind(world: World, flags: Flags) {
  return chooseNews({
    asked: flags.text('progress'),
    quiet: flags.is('quiet'),
    isTerminal: world.err.isTerminal,
    isJournal: world.isJournal,
    env: world.env,
  })
}

async function makeCall(
  world: World,
  invocation: Invocation,
  { flags, news }: { flags: Flags; news: News },
): Promise<Call> {
  const emit: EventSink = event => news.emit(event)
  const path = configPath({ flag: flags.text('config'), env: world.env, isRoot: world.isRoot })
  const isNamed = flags.text('config') !== undefined || Boolean(world.env['BTRVAULT_CONFIG'])
  const config = async (): Promise<Config> => {
    // Imported only when a verb needs it: zod and yaml take longer to load than most verbs to run.
    const { loadConfig } = await import('../config/load.ts')
    const loaded = await loadConfig(path)
    for (const { text } of loaded.warnings) emit({ kind: 'warning', text })
    return loaded
  }
  const configIfAny = async (): Promise<Config | undefined> => {
    try {
      return await config()
    } catch (error) {
      const isAbsent = isFailure(error) && systemCodeOf(error.cause) === 'ENOENT'
      if (isAbsent && !isNamed) return undefined
      throw error
    }
  }
  return {
    context: await world.makeContext(emit),
    config,
    configIfAny,
    configPath: path,
    arguments: invocation.arguments,
    flags,
    agree: async (deed, question) =>
      askConsent(deed, question, { ...terminalOf(world), yes: flags.is('yes') }),
    secret: async question => askSecret(question, terminalOf(world)),
    stdout: world.stdout,
  }
}

function terminalOf({ stdin, stderr, signal }: World): Terminal {
  return { input: stdin, output: stderr, isInteractive: stdin.isTTY && stderr.isTTY, signal }
}

function tellOutcome(
  world: World,
  outcome: Outcome,
  { name, flags, paint }: { name: string; flags: Flags; paint: Paint },
): number {
  const exit = outcome.exit ?? 0
  if (flags.is('json') && !outcome.isDocument) {
    world.out.write(reportDocument(name, exit, outcome.report))
  } else if (outcome.isDocument || !flags.is('quiet')) {
    const width = world.out.columns()
    const lines = outcome.lines({ paint, width, verbose: flags.is('verbose') })
    if (lines.length > 0) world.out.write(`${lines.join('\n')}\n`)
  }
  return exit
}

interface ErrorTelling {
  readonly error: unknown
  readonly name: string | null
  readonly json: boolean
  readonly paint: Paint
  readonly verbose?: boolean
}

function tellError(world: World, { error, name, json, paint, verbose }: ErrorTelling): number {
  const { exit } = describeError(error)
  if (json) world.out.write(errorDocument(name, error))
  const lines = errorLines(error, { paint, verbose: verbose ?? false })
  const prefix = world.isJournal ? '<3>' : ''
  world.err.write(lines.map(line => `${prefix}${line}\n`).join(''))
  return exit
}

/** `error: cannot …`, its hint, and with --verbose what it came from; a bug with its stack. */
export function errorLines(
  error: unknown,
  { paint, verbose }: { readonly paint: Paint; readonly verbose: boolean },
): string[] {
  if (!isFailure(error)) return bugLines(error, paint)
  const [first = '', ...rest] = escapeLines(error.message)
  const lines = [`${paint('bad', 'error:')} ${first}`, ...rest]
  if (error.hint !== undefined)
    lines.push(`${paint('quiet', ' hint:')} ${escapeControls(error.hint)}`)
  if (verbose) {
    for (const cause of causesOf(error))
      lines.push(paint('quiet', `cause: ${escapeControls(messageOf(cause))}`))
  }
  return lines
}

function bugLines(error: unknown, paint: Paint): string[] {
  const stack = error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
  return [
    `${paint('bad', 'error:')} this is a bug in btrvault: ${escapeControls(messageOf(error))}`,
    `${paint('quiet', ' hint:')} report it with the lines below; what is already stored is safe`,
    ...escapeLines(stack),
  ]
}

function causesOf(error: Failure): unknown[] {
  const causes: unknown[] = []
  let cause = error.cause
  // Bounded: a cause may be its own.
  while (cause !== undefined && cause !== null && causes.length < 8) {
    causes.push(cause)
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return causes
}
