/** Who runs in the benchmark, and what each is asked to do. */

import type { Cost } from './measure.ts'
import type { Ground } from './world.ts'

/** In this order: full, change, incremental, nothing to do, then all of it back. */
export const steps = ['full', 'incremental', 'idle', 'restore'] as const
export type Step = (typeof steps)[number]

export interface Contender {
  readonly name: string
  /** Sets up one round, unmeasured. */
  begin(turn: Turn): Promise<Attempt>
}

/** What a contender works with in one round. */
export interface Turn {
  readonly ground: Ground
  /** Its own, writable; changed between full and incremental. */
  readonly live: string
  /** Its own, empty, on ext4 or whatever the temporary folder is on. */
  readonly folder: string
  /** Its own, empty, on the second btrfs. */
  readonly target: string
  /** Its own part of the bucket. */
  readonly prefix: string
  /** Environment for every command, with the S3 server's credentials. */
  readonly env: NodeJS.ProcessEnv
}

export interface Attempt {
  /** The folder that it stores in; null for its part of the bucket. */
  readonly repository: string | null
  /** Bash; undefined when there is no such thing as this step. */
  script(step: Step): string | undefined
  /** What is unmeasured between two steps. */
  before?(step: Step): void
  /** Looks at what was done; throws when it is not what was asked for. */
  check?(step: Step, cost: Cost): void
}

/** A word for the shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
