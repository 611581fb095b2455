// How much a send would carry, before it happens: as planned, and if it came to the next older parent
// or to a full, because a parent is lost.

import { isFailure } from '../../base/failure.ts'
import { loadJournal } from '../../catalog/journal.ts'
import { journalPath } from '../../catalog/local-state.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { ParentChoice, SendStep } from '../../model/plan.ts'
import type { LookSession } from '../backup/send.ts'
import type { Situation } from '../backup/situation.ts'

export interface SendEstimate {
  /**
   * File data that the stream would carry, before compression: what was written since the parent,
   * or all of it. Names and metadata come on top; moved and reflinked data may take less.
   */
  readonly dataBytes: number
  /** Raw stream bytes that an interrupted run has stored already. */
  readonly storedBytes: number
  /** What it comes to when the parent is lost before: from the next older one, and in full. */
  readonly instead: readonly InsteadEstimate[]
}

export interface InsteadEstimate {
  /** Id of the backup that it would be a difference from; null: full. */
  readonly parent: number | null
  /** Null when it takes too long to find out. */
  readonly dataBytes: number | null
}

export interface EstimatePlace {
  readonly source: SourceConfig
  readonly situation: Situation
  readonly step: SendStep
}

/** A walk over all extents of millions of files is not worth waiting for. */
const insteadPatienceMs = 10_000

/** Asks the filesystem for each thing once, though several remotes want to know. */
export class Estimates {
  readonly #session: LookSession
  readonly #asked = new Map<string, Promise<number>>()

  constructor(session: LookSession) {
    this.#session = session
  }

  /** Null when it could not be found out. */
  async of({ source, situation, step }: EstimatePlace): Promise<SendEstimate | null> {
    const { snapshots, subvolume } = situation
    // The snapshot that is yet to be made will be what the source is now.
    const isNew = step.snapshot === null
    const sent = isNew ? subvolume : snapshots.find(({ uuid }) => uuid === step.snapshot)
    const since = sinceOf(situation, step.parents[0])
    if (sent === undefined || since === undefined) return null
    const { signal } = this.#session.context
    const dataBytes = await this.#written({ path: sent.path, since, signal })
    const storedBytes = isNew ? 0 : await this.#storedBytes(source, step)
    return { dataBytes, storedBytes, instead: await this.#instead(sent.path, situation, step) }
  }

  async #instead(
    path: string,
    situation: Situation,
    { parents }: SendStep,
  ): Promise<InsteadEstimate[]> {
    if (parents.length === 0) return []
    const found: InsteadEstimate[] = []
    for (const parent of [...parents.slice(1, 2), undefined]) {
      const since = sinceOf(situation, parent)
      const { signal } = this.#session.context
      const patience = AbortSignal.any([signal, AbortSignal.timeout(insteadPatienceMs)])
      const asked = since === undefined ? null : this.#written({ path, since, signal: patience })
      const dataBytes = await asked?.catch((error: unknown) => {
        if (!isFailure(error) || signal.aborted) throw error
        return null
      })
      found.push({ parent: parent?.seq ?? null, dataBytes: dataBytes ?? null })
    }
    return found
  }

  async #storedBytes({ name }: SourceConfig, step: SendStep): Promise<number> {
    const path = journalPath(this.#session.config.state, name, step.remote)
    const unfinished = await loadJournal(path)
    if (unfinished?.run.snapshot !== step.snapshot) return 0
    return [...unfinished.segments.values()].reduce((sum, { raw }) => sum + raw, 0)
  }

  async #written({ path, since, signal }: Question): Promise<number> {
    const key = `${since} ${path}`
    const known = this.#asked.get(key)
    if (known !== undefined) return await known
    const asking = this.#session.context.btrfs.writtenSince(path, since, { signal })
    this.#asked.set(key, asking)
    // Somebody with more patience asks again.
    asking.catch(() => this.#asked.delete(key))
    return await asking
  }
}

interface Question {
  readonly path: string
  readonly since: number
  readonly signal: AbortSignal
}

/** 0 for a full; undefined when the parent is not here: only a send of the same run makes it. */
function sinceOf({ snapshots }: Situation, parent: ParentChoice | undefined): number | undefined {
  if (parent === undefined) return 0
  const here = snapshots.find(({ uuid }) => uuid === parent.snapshot)
  return here && here.creationGeneration + 1
}
