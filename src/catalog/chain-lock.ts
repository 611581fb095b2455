// Locks of what is stored already: a backup can be restored only as long as everything that it is
// built on is there, so a chain is locked as long as its newest backup. Locks only grow.

import { mapInOrder } from '../base/concurrency.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { manifestKey, repositoryKey, signatureKey } from '../format/object-key.ts'
import type { Backup, Manifest } from '../model/backup.ts'
import type { Retention } from '../model/lock.ts'
import type { CallOptions, ObjectLock, VersionPlace } from '../store/store.ts'
import { namedObjects } from './commit.ts'
import type { LockMemory } from './lock-memory.ts'
import type { Repository } from './repository.ts'

export interface LockOrder {
  readonly retention: Retention
  readonly memory: LockMemory
  readonly now: Date
  readonly signal: AbortSignal
}

/** Objects locked at a time: it is the round trips that count. */
const locksAtOnce = 8

/**
 * Everything of each backup, and repository.json, is locked at least so long afterwards. Resolves
 * to the keys of objects that should be there and are not. Done again it asks for nothing.
 */
export async function lockBackups(
  repository: Repository,
  backups: readonly Backup[],
  order: LockOrder,
): Promise<string[]> {
  const { retention, memory, now } = order
  const missing: string[] = []
  const whole = [{ id: repositoryKey as string, groups: [[repositoryKey]] }]
  const parts = backups.map(({ manifest, manifestSha256 }) => ({
    id: manifestSha256 as string,
    groups: [...objectGroups(manifest), commitKeys(manifest)],
  }))
  for (const { id, groups } of [...whole, ...parts]) {
    if (memory.isLocked(id, retention)) continue
    const lacking: string[] = []
    for (const keys of groups) lacking.push(...(await lockKeys(repository, keys, order)))
    if (lacking.length === 0) await memory.remember(id, retention, now)
    missing.push(...lacking)
  }
  return missing
}

/** Segments and indexes that an earlier run stored, with an earlier lock. */
export async function lockObjects(
  repository: Repository,
  manifest: Manifest,
  order: LockOrder,
): Promise<void> {
  for (const keys of objectGroups(manifest)) await lockKeys(repository, keys, order)
}

export async function lockCommit(
  repository: Repository,
  manifest: Manifest,
  order: LockOrder,
): Promise<void> {
  await lockKeys(repository, commitKeys(manifest), order)
}

function objectGroups(manifest: Manifest): string[][] {
  const objects = [...namedObjects(manifest)]
  return (['segment', 'index'] as const).map(wanted =>
    objects.filter(({ role }) => role === wanted).map(({ key }) => key),
  )
}

function commitKeys({ series, seq }: Manifest): string[] {
  return [manifestKey(series, seq), signatureKey(series, seq)]
}

/** `keys` lie beside each other. All of their versions: which of them is ours, not all stores tell. */
async function lockKeys(
  { store }: Repository,
  keys: readonly string[],
  { retention, signal }: LockOrder,
): Promise<string[]> {
  const { lock } = store
  if (lock === undefined) throw new Failure('refused', 'cannot lock: the store has no locks')
  const versions = await versionsOf(lock, keys, { signal })
  const lockOne = async (place: VersionPlace) => lockVersion(lock, place, { retention, signal })
  for await (const _ of mapInOrder(versions, locksAtOnce, lockOne));
  const found = new Set(versions.map(({ key }) => key))
  return keys.filter(key => !found.has(key))
}

async function versionsOf(
  lock: ObjectLock,
  keys: readonly string[],
  options: CallOptions,
): Promise<VersionPlace[]> {
  const wanted = new Set(keys)
  try {
    const listed = await lock.versions(commonPrefix(keys), options)
    return listed.filter(({ key, isMarker }) => wanted.has(key) && !isMarker)
  } catch (error) {
    // Credentials that may not list lock what they know by name.
    if (!isFailure(error, 'store-refused')) throw error
    return keys.map(key => ({ key }))
  }
}

async function lockVersion(
  lock: ObjectLock,
  place: VersionPlace,
  { retention, signal }: Pick<LockOrder, 'retention' | 'signal'>,
): Promise<void> {
  const known = await lock.retention(place, { signal }).catch((error: unknown) => {
    // Write-only credentials may not ask; the store itself refuses to shorten a lock.
    if (isFailure(error, 'store-refused')) return undefined
    throw error
  })
  const wanted = known === undefined ? retention : stronger(known, retention)
  if (known && known.mode === wanted.mode && known.until >= wanted.until) return
  await lock.retain(place, wanted, { signal })
}

function stronger(a: Retention, b: Retention): Retention {
  const isCompliance = a.mode === 'compliance' || b.mode === 'compliance'
  return {
    mode: isCompliance ? 'compliance' : 'governance',
    until: a.until > b.until ? a.until : b.until,
  }
}

function commonPrefix(keys: readonly string[]): string {
  const [first = '', ...others] = keys
  let end = first.length
  for (const key of others) while (!key.startsWith(first.slice(0, end))) end -= 1
  return first.slice(0, end)
}
