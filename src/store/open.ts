// A remote's address → a store with everything around it. Wrappers are stacked here and only here.

import type { Clock } from '../base/clock.ts'
import { throwIfAborted } from '../base/failure.ts'
import { describeRemote, type RemoteAddress } from '../model/remote.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { asOf } from './as-of.ts'
import { openDirectoryStore } from './directory/open-directory-store.ts'
import { readOnly } from './read-only.ts'
import { openS3Store } from './s3/open-s3-store.ts'
import type { Store } from './store.ts'
import { type StoreCounts, withCount } from './with-count.ts'
import { withLog } from './with-log.ts'
import { type RateLimits, withRateLimit } from './with-rate-limit.ts'
import { withRetry } from './with-retry.ts'
import { writeOnly } from './write-only.ts'

export interface OpenStoreOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  readonly limits?: RateLimits | undefined
  /** How long a call is tried again after its first failure; 0 for not at all. Default 15 minutes. */
  readonly retryDeadlineMs?: number | undefined
  /** Uniform in [0, 1); for the waits between attempts. */
  readonly random?: (() => number) | undefined
  /** Gets a debug line for each call. */
  readonly log?: ((line: string) => void) | undefined
  readonly readOnly?: boolean | undefined
  /** For reading, as it was then; of a store that keeps versions. */
  readonly asOf?: Date | undefined
  /** Puts, and no other call: the credentials allow nothing else. */
  readonly writeOnly?: boolean | undefined
  /** What a trial of the store found (ProbeReport). */
  readonly features?: { readonly createIfAbsent?: boolean | undefined } | undefined
  /** What is put will be locked: the threads that make objects then hash them as that needs. */
  readonly locks?: boolean | undefined
}

export interface OpenedStore {
  readonly store: Store
  /** Goes on counting: every attempt, also those that failed. */
  readonly counts: StoreCounts
}

const defaultRetryDeadlineMs = 15 * 60_000

/** As many as a home line or a disk can use; S3 has its own setting. */
const defaultConnections = 8

/**
 * From the outside in: reading only, retry, rate limit, log, count, the store itself. So every
 * attempt is limited, logged and counted.
 */
export async function openStore(
  remote: RemoteAddress,
  options: OpenStoreOptions,
): Promise<OpenedStore> {
  const { clock, limits, log } = options
  throwIfAborted(options.signal)
  const bare = await openBare(remote, options)
  const counted = withCount(options.writeOnly ? writeOnly(bare) : bare)
  const logged = log ? withLog(counted.store, { clock, log }) : counted.store
  const limited = limits ? withRateLimit(logged, limits, clock) : logged
  const connections = remote.kind === 's3' ? remote.connections : undefined
  const patient = withRetry(limited, {
    clock,
    random: options.random ?? Math.random,
    deadlineMs: options.retryDeadlineMs ?? defaultRetryDeadlineMs,
    limit: new AdaptiveLimit(connections ?? defaultConnections),
    writeOnly: options.writeOnly,
    log: log && (line => log(`${describeRemote(remote)}: ${line}`)),
  })
  const { counts } = counted
  if (options.asOf) return { store: asOf(patient, options.asOf), counts }
  return { store: options.readOnly ? readOnly(patient) : patient, counts }
}

async function openBare(
  remote: RemoteAddress,
  { features, locks, readOnly: isReadOnly, writeOnly: isWriteOnly }: OpenStoreOptions,
): Promise<Store> {
  if (remote.kind === 'directory') {
    return await openDirectoryStore({ ...remote, readOnly: isReadOnly })
  }
  const { createIfAbsent } = features ?? {}
  return await openS3Store({ ...remote, createIfAbsent, locks, writeOnly: isWriteOnly })
}
