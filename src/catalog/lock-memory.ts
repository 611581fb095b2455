// What this machine knows to be locked, and until when: it spares asking for each object of a chain
// whenever something is built on it. May be deleted at any time (L8): then everything is asked again.

import { join } from 'node:path'
import * as z from 'zod'
import { readTextIfPresent, writeFileAtomic } from '../base/atomic-file.ts'
import { repositoryIdField, timeField } from '../format/json-document.ts'
import type { RepositoryId } from '../model/ids.ts'
import type { Retention } from '../model/lock.ts'

const retentionField = z.strictObject({
  mode: z.enum(['governance', 'compliance']),
  until: timeField,
})
const memoryDocument = z.strictObject({
  repository: repositoryIdField,
  /** By the manifest's SHA-256, or by the key of what is no backup. */
  locks: z.record(z.string(), retentionField),
})

export class LockMemory {
  readonly #path: string
  readonly #repository: RepositoryId
  readonly #locks: Map<string, Retention>

  static async load(
    state: string,
    { remote, repository }: { readonly remote: string; readonly repository: RepositoryId },
  ): Promise<LockMemory> {
    const path = join(state, 'remotes', `${remote}.locks.json`)
    return new LockMemory(path, repository, await readLocks(path, repository))
  }

  private constructor(path: string, repository: RepositoryId, locks: Map<string, Retention>) {
    this.#path = path
    this.#repository = repository
    this.#locks = locks
  }

  isLocked(id: string, { mode, until }: Retention): boolean {
    const known = this.#locks.get(id)
    const isStrong = known?.mode === mode || known?.mode === 'compliance'
    return known !== undefined && isStrong && known.until >= until
  }

  /** Ids of what is locked by `now`, for certain. */
  lockedAt(now: Date): ReadonlySet<string> {
    return new Set([...this.#locks].filter(([, { until }]) => until > now).map(([id]) => id))
  }

  /** What is over by `now` is left out. */
  async remember(id: string, retention: Retention, now: Date): Promise<void> {
    this.#locks.set(id, retention)
    const locks = Object.fromEntries(
      [...this.#locks]
        .filter(([, { until }]) => until > now)
        .map(([key, { mode, until }]) => [key, { mode, until: until.toISOString() }]),
    )
    const document = { repository: this.#repository, locks }
    await writeFileAtomic(this.#path, `${JSON.stringify(document, null, 1)}\n`)
  }
}

async function readLocks(path: string, repository: RepositoryId): Promise<Map<string, Retention>> {
  const text = await readTextIfPresent(path)
  if (text === undefined) return new Map()
  try {
    const document = memoryDocument.parse(JSON.parse(text))
    return new Map(document.repository === repository ? Object.entries(document.locks) : [])
  } catch {
    return new Map()
  }
}
