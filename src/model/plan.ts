// A plan: what would be done and why, as plain data that can be printed, compared and sent.

import type { BackupKind } from './backup.ts'
import type { SourceName, Uuid } from './ids.ts'
import type { SpanUnit } from './policy.ts'

export interface Plan {
  readonly steps: readonly Step[]
  /** What stops a source altogether. Other sources go on. */
  readonly problems: readonly Problem[]
}

export type Step = SnapshotStep | SendStep | ReleaseStep | ForgetStep | PruneStep

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
  /** What it is called in the backup; absent for snapshots of ours, which keep their names. */
  readonly name?: string
  /** The backup that it would be a difference from, were that one's snapshot still here; adopted sources only. */
  readonly lost?: number
  /** In the order in which they would be tried; the last resort, a full, is not among them. */
  readonly parents: readonly ParentChoice[]
  readonly makes: BackupKind
  /** The first, or due by a rule; else a full is the last resort, and means that a parent was lost. */
  readonly wantsFull: boolean
  /** So many bytes of file data at most may be sent when it comes to a full that no rule asks for. */
  readonly fullLimitBytes: number
  readonly reason: 'first' | 'changed' | 'behind' | 'unfinished' | 'adopted'
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

/** A backup that the keep rule no longer keeps: it is hidden, and can be brought back until `notBefore`. */
export interface ForgetStep {
  readonly kind: 'forget'
  readonly source: SourceName
  readonly remote: string
  readonly seq: number
  readonly snapshotTime: Date
  readonly notBefore: Date
  readonly reason: 'not-kept'
  /** Why, by each part of the rule. */
  readonly drops: readonly DropReason[]
}

/** Why one part of a keep rule does not keep a backup; `epoch`: whose rule, where there are several. */
export type DropReason = Drop & { readonly epoch?: string }

type Drop =
  /** Made before the first of the `count` spans, which begins at `startMs`. */
  | {
      readonly kind: 'before'
      readonly unit: SpanUnit
      readonly count: number
      readonly startMs: number
    }
  /** In its span, backup `first` was made first. */
  | {
      readonly kind: 'not-first'
      readonly unit: SpanUnit
      readonly startMs: number
      readonly first: number
    }
  | { readonly kind: 'not-last'; readonly count: number }
  /** The rule keeps the newest and nothing else. */
  | { readonly kind: 'not-newest' }

/** A forgotten backup whose grace is over: its manifest goes, then its objects. */
export interface PruneStep {
  readonly kind: 'prune'
  readonly source: SourceName
  readonly remote: string
  readonly seq: number
  readonly hiddenAt: Date
  readonly notBefore: Date
  readonly reason: 'grace-over'
}

export interface Problem {
  readonly kind: 'nested' | 'received-source' | 'no-snapshots'
  readonly source: SourceName
  /** Names, for kind nested. */
  readonly names: readonly string[]
  /** For kind no-snapshots: those that were found and can't be used. */
  readonly skipped?: readonly SkippedSnapshot[]
}

/** A snapshot that somebody made, and that is not sent. */
export interface SkippedSnapshot {
  readonly path: string
  readonly reason: SkipReason
}

export type SkipReason =
  | 'no-subvolume'
  /** Its path is not UTF-8. */
  | 'name'
  | 'received'
  | 'other-source'
  | 'writable'
  /** Who makes it is still at it, or at deleting it. */
  | 'unfinished'
