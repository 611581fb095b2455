// A verified stream into `btrfs receive`, guarded once more on the way, judged by what exists
// afterwards.

import { systemClock } from '../base/clock.ts'
import { Failure, isFailure, throwIfAborted } from '../base/failure.ts'
import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Backup, StreamFacts } from '../model/backup.ts'
import type { Sha256 } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { StreamWriter } from '../pack/stream-writer.ts'
import { StreamGuard } from '../stream/guard.ts'
import { StreamMender } from '../stream/mender.ts'
import type { SymlinkNames } from '../stream/symlink-names.ts'
import type { Tree } from '../stream/tree.ts'

export interface ReceiveTask {
  readonly btrfs: Btrfs
  /** Ours, private, on the target filesystem. */
  readonly staging: string
  readonly backup: Backup
  /** The parent's stream facts; null for a full backup. */
  readonly parent: StreamFacts | null
  /** Its pieces are taken over: their memory is given back as soon as they were received. */
  readonly stream: AsyncIterable<Uint8Array<ArrayBuffer>>
  /** Of the whole stream; undefined where `stream` throws in its place. */
  readonly sha256: Sha256 | undefined
  /** Symlinks that the chain has made so far; updated. */
  readonly symlinks: SymlinkNames
  /**
   * Put in what receive would lose; `tree` is the parent's, and is taken over. Undefined passes the
   * stream on as it is.
   */
  readonly mend: { readonly tree: Tree | undefined } | undefined
  readonly signal: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

export interface Received {
  readonly snapshot: Subvolume
  /** What it must look like; undefined when nothing was mended. */
  readonly tree: Tree | undefined
}

/** Rejects with 'corrupt' or 'receive-failed'; part of a subvolume may then lie in staging. */
export async function receiveStream(task: ReceiveTask): Promise<Received> {
  const giveUp = new AbortController()
  const signal = AbortSignal.any([task.signal, giveUp.signal])
  throwIfAborted(signal)
  const pipe = await StreamWriter.open({ hashed: task.sha256 !== undefined })
  try {
    const receive = task.btrfs.startReceive({ staging: task.staging, input: pipe.readFd, signal })
    pipe.consumerStarted()
    try {
      const tree = await feed(task, pipe)
      await receive.done
      return { snapshot: await judge(task), tree }
    } catch (error) {
      throw await receiversWord(error, receive.done)
    } finally {
      giveUp.abort()
      await receive.done.catch(() => {})
    }
  } finally {
    await pipe.close()
  }
}

/**
 * The stream, each piece only after the guard agreed to it, the last one only after the stream's
 * own hash was right: it holds END, without which receive never marks a subvolume as received.
 */
async function feed(task: ReceiveTask, pipe: StreamWriter): Promise<Tree | undefined> {
  const filter = filterFor(task)
  for await (const chunk of task.stream) {
    const { length } = chunk
    const pieces = filter.write(chunk)
    await pipe.write(chunk, pieces)
    task.onBytes?.(length)
  }
  const tree = filter.finish()
  if (await pipe.end(task.sha256)) return tree
  throw new Failure(
    'corrupt',
    `cannot use the stream of backup ${task.backup.manifest.seq}: its SHA-256 is not what the index says`,
  )
}

interface Filter {
  /** What to pass on of the chunk. */
  write(chunk: Uint8Array<ArrayBuffer>): readonly Uint8Array[]
  finish(): Tree | undefined
}

function filterFor(task: ReceiveTask): Filter {
  const { mend, symlinks } = task
  if (mend !== undefined) {
    return new StreamMender({ tree: mend.tree, expect: expectationOf(task), symlinks })
  }
  const guard = guardFor(task)
  return {
    write: chunk => {
      guard.write(chunk)
      return [chunk]
    },
    finish: () => {
      guard.finish()
      return undefined
    },
  }
}

/** Holds a stream to what its signed manifest says. */
export function guardFor(task: Pick<ReceiveTask, 'backup' | 'parent' | 'symlinks'>): StreamGuard {
  return new StreamGuard({ expect: expectationOf(task), symlinks: task.symlinks })
}

function expectationOf({ backup, parent }: Pick<ReceiveTask, 'backup' | 'parent'>) {
  const { uuid, ctransid } = backup.manifest.stream
  return { uuid, ctransid, parent }
}

/** Neither exit status nor existence proves anything: only these marks do. */
async function judge({ btrfs, staging, backup, signal }: ReceiveTask): Promise<Subvolume> {
  const { uuid, ctransid } = backup.manifest.stream
  const staged = await btrfs.listIn(staging, { signal })
  const received = staged.find(one => one.receivedUuid === uuid && one.sendTransid === ctransid)
  if (received?.readOnly) return received
  throw new Failure(
    'receive-failed',
    `cannot restore backup ${backup.manifest.seq}: btrfs receive said it was done, and is not`,
    { hint: 'see "dmesg"; nothing was left at the target' },
  )
}

/** When the pipe breaks, the receiver knows why: give it a moment to say so. */
async function receiversWord(error: unknown, done: Promise<void>): Promise<unknown> {
  if (!isFailure(error, 'failed')) return error
  const early = 'cannot go on: btrfs receive ended before its stream did'
  const word = done.then(
    () => new Failure('receive-failed', early, { cause: error }),
    (reason: unknown) => reason,
  )
  return await Promise.race([word, systemClock.sleep(2000).then(() => error)])
}
