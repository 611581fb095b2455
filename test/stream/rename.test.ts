import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { encodeHead } from '../../src/stream/encode.ts'
import { renamedHead } from '../../src/stream/rename.ts'
import { guardAll, head, ownUuid, parentUuid, sampleCommands } from './sample-stream.ts'

/** The whole stream as it is afterwards. */
function renamed(stream: Uint8Array, name: string): Uint8Array {
  let at = 0
  const read = (count: number) => {
    const bytes = stream.subarray(at, at + count)
    at += bytes.length
    return bytes
  }
  const start = renamedHead(read, name)
  return concatBytes([start, stream.subarray(at)])
}

describe('renamedHead()', () => {
  const parents = [undefined, { uuid: parentUuid, ctransid: 5 }]
  for (const version of [1, 2]) {
    for (const parent of parents) {
      const kind = parent === undefined ? 'full stream' : 'difference'
      it(`gives the snapshot of a ${kind} in version ${version} another name, and nothing else`, () => {
        const commands = sampleCommands(version)
        const stream = concatBytes([head(version, parent?.uuid), ...commands])
        const name = 'home.20261121T093000Z.42 – é'
        const own = { version, name: Buffer.from(name).toString('latin1'), uuid: ownUuid }
        const wanted = encodeHead({ ...own, ctransid: 7, parent: parent ?? null })
        const found = renamed(stream, name)
        assert.deepEqual(found, concatBytes([wanted, ...commands]))
        assert.equal(Buffer.from(guardAll(found).summary.name).toString(), name)
      })
    }
  }

  it('leaves a stream as it is that was cut anywhere in its beginning', () => {
    const whole = head(2, parentUuid)
    for (let length = 0; length < whole.length; length += 1) {
      const cut = whole.subarray(0, length)
      assert.deepEqual(renamed(cut, 'other'), new Uint8Array(cut), `${length}`)
    }
  })

  it('makes nothing sound of a command whose checksum, name or kind is wrong', () => {
    const whole = concatBytes([head(2), ...sampleCommands(2)])
    const begin = head(2).length
    for (let at = 17; at < begin; at += 1) {
      const bad = whole.slice()
      bad[at] = (bad[at] ?? 0) ^ 1
      assert.throws(() => guardAll(new Uint8Array(renamed(bad, 'other'))), `${at}`)
    }
  })
})
