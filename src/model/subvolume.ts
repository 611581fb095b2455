// What btrfs knows of a subvolume. `sourceUuid` is what btrfs calls Parent UUID: the subvolume
// that a snapshot was taken of. `parent` always means what a send stream is a difference from.

import type { Uuid } from './ids.ts'

export interface Subvolume {
  /** Absolute, as it was asked for. */
  readonly path: string
  readonly id: number
  /** For people only: bytes that are not UTF-8 are shown as U+FFFD. */
  readonly name: string
  readonly uuid: Uuid
  readonly sourceUuid: Uuid | null
  /**
   * Set on what `btrfs receive` made and on read-only snapshots of it. A writable subvolume has it
   * only when its read-only flag was taken away (btrfs-progs before 5.14.2, or still allowed by
   * the kernel): then its snapshots are sent under the uuid of somebody else's, and the streams
   * built on them are wrong without an error.
   */
  readonly receivedUuid: Uuid | null
  /** Of the last committed change; data in memory is not counted before a sync. */
  readonly generation: number
  readonly creationGeneration: number
  /** `ctransid` of the sent snapshot; 0 when the subvolume was not received. */
  readonly sendTransid: number
  readonly receiveTransid: number
  readonly readOnly: boolean
  /** Whole seconds. */
  readonly createdAt: Date
}

/** A subvolume strictly below another; a snapshot of the upper one holds nothing of it. */
export interface NestedSubvolume {
  readonly id: number
  readonly uuid: Uuid
  /** Relative to the upper subvolume; bytes that are not UTF-8 are shown as U+FFFD. */
  readonly path: string
}

/** What stands for a sent snapshot on a filesystem that a stream built on it is to be received on. */
export interface ReceivedMatches {
  /** Read-only and reachable through the mount that was asked about; oldest first. */
  readonly usable: readonly Subvolume[]
  /**
   * Ids of others with the same identity: writable, or outside what is mounted there. `btrfs
   * receive` takes the first that the filesystem knows of, so one of these can make it fail, or
   * build on altered files.
   */
  readonly inTheWay: readonly number[]
}
