// A verified stream into `btrfs receive`, guarded once more on the way, judged by what exists
// afterwards.

import type { Writable } from 'node:stream'
import { releaseBytes } from '../base/bytes.ts'
import { Failure, interruption } from '../base/failure.ts'
import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Backup, StreamFacts } from '../model/backup.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { StreamGuard } from '../stream/guard.ts'
import type { StreamMender } from '../stream/mender.ts'
import type { SymlinkNames } from '../stream/symlink-names.ts'

export interface ReceiveTask {
  readonly btrfs: Btrfs
  /** Ours, private, on the target filesystem. */
  readonly staging: string
  readonly backup: Backup
  /** The parent's stream facts; null for a full backup. */
  readonly parent: StreamFacts | null
  /** Its pieces are taken over: their memory is given back as soon as they were received. */
  readonly stream: AsyncIterable<Uint8Array<ArrayBuffer>>
  /** Symlinks that the chain has made so far; updated. */
  readonly symlinks: SymlinkNames
  /** Puts in what receive would lose; undefined passes the stream on as it is. */
  readonly mender: StreamMender | undefined
  readonly signal: AbortSignal
  readonly onBytes?: (bytes: number) => void
}

/** Rejects with 'corrupt' or 'receive-failed'; part of a subvolume may then lie in staging. */
export async function receiveStream(task: ReceiveTask): Promise<Subvolume> {
  const giveUp = new AbortController()
  const signal = AbortSignal.any([task.signal, giveUp.signal])
  const receive = task.btrfs.startReceive({ staging: task.staging, signal })
  const pipe = new Feeder(receive.stdin, receive.done, signal)
  try {
    for await (const piece of guarded(task)) await pipe.write(piece)
    await pipe.end()
    await receive.done
  } catch (error) {
    giveUp.abort(error)
    await receive.done.catch(() => {})
    throw error
  }
  return await judge(task)
}

/** Bytes guarded and mended in one go: about as many as wait in a pipe, so that receive never waits for us. */
const sliceBytes = 128 * 1024

interface Piece {
  readonly bytes: Uint8Array
  /** With the last piece of a chunk: memory that nobody needs once it was written. */
  readonly spent: Uint8Array | undefined
}

/**
 * The stream, each slice only after the guard agreed to it, the last one only after the stream's
 * own hash was right: it holds END, without which receive never marks a subvolume as received.
 */
async function* guarded(task: ReceiveTask): AsyncGenerator<Piece> {
  const guard = guardFor(task)
  let held: readonly Piece[] = []
  for await (const chunk of task.stream) {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      const bytes = chunk.subarray(at, at + sliceBytes)
      guard.write(bytes)
      yield* held
      const spent = at + sliceBytes >= chunk.length ? chunk : undefined
      held = pieces(task.mender?.write(bytes) ?? [bytes], spent)
    }
    task.onBytes?.(chunk.length)
  }
  guard.finish()
  yield* held
}

function pieces(parts: readonly Uint8Array[], spent: Uint8Array | undefined): Piece[] {
  return parts.map((bytes, n) => ({ bytes, spent: n === parts.length - 1 ? spent : undefined }))
}

/** Holds a stream to what its signed manifest says. */
export function guardFor({
  backup,
  parent,
  symlinks,
}: Pick<ReceiveTask, 'backup' | 'parent' | 'symlinks'>): StreamGuard {
  const { uuid, ctransid } = backup.manifest.stream
  return new StreamGuard({ expect: { uuid, ctransid, parent }, symlinks })
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

/**
 * Writes with back-pressure, one piece ahead: the next one is guarded while receive still reads.
 * A receiver that died fails the write instead of hanging it.
 */
class Feeder {
  readonly #pipe: Writable
  readonly #ended: Promise<never>
  readonly #signal: AbortSignal
  #lastWritten: Promise<void> = Promise.resolve()

  constructor(pipe: Writable, done: Promise<void>, signal: AbortSignal) {
    this.#pipe = pipe
    this.#signal = signal
    // Its errors are EPIPE and the like; the receiver's own word says more.
    pipe.on('error', () => {})
    this.#ended = done.then(() => {
      throw new Failure('receive-failed', 'cannot go on: btrfs receive ended before its stream did')
    })
    this.#ended.catch(() => {})
  }

  async write({ bytes, spent }: Piece): Promise<void> {
    if (this.#signal.aborted) throw interruption(this.#signal)
    const before = this.#lastWritten
    this.#lastWritten = new Promise<void>(resolve => {
      this.#pipe.write(bytes, error => {
        if (error) return
        // Waiting for the garbage collector costs memory, and work of its own.
        if (spent !== undefined) releaseBytes(spent)
        resolve()
      })
    })
    await Promise.race([before, this.#ended])
  }

  async end(): Promise<void> {
    const ended = new Promise<void>(resolve => this.#pipe.end(() => resolve()))
    await Promise.race([ended, this.#ended.catch(() => {})])
  }
}
