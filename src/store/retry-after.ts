// "Not before" as a server says it: it travels as a property of a Failure's cause.

import { isFailure } from '../base/failure.ts'

/** An Error to be used as a Failure's cause; `retryAfterMs` is the server's own wish. */
export function retryAfterCause(message: string, retryAfterMs: number | undefined): Error {
  return Object.assign(new Error(message), { retryAfterMs })
}

/** What the server asked us to wait, or undefined. */
export function retryAfterMsOf(error: unknown): number | undefined {
  if (!isFailure(error)) return undefined
  const { cause } = error
  if (!(cause instanceof Error) || !('retryAfterMs' in cause)) return undefined
  return typeof cause.retryAfterMs === 'number' ? cause.retryAfterMs : undefined
}
