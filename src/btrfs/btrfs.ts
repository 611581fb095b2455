// All that commands can do with btrfs, as one thing of the Context, so that a test can hand in a
// btrfs that fails.

import type { Uuid } from '../model/ids.ts'
import type { NestedSubvolume, ReceivedMatches, Subvolume } from '../model/subvolume.ts'
import {
  type BtrfsVersions,
  type Filesystem,
  filesystemOf,
  syncFilesystem,
  versions,
} from './filesystem.ts'
import { findReceived, nestedSubvolumes } from './list.ts'
import { listMatching, type MatchedFolder } from './matching.ts'
import { type ReceiveCall, type RunningReceive, startReceive } from './receive.ts'
import type { BtrfsOptions } from './run.ts'
import { type RunningSend, type SendCall, startSend } from './send.ts'
import { deleteSnapshot, makeSnapshot } from './snapshot.ts'
import { discardStaged, makeStaging, makeWritableCopy, removeStaging } from './staging.ts'
import { findSubvolume, listSubvolumesIn, showSubvolume } from './subvolume.ts'
import { writtenSince } from './written-since.ts'

export interface Btrfs {
  /** The subvolume whose root directory is at `path`; Failure 'btrfs-failed' when there is none. */
  show(path: string, options?: BtrfsOptions): Promise<Subvolume>
  /** Undefined only when nothing exists at `path`. */
  find(path: string, options?: BtrfsOptions): Promise<Subvolume | undefined>
  /** The subvolumes directly in a folder, by name; one short program each. */
  listIn(folder: string, options?: BtrfsOptions): Promise<readonly Subvolume[]>
  /** The folders that a pattern stands for (model/snapshot-pattern.ts), by path, subvolumes or not. */
  listMatching(pattern: string, options?: BtrfsOptions): Promise<readonly MatchedFolder[]>
  /** What a snapshot of the subvolume at `path` leaves out. */
  nested(path: string, options?: BtrfsOptions): Promise<readonly NestedSubvolume[]>
  /** What stands for the sent snapshot `uuid` on the filesystem that holds `anyPath`. */
  findReceived(anyPath: string, uuid: Uuid, options?: BtrfsOptions): Promise<ReceivedMatches>
  /** Read-only; `destination` must not exist. */
  snapshot(source: string, destination: string, options?: BtrfsOptions): Promise<Subvolume>
  /** Only if it is read-only and has this uuid (L11). False when nothing is there. */
  deleteSnapshot(path: string, expected: Uuid, options?: BtrfsOptions): Promise<boolean>
  /** Commits what is in memory, so that `generation` tells of every change until now. */
  sync(path: string, options?: BtrfsOptions): Promise<void>
  /** Makes a private directory for receiving. */
  makeStaging(path: string): Promise<void>
  /** Deletes a staging directory of ours with all subvolumes in it. */
  removeStaging(path: string): Promise<void>
  /** Deletes one subvolume of a staging directory of ours. */
  discardStaged(staged: Pick<Subvolume, 'path'>): Promise<void>
  /** `destination` must not exist. */
  writableCopy(snapshot: string, destination: string): Promise<void>
  /** File data that was written in generation `since` or later; about what a send carries. */
  writtenSince(path: string, since: number, options?: BtrfsOptions): Promise<number>
  startSend(call: SendCall): RunningSend
  startReceive(call: ReceiveCall): RunningReceive
  filesystemOf(path: string): Promise<Filesystem>
  versions(options?: BtrfsOptions): Promise<BtrfsVersions>
}

export const systemBtrfs: Btrfs = {
  show: showSubvolume,
  find: findSubvolume,
  listIn: listSubvolumesIn,
  listMatching,
  nested: nestedSubvolumes,
  findReceived,
  snapshot: makeSnapshot,
  deleteSnapshot,
  sync: syncFilesystem,
  makeStaging,
  removeStaging,
  discardStaged,
  writableCopy: makeWritableCopy,
  writtenSince,
  startSend,
  startReceive,
  filesystemOf,
  versions,
}
