// The end of a backup: forget and prune as planned, on every remote where the source has a keep rule
// and this machine may delete. The rule is the consent; what is forgotten comes back within its grace.
//
// Everything is decided again, from what is there when the sends are done, behind the guards of
// `forget` and `prune`. A run that has nothing to delete asks the store nothing.

import { isFailure, throwIfAborted } from '../../base/failure.ts'
import { loadCatalog } from '../../catalog/catalog.ts'
import type { SourceConfig } from '../../config/config.ts'
import { forgetNow, pruneOutlook } from '../../plan/deletions.ts'
import { planPrune } from '../../plan/prune.ts'
import type { SeriesRules } from '../../plan/situation.ts'
import { type ForgottenReport, reportForgotten } from '../forget.ts'
import { applyPrune, noDeeds, type PruneDeeds } from '../prune/apply.ts'
import { bury } from '../shared/bury.ts'
import { nowOf } from '../shared/context.ts'
import { readTombstoneKey, refuseProblems, undoubtedNow } from '../shared/deletion.ts'
import { type FailureReport, reportFailure } from '../shared/report.ts'
import { pruneTimes, storedSeriesOf } from '../shared/stored-runs.ts'
import { deletableViews } from './planned.ts'
import type { RemoteView } from './remote-view.ts'
import type { LookSession } from './send.ts'
import type { Situation } from './situation.ts'

/** What was forgotten and pruned of one source on one remote. */
export interface RemoteDeletions {
  readonly remote: string
  readonly forgotten: readonly ForgottenReport[]
  /** Not kept either, and left to later runs by max_delete. */
  readonly postponedCount: number
  /** From when on what was forgotten now may be pruned; null when nothing was. */
  readonly notBefore: Date | null
  readonly pruned: PruneDeeds
  /** What stopped it; the backup itself is not touched by it. */
  readonly failure: FailureReport | null
}

/** One for each remote on which there was something to do. */
export async function deleteAsPlanned(
  session: LookSession,
  source: SourceConfig,
  situation: Situation,
): Promise<RemoteDeletions[]> {
  const done: RemoteDeletions[] = []
  for (const [remote, view] of deletableViews(situation)) {
    throwIfAborted(session.context.signal)
    const series = situation.remotes.find(one => one.remote === remote)
    if (series === undefined) continue
    const deletion = new Deletion(session, { source, remote, view, series })
    try {
      if (!deletion.isIdle()) await deletion.run()
    } catch (error) {
      if (isFailure(error, 'interrupted')) throw error
      deletion.failed(error)
    }
    if (deletion.hasReport) done.push(deletion.report)
  }
  return done
}

interface Place {
  readonly source: SourceConfig
  readonly remote: string
  readonly view: RemoteView
  readonly series: SeriesRules
}

class Deletion {
  readonly #session: LookSession
  readonly #place: Place
  #report: RemoteDeletions

  constructor(session: LookSession, place: Place) {
    this.#session = session
    this.#place = place
    const nothing = { forgotten: [], postponedCount: 0, notBefore: null, pruned: noDeeds }
    this.#report = { remote: place.remote, ...nothing, failure: null }
  }

  get report(): RemoteDeletions {
    return this.#report
  }

  get hasReport(): boolean {
    const { forgotten, pruned, failure } = this.#report
    return failure !== null || forgotten.length + pruned.objectCount + pruned.deleted.length > 0
  }

  failed(error: unknown): void {
    this.#report = { ...this.#report, failure: reportFailure(error) }
  }

  /** By the catalog that is loaded already, and this machine's clock: costs no request. */
  isIdle(): boolean {
    const { view } = this.#place
    const { locked } = view.opened
    const now = nowOf(this.#session.context)
    const { forgotten } = this.#toForget(now)
    return (
      forgotten.length + pruneOutlook(view.backups, { ...view, locked }, now).removals.length === 0
    )
  }

  async run(): Promise<void> {
    const { view, source, remote } = this.#place
    const { context } = this.#session
    const what = `backups of ${source.name} on ${remote}`
    refuseProblems('forget', what, view.problems)
    const now = await undoubtedNow(context, view.opened.repository)
    await this.#forget(now)
    const isDueAtOnce = this.#report.forgotten.length > 0 && view.opened.config.graceMs === 0
    const { locked } = view.opened
    const { removals } = pruneOutlook(view.backups, { ...view, locked }, now)
    if (removals.length > 0 || isDueAtOnce) await this.#prune(now)
  }

  #toForget(now: Date) {
    const { view, series } = this.#place
    const at = { now, timeZone: this.#session.config.timezone }
    return forgetNow(series, view.opened.config.maxDelete, at)
  }

  async #forget(now: Date): Promise<void> {
    const { forgotten, postponed } = this.#toForget(now)
    if (forgotten.length === 0) return
    const { context, config, signers } = this.#session
    const { repository, config: remote } = this.#place.view.opened
    const key = await readTombstoneKey(config, signers)
    const notBefore = new Date(now.getTime() + remote.graceMs)
    const burial = { repository, backups: forgotten, createdAt: now, notBefore }
    const { doneCount, failure } = await bury(context, burial, key)
    this.#report = {
      ...this.#report,
      forgotten: forgotten.slice(0, doneCount).map(reportForgotten),
      postponedCount: postponed.length,
      notBefore: doneCount === 0 ? null : notBefore,
    }
    throwIfStopped(failure)
  }

  /** On what is read from the store just now; nothing is believed for having been read before. */
  async #prune(now: Date): Promise<void> {
    const { context, config, signers } = this.#session
    const { view, source, remote } = this.#place
    const { repository, cache, config: remoteConfig } = view.opened
    const { signal } = context
    const times = await pruneTimes(config, remoteConfig, now)
    const options = { signers, cache, reread: true, only: view.series, signal }
    const catalog = await loadCatalog(repository, options)
    const named = { series: view.series, source: source.name }
    const stored = await storedSeriesOf({ repository, catalog }, named, signal)
    refuseProblems('prune', `backups of ${source.name} on ${remote}`, stored.problems)
    const plan = planPrune({ ...stored, ...times })
    const { deeds, failure } = await applyPrune(context, {
      repository,
      stored,
      plan,
      locks: remoteConfig.lock !== undefined,
    })
    this.#report = { ...this.#report, pruned: deeds }
    throwIfStopped(failure)
  }
}

function throwIfStopped(failure: unknown): void {
  if (isFailure(failure)) throw failure
  if (failure !== undefined) throw new Error('what stopped it is no failure', { cause: failure })
}
