// A tombstone: says that a backup is forgotten, and from when on its objects may go.

import type { RepositoryId, RunId, SeriesId, Sha256 } from './ids.ts'

export interface Tombstone {
  readonly repository: RepositoryId
  readonly series: SeriesId
  readonly seq: number
  /** Of the backup: its objects are found by it when the manifest is gone. */
  readonly run: RunId
  /** SHA-256 of the manifest that it speaks of. */
  readonly manifest: Sha256
  readonly createdAt: Date
  /** Until then nothing of the backup may be deleted. */
  readonly notBefore: Date
  /** `btrvault 0.1.0`. */
  readonly program: string
}
