import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { concatBytes } from '../../src/base/bytes.ts'
import { encodeIndexRecord, IndexDecoder, type IndexRecord } from '../../src/format/index-record.ts'
import { IndexWriter } from '../../src/pack/index-writer.ts'
import { Packer } from '../../src/pack/packer.ts'
import { begin, end } from '../format/samples.ts'
import { KeepingMaker, MiB, packOptions, rawBytes } from './packing.ts'

describe('IndexWriter', { timeout: 30_000 }, () => {
  it('writes records in the order of the calls, over as many objects as they need', async () => {
    const pieces = Array.from({ length: 30 }, (_, n) => rawBytes(300_000 + n, 0.2, n))
    const records: IndexRecord[] = [
      { kind: 'begin', begin },
      ...pieces.map(bytes => ({ kind: 'skeleton', bytes }) as const),
      { kind: 'end', end },
    ]
    const maker = new KeepingMaker()
    const writer = new IndexWriter(new Packer(packOptions({ segmentSize: 4 * MiB }), maker))
    for (const record of records) await writer.add(record)
    await writer.finish()
    assert.deepEqual(maker.inOrder.map(({ rawBytes }) => rawBytes).slice(0, 2), [4 * MiB, 4 * MiB])
    const raw = concatBytes(
      maker.inOrder.map(({ object, leadBytes }) =>
        zstdDecompressSync(object.bytes.subarray(leadBytes)),
      ),
    )
    assert.deepEqual(raw, concatBytes(records.map(encodeIndexRecord)))
    const decoder = new IndexDecoder('a test')
    assert.deepEqual([...decoder.write(raw)], records)
    decoder.finish()
  })

  it('stores objects while records still come: it holds no whole index in memory', async () => {
    const maker = new KeepingMaker()
    const packer = new Packer(packOptions({ segmentSize: 2 * MiB }), maker)
    const writer = new IndexWriter(packer)
    await writer.add({ kind: 'begin', begin })
    for (let n = 0; n < 20; n += 1) {
      await writer.add({ kind: 'skeleton', bytes: rawBytes(MiB, 1, n) })
    }
    assert.ok(maker.kept.length >= 6, `${maker.kept.length} objects were stored`)
    await packer.stop(new Error('over'))
  })
})
