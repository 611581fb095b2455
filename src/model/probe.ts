// What a trial of a store found, as plain data: kept in the state and shown by doctor.

export interface ProbeReport {
  /** When the trial was made, milliseconds since 1970. */
  readonly at: number
  readonly address: string
  readonly checks: readonly ProbeCheck[]
  /** The store's clock minus ours; undefined when it has none of its own or did not say. */
  readonly clockSkewMs?: number | undefined
  /** The store itself refused to create what exists, also in a race: what to open it with later. */
  readonly createIfAbsent: boolean
  /** Keys of the trial that could not be removed. */
  readonly left: readonly string[]
}

export interface ProbeCheck {
  readonly name: ProbeCheckName
  readonly outcome: ProbeOutcome
  /** One sentence for people, lower case, no full stop. */
  readonly words: string
}

export type ProbeCheckName =
  | 'put'
  | 'create-if-absent'
  | 'create-if-absent in a race'
  | 'read'
  | 'ranges'
  | 'list after write'
  | 'overwrite'
  | 'delete'
  | 'delete beyond the trial'
  | 'clock'
  /** Only where a lock is wanted. */
  | 'object lock'
  /** Whether these credentials may take a lock away. */
  | 'lift object lock'

/**
 * - ok: does what it should.
 * - not-permitted: the credentials do not allow it, which may be meant (write-only, no delete).
 * - missing: the store cannot do it, and the program has another way.
 * - broken: it answered, and wrongly; data would be at risk.
 * - failed: it could not be tried now (unreachable, an earlier check failed).
 */
export type ProbeOutcome = 'ok' | 'not-permitted' | 'missing' | 'broken' | 'failed'
