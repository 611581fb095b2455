// Whether object lock holds, found out by trying to remove a locked object: some servers take locks
// and keep none of them.

import { isFailure } from '../base/failure.ts'
import type { NewObject } from '../model/object.ts'
import type { ProbeOutcome } from '../model/probe.ts'
import type { ObjectLock, Store, VersionPlace } from './store.ts'

export interface LockTrial {
  readonly store: Store
  /** Of the trial, with a slash at its end. */
  readonly folder: string
  readonly nowMs: number
  readonly make: (text: string) => NewObject
  readonly signal: AbortSignal | undefined
}

interface Verdict {
  readonly outcome: ProbeOutcome
  readonly words: string
}

export interface LockVerdicts {
  readonly lock: Verdict
  /** Undefined where there is no lock to be lifted. */
  readonly lift?: Verdict
}

/** Long enough for the trial; what can't be removed before is removed by a later one. */
const trialLockMs = 30_000

/** Failures are the caller's to judge. */
export async function tryLock(trial: LockTrial): Promise<LockVerdicts> {
  const { store, folder, nowMs, make, signal } = trial
  const { lock } = store
  if (lock === undefined) return { lock: { outcome: 'missing', words: 'it has no locks' } }
  const why = await lock.whyNot({ signal })
  if (why !== undefined) return { lock: { outcome: 'missing', words: why } }
  const until = new Date(Math.ceil((nowMs + trialLockMs) / 1000) * 1000)
  const [locked, free] = [`${folder}locked`, `${folder}free`]
  const retain = { mode: 'governance', until } as const
  await store.put(locked, make('locked'), { signal, replace: true, retain })
  const place = await newestOf(lock, locked, signal)
  const found = await lock.retention(place, { signal })
  if (found === undefined || found.until.getTime() < until.getTime() - 1000) {
    return { lock: { outcome: 'broken', words: 'it took a lock, and does not have it' } }
  }
  await store.put(free, make('free'), { signal, replace: true })
  const freePlace = await newestOf(lock, free, signal)
  const isFreeLocked = (await lock.retention(freePlace, { signal })) !== undefined
  const mayRemove = !isFreeLocked && (await isRemoved(lock, freePlace, { signal }))
  if (await isRemoved(lock, place, { signal })) {
    return { lock: { outcome: 'broken', words: 'it deleted an object that was locked' } }
  }
  const mayLift = await isRemoved(lock, place, { signal, lift: true })
  const lift: Verdict = mayLift
    ? { outcome: 'missing', words: 'these credentials may lift locks of mode governance' }
    : { outcome: 'ok', words: 'these credentials can not lift a lock' }
  const words = mayRemove
    ? 'it refuses to delete what is locked'
    : `it has the lock; whether it holds could not be tried, for ${isFreeLocked ? 'the bucket locks everything' : 'these credentials may remove no version'}`
  return { lock: { outcome: mayRemove || isFreeLocked ? 'ok' : 'not-permitted', words }, lift }
}

/**
 * Every version of the trial, and what earlier trials had to leave. Resolves to keys of this
 * trial that are still locked.
 */
export async function removeTrialVersions({
  store,
  folder,
  nowMs,
}: Pick<LockTrial, 'store' | 'folder' | 'nowMs'>): Promise<string[]> {
  const { lock } = store
  if (lock === undefined || (await lock.whyNot()) !== undefined) return []
  const left = new Set<string>()
  for (const { key, version, modifiedAt } of await lock.versions('probe/')) {
    const isOurs = key.startsWith(folder)
    if (!isOurs && modifiedAt.getTime() > nowMs - forgottenTrialMs) continue
    if (!(await isRemoved(lock, { key, version }, {})) && isOurs) left.add(key)
  }
  return [...left]
}

/** Another machine's trial may be going on. */
const forgottenTrialMs = 10 * 60_000

async function newestOf(
  lock: ObjectLock,
  key: string,
  signal: AbortSignal | undefined,
): Promise<VersionPlace> {
  const [newest] = await lock.versions(key, { signal })
  return { key, version: newest?.version }
}

async function isRemoved(
  lock: ObjectLock,
  place: VersionPlace,
  options: { readonly signal?: AbortSignal | undefined; readonly lift?: boolean },
): Promise<boolean> {
  try {
    await lock.remove(place, options)
    return true
  } catch (error) {
    if (isFailure(error, 'store-refused')) return false
    throw error
  }
}
