// A plan of prune, carried out on one series. Cut anywhere, what is left is whole or finished by the
// next run: a backup is gone with its manifest, and its tombstone tells where its objects lie.

import { Failure, isFailure, throwIfAborted } from '../../base/failure.ts'
import { type Eraser, openEraser } from '../../catalog/erase.ts'
import type { Repository } from '../../catalog/repository.ts'
import { removeTombstone } from '../../catalog/tombstones.ts'
import {
  manifestKey,
  manifestPrefix,
  parseManifestKey,
  signatureKey,
  tombstoneKey,
} from '../../format/object-key.ts'
import type { PrunePlan, Removal } from '../../plan/prune.ts'
import { type Context, nowOf } from '../shared/context.ts'
import type { StoredSeries } from '../shared/stored-runs.ts'
import { type LockedDeeds, nothingLocked, withoutLocked } from './locks.ts'

export interface PruneDeeds extends LockedDeeds {
  /** Ids of forgotten backups, newest first. */
  readonly deleted: readonly number[]
  /** Ids of forgotten backups that are shown again, as one that stays needs them. */
  readonly revived: readonly number[]
  /** Segments and indexes of forgotten backups, also of those that an earlier run began to delete. */
  readonly objectCount: number
  readonly bytes: number
  /** Segments and indexes that nothing named. */
  readonly orphanCount: number
  readonly orphanBytes: number
  /** Tombstones of backups that are long gone. */
  readonly retiredCount: number
}

export const noDeeds: PruneDeeds = {
  deleted: [],
  revived: [],
  objectCount: 0,
  bytes: 0,
  orphanCount: 0,
  orphanBytes: 0,
  retiredCount: 0,
  ...nothingLocked,
}

interface Order {
  readonly repository: Repository
  readonly stored: StoredSeries
  readonly plan: PrunePlan
  /** The configuration says that objects are locked there. */
  readonly locks?: boolean
}

/** What was done, also when it did not come to its end. */
export async function applyPrune(
  context: Context,
  order: Order,
): Promise<{ deeds: PruneDeeds; failure: unknown }> {
  const pruning = new Pruning(context, order)
  try {
    await pruning.run()
    return { deeds: pruning.deeds, failure: undefined }
  } catch (failure) {
    return { deeds: pruning.deeds, failure }
  }
}

function undeleted(seq: number): Failure {
  return changed(`backup ${seq} was undeleted`)
}

function committed(seq: number): Failure {
  return changed(`backup ${seq} was committed`)
}

function changed(what: string): Failure {
  return new Failure('refused', `cannot go on pruning: ${what} meanwhile`, {
    hint: 'run prune again: it then decides with what is there now',
  })
}

class Pruning {
  readonly #signal: AbortSignal
  readonly #order: Order
  readonly #deleted: number[] = []
  readonly #revived: number[] = []
  readonly #removed = { objectCount: 0, bytes: 0 }
  readonly #orphans = { orphanCount: 0, orphanBytes: 0 }
  readonly #now: Date
  #retiredCount = 0
  #locked = nothingLocked

  constructor(context: Context, order: Order) {
    this.#signal = context.signal
    this.#now = nowOf(context)
    this.#order = order
  }

  get deeds(): PruneDeeds {
    return {
      deleted: this.#deleted,
      revived: this.#revived,
      ...this.#removed,
      ...this.#orphans,
      retiredCount: this.#retiredCount,
      ...this.#locked,
    }
  }

  async run(): Promise<void> {
    const { repository, stored, locks = false } = this.#order
    const opening = { signal: this.#signal, expectsLocks: locks }
    const eraser = await openEraser(repository.store, opening)
    const times = { eraser, now: this.#now }
    const { plan, locked } = await withoutLocked(this.#order.plan, stored, times)
    this.#locked = locked
    for (const tombstone of plan.revived) {
      await removeTombstone(repository, tombstone, this.#signal)
      this.#revived.push(tombstone.seq)
    }
    if (plan.removals.length > 0) await this.#refuseNews()
    for (const removal of plan.removals) {
      throwIfAborted(this.#signal)
      await this.#remove(removal, eraser)
    }
    for (const { seq } of plan.retired) {
      await removeTombstone(repository, { series: stored.series, seq }, this.#signal)
      this.#retiredCount += 1
    }
    if (plan.orphans.length === 0) return
    await this.#refuseNews()
    for await (const { bytes } of eraser.removeAll(plan.orphans)) {
      this.#orphans.orphanCount += 1
      this.#orphans.orphanBytes += bytes
    }
  }

  /** L4: manifest first, then its signature; then what nothing names any more. */
  async #remove({ tombstone, objects, hasManifest }: Removal, eraser: Eraser): Promise<void> {
    const { series, seq } = tombstone
    if (hasManifest) {
      // Undeleted since it was read: the backup stays, whole, and its ancestors are shown again.
      if (!(await this.#isThere(tombstoneKey(series, seq)))) throw undeleted(seq)
      await eraser.remove(manifestKey(series, seq))
      this.#deleted.push(seq)
    } else {
      await eraser.removeRest(manifestKey(series, seq))
    }
    // Also by a later run: the earlier one may have been cut before it.
    await eraser.remove(signatureKey(series, seq))
    for await (const { bytes } of eraser.removeAll(objects)) {
      this.#removed.objectCount += 1
      this.#removed.bytes += bytes
    }
  }

  /**
   * A backup that was committed, or brought back, since all was read may need what is to go. One
   * more look, as close to the deletion as can be; the next run decides anew.
   */
  async #refuseNews(): Promise<void> {
    const { repository, stored } = this.#order
    const known = new Set([
      ...stored.live.map(({ manifest }) => manifest.seq),
      ...stored.hidden.map(({ backup }) => backup.manifest.seq),
    ])
    const prefix = `${manifestPrefix}${stored.series}/`
    for await (const { key } of repository.store.list(prefix, { signal: this.#signal })) {
      const place = parseManifestKey(key)
      if (place?.part === 'manifest' && !known.has(place.seq)) throw committed(place.seq)
    }
  }

  async #isThere(key: string): Promise<boolean> {
    try {
      await this.#order.repository.store.size(key, { signal: this.#signal })
      return true
    } catch (error) {
      if (isFailure(error, 'object-missing')) return false
      throw error
    }
  }
}
