// What commands return: plain data that a person's view, JSON and the page can all be made from.

import { Failure, type FailureCode, isFailure, systemCodeOf } from '../../base/failure.ts'

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

/** Like reportFailure, for looking around: what the system refuses is told as well. */
export function reportObstacle(error: unknown): FailureReport {
  const code = systemCodeOf(error)
  if (isFailure(error) || code === undefined) return reportFailure(error)
  const path = error instanceof Error && 'path' in error ? String(error.path) : 'a file'
  const isDenied = code === 'EACCES' || code === 'EPERM'
  const why = isDenied ? 'permission denied' : `the system says ${code}`
  const hint = isDenied ? 'run as root' : undefined
  return reportFailure(new Failure('failed', `cannot read ${path}: ${why}`, { hint }))
}

/**
 * The status of a command that tried several things: 0 when all went well, the failures' own when
 * nothing went well and all failed alike, else 3 (incomplete).
 */
export function combinedStatus(failures: readonly FailureReport[], successCount: number): number {
  const [first, ...others] = failures
  if (first === undefined) return 0
  const alike = others.every(other => other.exitStatus === first.exitStatus)
  return successCount === 0 && alike ? first.exitStatus : incompleteStatus
}

/** Some of it is done, or is well; not all. */
export const incompleteStatus = new Failure('incomplete', 'incomplete').exitStatus
