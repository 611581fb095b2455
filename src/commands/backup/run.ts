// One run: one send stream into one repository, up to and with the commit.
//
//   btrfs send → reader thread (guard, skeleton) → frames → segments → store → journal
//                                          skeleton → index → store
//   END and exit status 0 → every object confirmed → signature → manifest

import { releaseBytes, toHex } from '../../base/bytes.ts'
import { systemClock } from '../../base/clock.ts'
import { isFailure } from '../../base/failure.ts'
import { sha256Of } from '../../catalog/catalog.ts'
import {
  Journal,
  type RunRecord,
  type SegmentRecord,
  type UnfinishedRun,
} from '../../catalog/journal.ts'
import { encodeLead } from '../../format/lead-frame.ts'
import { type ObjectRole, objectEnding, objectKey } from '../../format/object-key.ts'
import type { Backup, BackupParameters, StoredObject } from '../../model/backup.ts'
import type { RunId, Sha256 } from '../../model/ids.ts'
import { frameSize } from '../../pack/frame.ts'
import { type PackedObject, Packer, type PackOptions } from '../../pack/packer.ts'
import type { ReaderFrame } from '../../pack/reader-protocol.ts'
import { type StreamEnd, StreamReader } from '../../pack/stream-reader.ts'
import { randomHex } from '../shared/context.ts'
import { commitRun, finishCommit } from './commit.ts'
import { retainNow } from './lock.ts'
import { indexBegin, RunIndex } from './run-index.ts'
import type { RunOutcome, RunTask } from './task.ts'

/** Failure 'send-failed' is the source's fault: another parent may do better. */
export async function runBackup(task: RunTask): Promise<RunOutcome> {
  const { unfinished } = task
  const record = unfinished?.run ?? newRunRecord(task)
  const journal = await Journal.open(task.journalPath, record, unfinished !== undefined)
  try {
    const outcome = unfinished?.commit
      ? resumedOutcome(await finishCommit(task, unfinished.commit))
      : await new BackupRun(task, record, journal).execute()
    // It is committed whatever becomes of the journal, which by its manifest is known to be over.
    await journal.remove().catch(() => {})
    return outcome
  } catch (error) {
    // What another writer's commit stands in the way of can never be committed: begin anew.
    await (isFailure(error, 'refused') ? journal.remove() : journal.close())
    throw error
  }
}

/** Whether an earlier run's objects fit this task: the same stream, cut and sealed the same way. */
export function canResume(unfinished: UnfinishedRun, task: Omit<RunTask, 'unfinished'>): boolean {
  const wanted = newRunRecord({ ...task, unfinished: undefined })
  // Objects of two storage classes make a backup as well as those of one.
  const { run: _run, storageClass: _class, ...ours } = wanted
  const { run: _earlier, storageClass: _earlierClass, ...theirs } = unfinished.run
  return JSON.stringify(ours) === JSON.stringify(theirs)
}

function newRunRecord(task: RunTask): RunRecord {
  const { parent, recipients, remote } = task
  const { compress, encrypt, level, segmentSizeBytes } = remote.config
  const settings = { compress, encrypt, level, segmentSizeBytes, frameSize, recipients }
  return {
    kind: 'run',
    version: 1,
    repository: remote.repository.id,
    series: task.series,
    seq: task.seq,
    run: randomHex(task.context, 16) as RunId,
    ...(task.epoch !== null && { epoch: task.epoch.id }),
    ...(task.storageClass !== null && { storageClass: task.storageClass }),
    snapshot: task.snapshot.uuid,
    parent: parent && {
      seq: parent.backup.manifest.seq,
      manifest: parent.backup.manifestSha256,
      snapshot: parent.snapshot.uuid,
    },
    protocol: task.protocol,
    settings: sha256Of(Buffer.from(JSON.stringify(settings))),
  }
}

class BackupRun {
  readonly #task: RunTask
  readonly #record: RunRecord
  readonly #journal: Journal
  readonly #segments: Packer
  readonly #indexPacker: Packer
  readonly #index: RunIndex
  readonly #stored = new Map<number, StoredObject>()
  readonly #storedIndexes = new Map<number, StoredObject>()
  readonly #prefixes = new Map<number, Sha256>()
  /** Where a frame's memory goes when it was used: back to the reader, while there is one. */
  #spend: (frame: Uint8Array<ArrayBuffer>) => void = releaseBytes
  /** Frames of a segment that an earlier run may have stored already. */
  #held: Uint8Array<ArrayBuffer>[] = []
  #earlier: ReadonlyMap<number, SegmentRecord>
  #readBytes = 0
  #totalBytes: number | undefined
  #storedBytes = 0
  #resumedBytes = 0

  constructor(task: RunTask, record: RunRecord, journal: Journal) {
    this.#task = task
    this.#record = record
    this.#journal = journal
    this.#earlier = task.unfinished?.segments ?? new Map()
    const options = this.#packOptions()
    this.#segments = new Packer(options, {
      lead: (n, offset) => this.#lead('segment', n, offset),
      store: (packed, signal) => this.#storeSegment(packed, signal),
    })
    this.#indexPacker = new Packer(options, {
      lead: (n, offset) => this.#lead('index', n, offset),
      store: (packed, signal) => this.#storeIndex(packed, signal),
    })
    this.#index = new RunIndex(this.#indexPacker, indexBegin(task, record))
  }

  async execute(): Promise<RunOutcome> {
    try {
      const end = await this.#sendStream()
      await this.#segments.finish()
      await this.#index.finish(end)
      return await this.#commit(end)
    } catch (error) {
      await Promise.all([this.#segments.stop(error), this.#indexPacker.stop(error)])
      throw error
    }
  }

  async #sendStream(): Promise<StreamEnd> {
    const { context, snapshot, parent, protocol } = this.#task
    const reader = await StreamReader.open({
      frameSize,
      segmentSize: this.#segmentSize,
      expect: { uuid: snapshot.uuid, parent: parent && parent.backup.manifest.stream },
      name: this.#task.name === snapshot.name ? undefined : this.#task.name,
      onSkeleton: piece => this.#index.addSkeleton(piece),
      signal: context.signal,
    })
    this.#spend = frame => reader.takeBack(frame)
    const giveUp = new AbortController()
    try {
      const send = context.btrfs.startSend({
        snapshot: snapshot.path,
        parent: parent?.snapshot.path,
        protocol,
        output: reader.writeFd,
        signal: AbortSignal.any([context.signal, giveUp.signal]),
      })
      reader.producerStarted()
      const estimated = this.#estimate(giveUp.signal)
      try {
        for await (const frame of reader.frames()) await this.#take(frame)
        // L1: END was seen; the stream is whole only if its producer says so too.
        await send.done
        await this.#takeLast(reader.end)
        return reader.end
      } catch (error) {
        throw await sendersWord(error, send.done)
      } finally {
        giveUp.abort()
        await Promise.allSettled([send.done, estimated])
      }
    } finally {
      await reader.close()
    }
  }

  /** For the time left only: what goes wrong here is not told. */
  async #estimate(signal: AbortSignal): Promise<void> {
    const { context, snapshot, parent, estimate } = this.#task
    if (!estimate) return
    const since = parent === null ? 0 : parent.snapshot.creationGeneration + 1
    const bytes = await context.btrfs
      .writtenSince(snapshot.path, since, { signal })
      .catch(() => undefined)
    if (bytes !== undefined && bytes > this.#readBytes) this.#totalBytes = bytes
  }

  async #take({ bytes, prefixSha256 }: ReaderFrame): Promise<void> {
    const n = Math.floor(this.#readBytes / this.#segmentSize)
    this.#readBytes += bytes.length
    this.#report()
    await this.#index.write()
    const prefix = prefixSha256 as Sha256 | undefined
    if (prefix !== undefined) this.#prefixes.set(n, prefix)
    if (!this.#earlier.has(n)) return this.#segments.add(bytes)
    this.#held.push(bytes)
    if (prefix !== undefined) await this.#settleHeld(n, prefix)
  }

  async #takeLast(end: StreamEnd): Promise<void> {
    const n = Math.ceil(this.#readBytes / this.#segmentSize) - 1
    const prefix = end.sha256 as Sha256
    this.#prefixes.set(n, prefix)
    if (this.#held.length > 0) await this.#settleHeld(n, prefix)
  }

  /** What an earlier run stored is used only if the stream has been the same up to its end. */
  async #settleHeld(n: number, prefix: Sha256): Promise<void> {
    const frames = this.#held
    const rawBytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    this.#held = []
    const earlier = this.#earlier.get(n)
    if (earlier?.prefix === prefix && earlier.raw === rawBytes) {
      const { kind: _kind, prefix: _prefix, ...segment } = earlier
      this.#stored.set(n, { sha256: segment.sha256, bytes: segment.bytes })
      this.#index.addSegment(segment)
      for (const frame of frames) this.#spend(frame)
      this.#segments.skip(rawBytes)
      this.#resumedBytes += rawBytes
      return
    }
    this.#earlier = new Map()
    this.#task.context.emit({
      kind: 'warning',
      source: this.#task.source,
      text: `btrfs send wrote another stream than before from segment ${n} on: sending the rest anew`,
      hint: 'a balance in between does that; nothing is wrong',
    })
    for (const frame of frames) await this.#segments.add(frame)
  }

  async #commit({ summary }: StreamEnd): Promise<RunOutcome> {
    const segments = inOrder(this.#stored)
    const indexes = inOrder(this.#storedIndexes)
    const parameters = this.#parameters
    const stored = { record: this.#record, summary, parameters, segments, indexes }
    const backup = await commitRun(this.#task, stored, this.#journal)
    this.#report(true)
    return {
      backup,
      readBytes: this.#readBytes,
      storedBytes: this.#storedBytes,
      resumedBytes: this.#resumedBytes,
    }
  }

  async #storeSegment(packed: PackedObject, signal: AbortSignal): Promise<void> {
    const { n, offset, rawBytes: raw, headerBytes, leadBytes, frames, fileKey } = packed
    const object = await this.#put('segment', packed, signal)
    const key = fileKey && Buffer.from(fileKey).toString('base64')
    const inside = { header: headerBytes, key, lead: leadBytes, frames: [...frames] }
    const segment = { n, offset, raw, ...object, ...inside }
    const prefix = this.#prefixes.get(n)
    if (prefix === undefined) throw new Error(`segment ${n} was sealed before its end was read`)
    await this.#journal.addSegment({ ...segment, prefix })
    this.#stored.set(n, object)
    this.#index.addSegment(segment)
  }

  async #storeIndex(packed: PackedObject, signal: AbortSignal): Promise<void> {
    this.#storedIndexes.set(packed.n, await this.#put('index', packed, signal))
  }

  async #put(role: ObjectRole, { n, object }: PackedObject, signal: AbortSignal) {
    const { store } = this.#task.remote.repository
    const { series, run, storageClass } = this.#record
    const sha256 = toHex(object.sha256) as Sha256
    const bytes = object.bytes.length
    const key = objectKey({ role, series, run, n, sha256 }, objectEnding(this.#parameters))
    try {
      const place =
        role === 'segment'
          ? { kind: 'segment' as const, storageClass }
          : { kind: 'metadata' as const }
      await store.put(key, object, { signal, ...place, retain: retainNow(this.#task) })
    } catch (error) {
      // L5: created, never replaced. The name holds the hash: what is there is the same object.
      if (!isFailure(error, 'object-exists')) throw error
      const isUnseen = this.#task.ledger !== undefined
      if (!isUnseen && (await store.size(key, { signal })) !== bytes) throw error
    }
    this.#storedBytes += bytes
    this.#report()
    return { sha256, bytes }
  }

  #report(done = false): void {
    const { context, source } = this.#task
    context.emit({
      kind: 'progress',
      subject: source,
      readBytes: this.#readBytes,
      storedBytes: this.#storedBytes,
      ...(this.#totalBytes !== undefined && { totalBytes: this.#totalBytes }),
      done,
    })
  }

  #lead(role: ObjectRole, n: number, offset: number): Uint8Array<ArrayBuffer> {
    const { repository, series, seq, run } = this.#record
    return encodeLead({ role, repository, series, seq, run, n, offset })
  }

  get #segmentSize(): number {
    return this.#task.remote.config.segmentSizeBytes
  }

  get #parameters(): BackupParameters {
    const { compress, encrypt } = this.#task.remote.config
    return { segmentSize: this.#segmentSize, frameSize, compress, encrypt }
  }

  #packOptions(): PackOptions {
    const { pool, budget, check, recipients, context, remote } = this.#task
    const { compress, encrypt, level } = remote.config
    return {
      pool,
      budget,
      segmentSize: this.#segmentSize,
      compress,
      level,
      recipients: encrypt === 'none' ? null : recipients,
      hashes: remote.repository.store.features.wants,
      check,
      onSpent: raw => this.#spend(raw),
      signal: context.signal,
    }
  }
}

function resumedOutcome(backup: Backup): RunOutcome {
  const resumedBytes = backup.manifest.stream.bytes
  return { backup, readBytes: 0, storedBytes: 0, resumedBytes }
}

function inOrder(objects: ReadonlyMap<number, StoredObject>): StoredObject[] {
  return Array.from({ length: objects.size }, (_, n) => {
    const object = objects.get(n)
    if (object === undefined) throw new Error(`object ${n} was not stored`)
    return object
  })
}

/** When the stream ends too early, the sender knows why: give it a moment to say so. */
async function sendersWord(error: unknown, done: Promise<void>): Promise<unknown> {
  if (!isFailure(error, 'send-failed')) return error
  const word = done.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const moment = systemClock.sleep(2000).then(() => undefined)
  return (await Promise.race([word, moment])) ?? error
}
