// Object lock of a run: until when, and on what besides its own objects.

import { Failure } from '../../base/failure.ts'
import { formatDuration } from '../../base/units.ts'
import { chainOf } from '../../catalog/catalog.ts'
import { type LockOrder, lockBackups } from '../../catalog/chain-lock.ts'
import { LockMemory } from '../../catalog/lock-memory.ts'
import type { Config } from '../../config/config.ts'
import type { Backup } from '../../model/backup.ts'
import type { LockRule, Retention } from '../../model/lock.ts'
import type { Policy } from '../../model/policy.ts'
import type { Subvolume } from '../../model/subvolume.ts'
import { mostDoubtMs } from '../../plan/forget.ts'
import { lockFrom, lockUntil } from '../../plan/lock.ts'
import { snapshotMoment } from '../../plan/moments.ts'
import { type Context, nowOf } from '../shared/context.ts'
import type { OpenedRemote } from '../shared/remotes.ts'

export interface RunLock extends LockOrder {
  /** What the new backup is built on, full first. */
  readonly ancestors: readonly Backup[]
  readonly rule: LockRule
}

export interface LockedRun {
  readonly remote: OpenedRemote
  readonly snapshot: Subvolume
  readonly policy: Policy
  /** Of its epoch. */
  readonly backups: readonly Backup[]
  readonly series: readonly Backup[]
  readonly parent: Backup | undefined
}

/** Undefined without `lock:`. Failure 'refused' where a lock would not hold, or a clock is wrong. */
export async function lockOfRun(
  { context, config }: { readonly context: Context; readonly config: Config },
  { remote, snapshot, policy, backups, series, parent }: LockedRun,
): Promise<RunLock | undefined> {
  const { name, lock: rule } = remote.config
  if (rule === undefined) return undefined
  const { repository } = remote
  const { signal } = context
  const now = nowOf(context)
  await refuseUnlockable(context, remote)
  const made = snapshotMoment(snapshot)
  const at = { now, timeZone: config.timezone }
  const until = lockUntil(rule, { policy, made, backups }, at)
  return {
    retention: { mode: rule.mode, until },
    rule,
    memory: await LockMemory.load(config.state, { remote: name, repository: repository.id }),
    now,
    signal,
    ancestors: parent === undefined ? [] : chainOf(parent, series),
  }
}

/** What is put now. */
export function lockedNow(lock: RunLock, context: Context): RunLock {
  const now = nowOf(context)
  return { ...lock, retention: lockFrom(lock.retention, lock.rule, now), now }
}

export function retainNow(task: {
  readonly lock: RunLock | undefined
  readonly context: Context
}): Retention | undefined {
  return task.lock && lockedNow(task.lock, task.context).retention
}

/** Before the manifest's put: no backup is ever there whose ancestors may go before it. */
export async function lockAncestors(
  { emit }: Context,
  { repository }: OpenedRemote,
  lock: RunLock,
): Promise<void> {
  const missing = await lockBackups(repository, lock.ancestors, lock)
  const [first] = missing
  if (first === undefined) return
  emit({
    kind: 'warning',
    text: `${missing.length} objects that the new backup is built on are gone, the first is ${first}`,
    hint: 'run btrvault verify',
  })
}

/** By a clock that is ahead, everything would be locked for too long, and by one behind, for nothing. */
async function refuseUnlockable(
  { clock, signal }: Context,
  { config: { name }, repository: { store } }: OpenedRemote,
): Promise<void> {
  const why = store.lock ? await store.lock.whyNot({ signal }) : 'its store has no locks'
  if (why !== undefined) {
    throw new Failure('refused', `cannot back up to ${name} with a lock: ${why}`, {
      hint: `make the bucket anew with object lock, or take remotes.${name}.lock out of the configuration`,
    })
  }
  const storeMs = (await store.clock({ signal })) ?? clock.now()
  const doubtMs = Math.abs(storeMs - clock.now())
  if (doubtMs <= mostDoubtMs) return
  throw new Failure(
    'refused',
    `cannot back up to ${name} with a lock: this machine's clock and the store's differ by ${formatDuration(doubtMs)}`,
    { hint: 'set this machine’s clock; nothing was changed' },
  )
}
