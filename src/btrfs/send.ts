// Starting `btrfs send`: one snapshot a stream, at most one parent, never a clone source (-c), never
// several snapshots in one stream (-e), never --compressed-data (it corrupts on current kernels).

import { Failure, isFailure } from '../base/failure.ts'
import { type ProgramOutcome, startProgram } from '../base/process.ts'
import { type Errno, errnoInWords, errnoOf } from './complaint.ts'
import { BtrfsComplaint, succeeded } from './run.ts'

export type SendProtocol = 1 | 2

export interface SendCall {
  /** Read-only, absolute. */
  readonly snapshot: string
  /** A read-only snapshot of the same filesystem that the stream is a difference from. */
  readonly parent?: string | undefined
  readonly protocol: SendProtocol
  /** Names what changed and leaves the file data out; for previews only. */
  readonly noData?: boolean
  /** The descriptor that the stream is written to; it stays the caller's to close. */
  readonly output: number
  readonly signal?: AbortSignal | undefined
}

export interface RunningSend {
  /** What was run, for the index. */
  readonly argv: readonly string[]
  /**
   * Resolves when the stream was written whole (L1: together with an END that the reader saw);
   * else rejects with 'send-failed', or 'interrupted' when the signal aborted.
   */
  readonly done: Promise<void>
}

export function startSend(call: SendCall): RunningSend {
  const args = sendArguments(call)
  const running = startProgram({
    program: 'btrfs',
    args,
    stdout: call.output,
    signal: call.signal,
  })
  return { argv: ['btrfs', ...args], done: judged(call, running.done) }
}

export function sendArguments(call: Omit<SendCall, 'output' | 'signal'>): readonly string[] {
  return [
    'send',
    '-q',
    '--proto',
    String(call.protocol),
    ...(call.noData ? ['--no-data'] : []),
    ...(call.parent === undefined ? [] : ['-p', call.parent]),
    call.snapshot,
  ]
}

function judged(call: SendCall, ended: Promise<ProgramOutcome>): Promise<void> {
  const done = ended.then(
    outcome => {
      if (!succeeded(outcome)) throw sendFailure(call, outcome)
    },
    (error: unknown) => {
      if (!isFailure(error, 'failed')) throw error
      throw new Failure('send-failed', error.message, { hint: error.hint, cause: error })
    },
  )
  // The caller reads the stream first and looks at this later.
  done.catch(() => {})
  return done
}

/** Messages are ours, because btrfs names the file that it stumbled over (L10). */
function sendFailure(call: SendCall, outcome: ProgramOutcome): Failure {
  const { why, hint } = reasonOf(outcome)
  return new Failure('send-failed', `cannot send snapshot ${call.snapshot}: ${why}`, {
    hint,
    cause: new BtrfsComplaint(outcome),
  })
}

function reasonOf(outcome: ProgramOutcome): { why: string; hint?: string | undefined } {
  if (outcome.kind === 'killed') return { why: `btrfs send was killed by ${outcome.by}` }
  if (/unable to resolve/.test(outcome.stderr)) return { why: 'it does not exist' }
  if (/is not read-only/.test(outcome.stderr)) {
    return { why: 'it or its parent is not read-only', hint: 'only read-only snapshots are sent' }
  }
  if (/parent determination failed/.test(outcome.stderr)) {
    return { why: 'btrfs does not accept the parent', hint: 'send it in full' }
  }
  const errno = errnoOf(outcome.stderr)
  if (errno === undefined) return { why: `btrfs send ended with status ${outcome.status}` }
  return { why: errnoInWords(errno), hint: hints[errno] }
}

const hints: Partial<Record<Errno, string>> = {
  ENOMEM: 'the kernel ran out of memory for the send: close programs or add swap, then run again',
  EAGAIN: 'a balance or deduplication works on the filesystem: run again when it has finished',
  EBUSY: 'a balance or deduplication works on the filesystem: run again when it has finished',
  EIO: 'the disk or a checksum is bad: see "dmesg", run "btrfs scrub start" and restore the file',
  ENAMETOOLONG:
    'a path in it is longer than 4095 bytes: find it with "find -regextype egrep" and shorten it',
  EPERM: 'run as root, or with the capability CAP_SYS_ADMIN',
  EACCES: 'run as root, or with the capability CAP_SYS_ADMIN',
  ENOENT: 'the snapshot or its parent was deleted meanwhile',
  EPIPE: 'the reader of the stream gave up first',
  EPROTO: 'the kernel does not know this version of the send stream',
}
