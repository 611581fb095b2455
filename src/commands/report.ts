// What commands return: plain data that a person's view, JSON and the page can all be made from.

import { Failure, type FailureCode, isFailure } from '../base/failure.ts'

export interface FailureReport {
  readonly code: FailureCode
  readonly message: string
  readonly hint?: string
  readonly exitStatus: number
}

/** Failures only: what is thrown and is no Failure is a bug, and stays thrown. */
export function reportFailure(error: unknown): FailureReport {
  if (!isFailure(error)) throw error
  const { code, message, hint, exitStatus } = error
  return { code, message, exitStatus, ...(hint !== undefined && { hint }) }
}

/**
 * The status of a command that tried several things: 0 when all went well, the failures' own when
 * nothing went well and all failed alike, else 3 (incomplete).
 */
export function combinedStatus(failures: readonly FailureReport[], successCount: number): number {
  const [first, ...others] = failures
  if (first === undefined) return 0
  const alike = others.every(other => other.exitStatus === first.exitStatus)
  return successCount === 0 && alike ? first.exitStatus : incomplete.exitStatus
}

const incomplete = new Failure('incomplete', 'incomplete')
