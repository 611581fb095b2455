// The index as it is made: records in, sealed objects out; never held whole in memory.

import { encodeIndexRecord, type IndexRecord } from '../format/index-record.ts'
import { FrameCutter } from './frame-cutter.ts'
import type { Packer } from './packer.ts'

export class IndexWriter {
  readonly #packer: Packer
  readonly #cutter = new FrameCutter()

  constructor(packer: Packer) {
    this.#packer = packer
  }

  /** One call at a time: records stand in the order of the calls. */
  async add(record: IndexRecord): Promise<void> {
    for (const frame of this.#cutter.write(encodeIndexRecord(record))) await this.#packer.add(frame)
  }

  async finish(): Promise<void> {
    const last = this.#cutter.finish()
    if (last !== undefined) await this.#packer.add(last)
    await this.#packer.finish()
  }
}
