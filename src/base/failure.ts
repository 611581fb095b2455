// The one error class for everything that a person can meet. What is thrown and is not a
// Failure is a bug: main.ts prints its stack and exits with 70.

interface FailureKind {
  readonly exit: number
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable?: true
}

/** Exit statuses are part of the interface: docs/cli.md lists them. */
const failureKinds = {
  failed: { exit: 1 },
  'no-space': { exit: 1 },
  'object-exists': { exit: 1 },
  usage: { exit: 2 },
  'config-invalid': { exit: 2 },
  incomplete: { exit: 3 },
  refused: { exit: 4 },
  'repository-missing': { exit: 10 },
  locked: { exit: 11 },
  'identity-wrong': { exit: 12 },
  'btrfs-failed': { exit: 20 },
  'send-failed': { exit: 20 },
  'receive-failed': { exit: 20 },
  'store-unavailable': { exit: 30, retryable: true },
  'store-busy': { exit: 30, retryable: true },
  'store-refused': { exit: 30 },
  'object-missing': { exit: 31 },
  archived: { exit: 32 },
  corrupt: { exit: 40 },
  untrusted: { exit: 40 },
  interrupted: { exit: 130 },
} as const satisfies Record<string, FailureKind>

export type FailureCode = keyof typeof failureKinds
export const failureCodes = Object.keys(failureKinds) as readonly FailureCode[]

export interface FailureOptions {
  /** One sentence: what to do next. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/**
 * Message form: `cannot <verb> <what>: <why>`, lower case, no full stop; it must name the path,
 * key or uuid, and must never hold a key, a token or a file name of the user's data (L10).
 */
export class Failure extends Error {
  readonly code: FailureCode
  readonly hint: string | undefined

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.hint = options.hint
  }

  get exitStatus(): number {
    return failureKinds[this.code].exit
  }

  get retryable(): boolean {
    return 'retryable' in failureKinds[this.code]
  }
}

export function isFailure(error: unknown, code?: FailureCode): error is Failure {
  return error instanceof Failure && (code === undefined || error.code === code)
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Node's `code` of a system error (`ENOENT`, `ECONNRESET`), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Throws the Failure that stands for "the user interrupted us". */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interruption(signal)
}

export function interruption(signal: AbortSignal): Failure {
  if (isFailure(signal.reason)) return signal.reason
  return new Failure('interrupted', 'interrupted', { cause: signal.reason })
}
