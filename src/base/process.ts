// Other programs: started from an argument array (never a shell), with an environment that holds
// no secret, bounded in what we keep of their output, and never left behind.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure, interruption, messageOf, systemCodeOf, throwIfAborted } from './failure.ts'

const complaintTailBytes = 8 * 1024
const defaultMaxOutputBytes = 64 * 1024 * 1024
const defaultKillGraceMs = 5_000
/** How long stderr may stay open after a program's end; a child of its own may hold it. */
const complaintGraceMs = 500

export interface ProgramCall {
  readonly program: string
  readonly args: readonly string[]
  readonly signal?: AbortSignal | undefined
  /** Beside PATH, HOME, LANG and LC_ALL, which are always given. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>
  /** Descriptors of ours that the program gets as 3, 4, … */
  readonly inherit?: readonly number[]
  /** Default: `/`, so that no mount is kept busy. */
  readonly folder?: string
  /** Between SIGTERM and SIGKILL, once the signal aborts. Default 5 s. */
  readonly killGraceMs?: number
}

export type ProgramOutcome =
  | { readonly kind: 'exited'; readonly status: number; readonly stderr: string }
  | { readonly kind: 'killed'; readonly by: NodeJS.Signals; readonly stderr: string }

export interface CollectedOutput {
  readonly outcome: ProgramOutcome
  readonly stdout: Buffer
}

export interface StartCall extends ProgramCall {
  /** A descriptor of ours, or a pipe to be used through the returned stream. Default: nothing. */
  readonly stdin?: number | 'pipe'
  readonly stdout?: number | 'pipe'
  /** A descriptor of ours; then an outcome has no complaint. Default: a pipe of which the end is kept. */
  readonly stderr?: number
}

export interface RunningProgram {
  readonly pid: number | undefined
  /** Null unless a pipe was asked for. The taker must watch `done`, not only these. */
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  /**
   * Settles once, after the program has ended. Rejects with 'interrupted' when the signal aborted
   * and with 'failed' when it could not be started.
   */
  readonly done: Promise<ProgramOutcome>
}

/** What a program wrote to stdout; Failure 'failed' with its complaint unless it exits with 0. */
export async function runProgram(
  call: ProgramCall & { readonly maxOutputBytes?: number },
): Promise<Buffer> {
  const { outcome, stdout } = await collectProgram(call)
  if (outcome.kind === 'exited' && outcome.status === 0) return stdout
  throw new Failure('failed', `cannot run ${call.program}: ${describeOutcome(outcome)}`)
}

/** Like runProgram, but leaves it to the caller to judge how the program ended. */
export async function collectProgram(
  call: ProgramCall & { readonly maxOutputBytes?: number },
): Promise<CollectedOutput> {
  const limit = call.maxOutputBytes ?? defaultMaxOutputBytes
  const tooMuch = new AbortController()
  const signal = call.signal ? AbortSignal.any([call.signal, tooMuch.signal]) : tooMuch.signal
  const running = startProgram({ ...call, signal, stdout: 'pipe' })
  const chunks: Buffer[] = []
  let size = 0
  running.stdout?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= limit) chunks.push(chunk)
    else
      tooMuch.abort(
        new Failure('failed', `cannot run ${call.program}: it writes more than ${limit} bytes`),
      )
  })
  const outcome = await running.done
  return { outcome, stdout: Buffer.concat(chunks) }
}

/** Starts a program and returns at once; failures to start arrive through `done`. */
export function startProgram(call: StartCall): RunningProgram {
  throwIfAborted(call.signal)
  const stdio: StdioOptions = [
    call.stdin ?? 'ignore',
    call.stdout ?? 'ignore',
    call.stderr ?? 'pipe',
  ]
  const child = spawn(call.program, [...call.args], {
    cwd: call.folder ?? '/',
    // A session of its own: Ctrl-C on the terminal reaches us only, and we pass it on in our order.
    detached: true,
    env: programEnvironment(call.env),
    stdio: [...stdio, ...(call.inherit ?? [])],
  })
  // A program that ends early closes its stdin: that is told by its outcome, not by EPIPE.
  child.stdin?.on('error', () => {})
  child.stdout?.on('error', () => {})
  const done = settle(child, call)
  // The taker may look at `done` only later; until then a rejection must not count as unheard.
  done.catch(() => {})
  return { pid: child.pid, stdin: child.stdin, stdout: child.stdout, done }
}

/** How a program ended, in words, with the last lines of its complaint. */
export function describeOutcome(outcome: ProgramOutcome): string {
  const how =
    outcome.kind === 'exited'
      ? `it ended with status ${outcome.status}`
      : `it was killed by ${outcome.by}`
  const lines = outcome.stderr.trim().split('\n').slice(-3).join('; ')
  return lines === '' ? how : `${lines} (${how})`
}

async function settle(child: ChildProcess, call: StartCall): Promise<ProgramOutcome> {
  const complaint = keepTail(child.stderr)
  const stopKilling = killOnAbort(child, call)
  try {
    const { status, by } = await ended(child, call.program)
    await outputRead(child, call)
    await Promise.race([closed(child.stderr), delay(complaintGraceMs, undefined, { ref: false })])
    if (call.signal?.aborted) throw interruption(call.signal)
    const stderr = complaint()
    if (by === null) return { kind: 'exited', status: status ?? -1, stderr }
    return { kind: 'killed', by, stderr }
  } finally {
    stopKilling()
    child.stderr?.destroy()
  }
}

function ended(
  child: ChildProcess,
  program: string,
): Promise<{ status: number | null; by: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('exit', (status, by) => resolve({ status, by }))
    child.once('error', error => {
      if (child.pid === undefined) reject(startFailure(program, error))
    })
  })
}

/**
 * Output that we collect must be whole, however late it is read (L9); a pipe that the caller reads
 * must not hold up `done`.
 */
async function outputRead(child: ChildProcess, call: StartCall): Promise<void> {
  const { stdout } = child
  if (stdout === null || stdout.listenerCount('data') === 0) return
  const giveUp = () => stdout.destroy()
  if (call.signal?.aborted) giveUp()
  call.signal?.addEventListener('abort', giveUp, { once: true })
  await closed(stdout)
  call.signal?.removeEventListener('abort', giveUp)
}

async function closed(stream: Readable | null): Promise<void> {
  if (stream === null || stream.readableEnded || stream.destroyed) return
  await new Promise<void>(resolve => {
    stream.once('end', resolve)
    stream.once('close', resolve)
    stream.once('error', resolve)
  })
}

function killOnAbort(child: ChildProcess, call: StartCall): () => void {
  let hardKill: NodeJS.Timeout | undefined
  const onAbort = () => {
    killGroup(child, 'SIGTERM')
    hardKill = setTimeout(() => killGroup(child, 'SIGKILL'), call.killGraceMs ?? defaultKillGraceMs)
  }
  call.signal?.addEventListener('abort', onAbort, { once: true })
  return () => {
    clearTimeout(hardKill)
    call.signal?.removeEventListener('abort', onAbort)
  }
}

/** The program and whatever it started. */
function killGroup(child: ChildProcess, by: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, by)
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error
  }
}

function keepTail(stream: Readable | null): () => string {
  let tail = Buffer.alloc(0)
  stream?.on('error', () => {})
  stream?.on('data', (chunk: Buffer) => {
    const joined = Buffer.concat([tail, chunk])
    tail = joined.subarray(Math.max(0, joined.length - complaintTailBytes))
  })
  return () => tail.toString('utf8')
}

function programEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: process.env['HOME'] ?? '/',
    LANG: 'C',
    LC_ALL: 'C',
    ...extra,
  }
}

function startFailure(program: string, error: unknown): Failure {
  const code = systemCodeOf(error)
  if (code === 'ENOENT') {
    const holder = packageOf(program)
    return new Failure('failed', `cannot run ${program}: it is not installed or not in PATH`, {
      hint: holder === undefined ? undefined : `install the package ${holder}`,
      cause: error,
    })
  }
  return new Failure('failed', `cannot run ${program}: ${code ?? messageOf(error)}`, {
    cause: error,
  })
}

function packageOf(program: string): string | undefined {
  const packages: Readonly<Record<string, string>> = {
    btrfs: 'btrfs-progs',
    flock: 'util-linux',
    ssh: 'openssh-client',
    'ssh-keygen': 'openssh-client',
  }
  return Object.hasOwn(packages, program) ? packages[program] : undefined
}
