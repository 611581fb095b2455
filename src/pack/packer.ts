// Raw bytes in, sealed objects out: cuts frames into objects, and bounds what is in memory.

import { releaseBytes } from '../base/bytes.ts'
import { Budget, TaskGroup } from '../base/concurrency.ts'
import { throwIfAborted } from '../base/failure.ts'
import type { Compression } from '../model/backup.ts'
import type { NewObject, ObjectHash } from '../model/object.ts'
import type { PackedFrame } from './frame.ts'
import type { WorkerPool } from './worker-pool.ts'

export interface PackOptions {
  readonly pool: WorkerPool
  /** Bytes in memory, over all packers that share it. */
  readonly budget: Budget
  readonly segmentSize: number
  readonly compress: Compression
  readonly level: number
  /** Null leaves objects in the clear. */
  readonly recipients: readonly string[] | null
  readonly hashes: readonly ObjectHash[]
  /** Open each object again before it leaves. */
  readonly check: boolean
  /** Takes back the memory of frames that were given to add(); else it is freed. */
  readonly onSpent?: (raw: Uint8Array<ArrayBuffer>) => void
  readonly signal?: AbortSignal
}

export interface ObjectMaker {
  /** The lead frame of object `n`, whose first raw byte stands at `offset`. */
  lead(n: number, offset: number): Uint8Array<ArrayBuffer>
  /** Stores it. Several may run at once; the bytes are given back to the system afterwards. */
  store(object: PackedObject, signal: AbortSignal): Promise<void>
}

export interface PackedObject {
  readonly n: number
  readonly offset: number
  readonly rawBytes: number
  readonly object: NewObject
  readonly headerBytes: number
  readonly leadBytes: number
  readonly fileKey: Uint8Array<ArrayBuffer> | null
  /** Stored bytes of each frame, before encryption. */
  readonly frames: readonly number[]
}

/**
 * What a budget must at least hold for objects of this size: a segment and an index in the making
 * must both fit. It is also the most: with two segments of bytes that do not compress, one being
 * filled while the other is stored, this is what the promised memory leaves room for.
 */
export function packBudgetBytes(segmentSize: number): number {
  return segmentSize * 2
}

interface OpenObject {
  readonly n: number
  readonly offset: number
  readonly frames: Promise<PackedFrame>[]
  rawBytes: number
  /** Of the budget: what is held for this object. */
  heldBytes: number
}

export class Packer {
  readonly #options: PackOptions
  readonly #maker: ObjectMaker
  readonly #tasks: TaskGroup
  readonly #compressing: Budget
  #open: OpenObject | undefined
  #next = { n: 0, offset: 0 }

  constructor(options: PackOptions, maker: ObjectMaker) {
    this.#options = options
    this.#maker = maker
    this.#tasks = new TaskGroup(options.signal)
    this.#compressing = new Budget(options.pool.threadCount * 2)
  }

  /** Takes the buffer over. Frames must be whole but for the last of an object. */
  async add(raw: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#tasks.check()
    await this.#takeRoom(raw.length)
    this.#open ??= { ...this.#next, frames: [], rawBytes: 0, heldBytes: 0 }
    const object = this.#open
    object.rawBytes += raw.length
    object.heldBytes += raw.length
    const frame = this.#compress(object, raw)
    frame.catch(() => {})
    object.frames.push(frame)
    if (object.rawBytes === this.#options.segmentSize) this.#seal(object)
    if (object.rawBytes > this.#options.segmentSize) throw new Error('a frame crosses a segment')
  }

  /** Counts an object that is stored already. Only between objects. */
  skip(rawBytes: number): void {
    if (this.#open !== undefined) throw new Error('an object is open')
    this.#next = { n: this.#next.n + 1, offset: this.#next.offset + rawBytes }
  }

  /** Seals what is left and waits until everything is stored. */
  async finish(): Promise<void> {
    if (this.#open !== undefined) this.#seal(this.#open)
    await this.#tasks.finish()
  }

  /** Ends what is under way, and gives back what it held of the budget; never throws. */
  async stop(reason: unknown): Promise<void> {
    await this.#tasks.stop(reason)
    const open = this.#open
    this.#open = undefined
    if (open !== undefined) await this.#giveBack(open)
  }

  /** The budget outlives this packer: what it does not use must not stay taken. */
  async #takeRoom(bytes: number): Promise<void> {
    const { budget } = this.#options
    await budget.take(bytes, this.#tasks.signal)
    try {
      await this.#compressing.take(1, this.#tasks.signal)
    } catch (error) {
      budget.give(bytes)
      throw error
    }
  }

  async #giveBack(object: OpenObject): Promise<void> {
    await Promise.allSettled(object.frames)
    this.#options.budget.give(object.heldBytes)
  }

  async #compress(object: OpenObject, raw: Uint8Array<ArrayBuffer>): Promise<PackedFrame> {
    const { pool, compress, level, check, budget, onSpent = releaseBytes } = this.#options
    const rawBytes = raw.length
    try {
      const reply = await pool.run({ kind: 'compress', raw, compress, level, check }, [raw])
      if (reply.spent !== undefined) onSpent(reply.spent)
      const saved = rawBytes - reply.frame.bytes.length
      object.heldBytes -= saved
      budget.give(saved)
      return reply.frame
    } finally {
      this.#compressing.give(1)
    }
  }

  #seal(object: OpenObject): void {
    this.#open = undefined
    this.#next = { n: object.n + 1, offset: object.offset + object.rawBytes }
    this.#tasks.add(async () => {
      try {
        await this.#sealAndStore(object)
      } finally {
        await this.#giveBack(object)
      }
    })
  }

  async #sealAndStore(open: OpenObject): Promise<void> {
    const { pool, recipients, hashes, check } = this.#options
    const frames = await Promise.all(open.frames)
    const lead = this.#maker.lead(open.n, open.offset)
    const leadBytes = lead.length
    const stored = frames.map(frame => frame.bytes.length)
    const sealed = await pool.run(
      { kind: 'seal', lead, frames, recipients, hashes, check },
      frames.map(frame => frame.bytes),
    )
    const { kind: _, headerBytes, fileKey, ...object } = sealed
    const { n, offset, rawBytes } = open
    const facts = { n, offset, rawBytes, headerBytes, leadBytes, fileKey, frames: stored }
    throwIfAborted(this.#tasks.signal)
    await this.#maker.store({ ...facts, object }, this.#tasks.signal)
    releaseBytes(object.bytes)
  }
}
