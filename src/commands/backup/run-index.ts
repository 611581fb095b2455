// What a run writes into its index: how the stream was made, its skeleton, where its segments lie.

import { createHash } from 'node:crypto'
import { sendArguments } from '../../btrfs/send.ts'
import type { RunRecord } from '../../catalog/journal.ts'
import type { IndexBegin, IndexRecord, IndexSegment } from '../../format/index-record.ts'
import type { Sha256 } from '../../model/ids.ts'
import { IndexWriter } from '../../pack/index-writer.ts'
import type { Packer } from '../../pack/packer.ts'
import type { StreamEnd } from '../../pack/stream-reader.ts'
import type { RunTask } from './task.ts'

export class RunIndex {
  readonly #writer: IndexWriter
  /** Records that wait for their turn: they come while the packer may not be waited for. */
  readonly #records: IndexRecord[]
  readonly #skeleton = createHash('sha256')
  #skeletonBytes = 0

  constructor(packer: Packer, begin: IndexBegin) {
    this.#writer = new IndexWriter(packer)
    this.#records = [{ kind: 'begin', begin }]
  }

  addSkeleton(bytes: Uint8Array): void {
    this.#skeleton.update(bytes)
    this.#skeletonBytes += bytes.length
    this.#records.push({ kind: 'skeleton', bytes })
  }

  addSegment(segment: IndexSegment): void {
    this.#records.push({ kind: 'segment', segment })
  }

  async write(): Promise<void> {
    for (const record of this.#records.splice(0)) await this.#writer.add(record)
  }

  async finish({ summary, sha256 }: StreamEnd): Promise<void> {
    const end = {
      streamSha256: sha256 as Sha256,
      streamBytes: summary.bytes,
      commands: summary.commandCount,
      skeletonSha256: this.#skeleton.digest('hex') as Sha256,
      skeletonBytes: this.#skeletonBytes,
    }
    this.#records.push({ kind: 'end', end })
    await this.write()
    await this.#writer.finish()
  }
}

export function indexBegin(task: RunTask, record: RunRecord): IndexBegin {
  const { snapshot, parent, protocol } = task
  const call = { snapshot: snapshot.path, parent: parent?.snapshot.path, protocol }
  return {
    version: 1,
    repository: record.repository,
    series: record.series,
    seq: record.seq,
    run: record.run,
    signer: task.signingKey.fingerprint,
    source: task.source,
    ...(task.epoch !== null && { epoch: task.epoch.name }),
    host: task.context.hostname,
    path: task.sourcePath,
    snapshotName: task.name,
    snapshotUuid: snapshot.uuid,
    command: ['btrfs', ...sendArguments(call)],
    ...task.versions,
    program: task.context.program,
  }
}
