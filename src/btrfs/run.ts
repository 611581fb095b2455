// The one way in which `btrfs` is called for answers that fit into memory.

import { Failure } from '../base/failure.ts'
import { type CollectedOutput, collectProgram, type ProgramOutcome } from '../base/process.ts'

export interface BtrfsOptions {
  readonly signal?: AbortSignal | undefined
}

/** Standard output as bytes; the caller judges the outcome. */
export async function runBtrfs(
  args: readonly string[],
  options: BtrfsOptions = {},
): Promise<CollectedOutput> {
  return await collectProgram({
    program: 'btrfs',
    args,
    signal: options.signal,
    env: { TZ: 'UTC' },
  })
}

export function succeeded(outcome: ProgramOutcome): boolean {
  return outcome.kind === 'exited' && outcome.status === 0
}

/** What btrfs wrote, for a Failure's `cause`: it may hold names of the user's files (L10). */
export class BtrfsComplaint extends Error {
  readonly outcome: ProgramOutcome

  constructor(outcome: ProgramOutcome) {
    super(outcome.stderr.trim())
    this.name = 'BtrfsComplaint'
    this.outcome = outcome
  }
}

/** For calls whose arguments are all ours, so that the complaint holds no name of the user's. */
export function btrfsFailure(what: string, outcome: ProgramOutcome, hint?: string): Failure {
  const lines = outcome.stderr.trim().split('\n')
  const complaint = (lines.at(-1) ?? '').replace(/^ERROR: /, '')
  // What the kernel calls an ioctl that only btrfs has.
  const isOther = complaint.endsWith('Inappropriate ioctl for device')
  const why = isOther ? 'it is not btrfs' : complaint === '' ? 'btrfs gave no reason' : complaint
  return new Failure('btrfs-failed', `cannot ${what}: ${why}`, {
    hint: isOther ? 'check that the btrfs filesystem is mounted there' : hint,
    cause: new BtrfsComplaint(outcome),
  })
}
