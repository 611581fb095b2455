// Starting `btrfs receive`, fed through its stdin with bytes that were checked before (L6). Never
// with -e, -E or -f: they accept what is incomplete, or succeed without having read anything.

import { Failure, isFailure } from '../base/failure.ts'
import { type ProgramOutcome, startProgram } from '../base/process.ts'
import { type Errno, errnoInWords, errnoOf } from './complaint.ts'
import { BtrfsComplaint, succeeded } from './run.ts'

export interface ReceiveCall {
  /** A plain directory on the target filesystem that nobody else can write to. */
  readonly staging: string
  /** Where the stream comes from: a pipe's read end, whose copy here the caller closes. */
  readonly input: number
  readonly signal?: AbortSignal | undefined
}

export interface RunningReceive {
  /**
   * Resolves when receive exits with 0, which alone proves nothing: show the subvolume. Rejects
   * with 'receive-failed', 'no-space', or 'interrupted'; then a writable part of a subvolume may
   * be left in the staging directory.
   */
  readonly done: Promise<void>
}

export function startReceive(call: ReceiveCall): RunningReceive {
  const running = startProgram({
    program: 'btrfs',
    args: ['receive', '-q', '-C', call.staging],
    stdin: call.input,
    signal: call.signal,
  })
  const done = running.done.then(
    outcome => {
      if (!succeeded(outcome)) throw receiveFailure(call.staging, outcome)
    },
    (error: unknown) => {
      if (!isFailure(error, 'failed')) throw error
      throw new Failure('receive-failed', error.message, { hint: error.hint, cause: error })
    },
  )
  // The caller feeds the stream first and looks at this later.
  done.catch(() => {})
  return { done }
}

/** Messages are ours, because btrfs names the file that it stumbled over (L10). */
function receiveFailure(staging: string, outcome: ProgramOutcome): Failure {
  const errno = errnoOf(outcome.stderr)
  const { why, hint } = reasonOf(outcome, errno)
  const code = errno === 'ENOSPC' ? 'no-space' : 'receive-failed'
  return new Failure(code, `cannot receive into ${staging}: ${why}`, {
    hint,
    cause: new BtrfsComplaint(outcome),
  })
}

function reasonOf(
  outcome: ProgramOutcome,
  errno: Errno | undefined,
): { why: string; hint?: string | undefined } {
  if (outcome.kind === 'killed') return { why: `btrfs receive was killed by ${outcome.by}` }
  for (const { says, why, hint } of complaints) if (says.test(outcome.stderr)) return { why, hint }
  if (errno === undefined) return { why: `btrfs receive ended with status ${outcome.status}` }
  return { why: errnoInWords(errno), hint: hints[errno] }
}

const complaints = [
  {
    says: /cannot find parent subvolume/,
    why: 'the snapshot that the stream is a difference from is not on this filesystem',
    hint: 'restore the whole chain',
  },
  {
    says: /not reachable from inside the root subvol/,
    why: 'the snapshot that the stream is a difference from lies outside what is mounted',
    hint: 'mount the top level (-o subvolid=5) and restore through it, or delete that snapshot',
  },
  {
    says: /changed your default subvolume/,
    why: 'the target is a folder of a filesystem that is mounted by itself (a bind mount, a container)',
    hint: 'restore through a mount of the whole filesystem, or of a subvolume of it',
  },
  {
    says: /crc32 mismatch|invalid tlv|unexpected EOF|short read/i,
    why: 'the send stream is damaged or incomplete',
    hint: 'run "btrvault verify"',
  },
] as const

const hints: Partial<Record<Errno, string>> = {
  ENOSPC: 'free space there, or run "btrfs balance start -dusage=10" when only metadata is full',
  EDQUOT: 'raise or lift the quota there',
  EROFS: 'the target is mounted read-only',
  EPERM: 'run as root',
  EACCES: 'run as root',
  EIO: 'see "dmesg": the target disk reports errors',
  ENAMETOOLONG: 'receive through a shorter mount path',
  EEXIST: 'the staging directory was not empty',
}
