// A plan: what would be done and why, as plain data that can be printed, compared and sent.

import type { BackupKind } from './backup.ts'
import type { SourceName, Uuid } from './ids.ts'

export interface Plan {
  readonly steps: readonly Step[]
  /** What stops a source altogether. Other sources go on. */
  readonly problems: readonly Problem[]
}

export type Step = SnapshotStep | SendStep | ReleaseStep

export interface SnapshotStep {
  readonly kind: 'snapshot'
  readonly source: SourceName
  readonly name: string
  readonly reason: 'first' | 'changed'
}

export interface SendStep {
  readonly kind: 'send'
  readonly source: SourceName
  readonly remote: string
  /** Name of the epoch that the backup will be of; absent: of none that has a name. */
  readonly epoch?: string
  /** Null: the one that the snapshot step before makes. */
  readonly snapshot: Uuid | null
  /** In the order in which they would be tried; the last resort, a full, is not among them. */
  readonly parents: readonly ParentChoice[]
  readonly makes: BackupKind
  /** The first, or due by a rule; else a full is the last resort, and means that a parent was lost. */
  readonly wantsFull: boolean
  /** So many bytes of file data at most may be sent when it comes to a full that no rule asks for. */
  readonly fullLimitBytes: number
  readonly reason: 'first' | 'changed' | 'behind' | 'unfinished'
}

export interface ParentChoice {
  readonly seq: number
  readonly snapshot: Uuid
}

/** A snapshot of ours that no later send needs: it is deleted. */
export interface ReleaseStep {
  readonly kind: 'release'
  readonly source: SourceName
  readonly snapshot: Uuid
  readonly path: string
  readonly reason: 'superseded'
}

export interface Problem {
  readonly kind: 'nested' | 'received-source'
  readonly source: SourceName
  /** Names, for kind nested. */
  readonly names: readonly string[]
}
