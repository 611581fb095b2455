// Object lock: what is stored under a lock can't be deleted before its time, whoever asks.

/**
 * - governance: whoever has the right to lift locks can.
 * - compliance: nobody can, the owner of the account neither.
 */
export type LockMode = 'governance' | 'compliance'

export interface LockRule {
  readonly mode: LockMode
  /** `expiry`: until the keep rule may let the backup go at the earliest. */
  readonly until: 'expiry' | { readonly ms: number }
}

export interface Retention {
  readonly mode: LockMode
  readonly until: Date
}

/** No lock that this program makes lasts longer: a slip of the hand should not cost for ever. */
export const longestLockMs = 3653 * 86_400_000
