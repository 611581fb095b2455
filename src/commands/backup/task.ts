// What one run needs to know, and what it reports.

import type { Budget } from '../../base/concurrency.ts'
import type { UnfinishedRun } from '../../catalog/journal.ts'
import type { Ledger } from '../../catalog/ledger.ts'
import type { SigningKey } from '../../catalog/signing.ts'
import type { Backup } from '../../model/backup.ts'
import type { EpochId, SeriesId, Sha256, SourceName } from '../../model/ids.ts'
import type { Subvolume } from '../../model/subvolume.ts'
import type { WorkerPool } from '../../pack/worker-pool.ts'
import type { Context } from '../shared/context.ts'
import type { OpenedRemote } from '../shared/remotes.ts'
import type { RunLock } from './lock.ts'

export interface RunTask {
  readonly context: Context
  readonly pool: WorkerPool
  readonly budget: Budget
  readonly remote: OpenedRemote
  readonly source: SourceName
  readonly sourcePath: string
  readonly series: SeriesId
  readonly seq: number
  /** Null: of none that has a name. */
  readonly epoch: { readonly id: EpochId; readonly name: string } | null
  /** Of segments; null: as the remote says. */
  readonly storageClass: string | null
  readonly previous: Sha256 | null
  /** Where nobody looks at the remote: it says what is there, and is told first. */
  readonly ledger: Ledger | undefined
  readonly snapshot: Subvolume
  /** What it is called in its stream, and when it is restored. */
  readonly name: string
  readonly parent: { readonly backup: Backup; readonly snapshot: Subvolume } | null
  readonly protocol: 1 | 2
  readonly versions: { readonly kernel: string; readonly progs: string }
  readonly signingKey: SigningKey
  readonly recipients: readonly string[]
  readonly journalPath: string
  /** Undefined: nothing is locked. */
  readonly lock: RunLock | undefined
  /** What an earlier run of the same backup has stored. */
  readonly unfinished: UnfinishedRun | undefined
  /** Decrypt, decompress and compare each object before it is uploaded. */
  readonly check: boolean
  /** Find out how much there is to send, for the time left; costs a walk over the extents. */
  readonly estimate: boolean
}

export interface RunOutcome {
  readonly backup: Backup
  readonly readBytes: number
  readonly storedBytes: number
  /** Raw bytes of segments that an earlier run had stored. */
  readonly resumedBytes: number
}
