import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../../src/base/failure.ts'
import {
  lastSeq,
  manifestKey,
  nextSeq,
  type ObjectRole,
  objectEnding,
  objectKey,
  parseManifestKey,
  parseObjectKey,
  runPrefix,
  signatureKey,
  tombstoneKey,
  tombstoneSignatureKey,
} from '../../src/format/object-key.ts'
import { asRunId, asSeriesId, asSha256, type SeriesId } from '../../src/model/ids.ts'
import { checkKey } from '../../src/store/keys.ts'
import { runId, seriesId, sha256Of } from './samples.ts'
import { vectorsOf } from './vectors.ts'

interface NameVector {
  readonly key: string
  readonly means: { readonly role: string; readonly seq?: number; readonly ending?: string } | null
}

const partKeys = {
  manifest: manifestKey,
  signature: signatureKey,
  tombstone: tombstoneKey,
  'tombstone-signature': tombstoneSignatureKey,
}
const endings = ['.age', '.raw.age', '.zst', '.raw']
const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'.split('')), {
      minLength: digits,
      maxLength: digits,
    })
    .map(all => all.join(''))

describe('golden names', () => {
  const vectors = [
    ...vectorsOf<NameVector>('names.json'),
    ...vectorsOf<NameVector>('tombstone-names.json'),
  ]
  for (const { key, means } of vectors) {
    it(`${JSON.stringify(key)} is ${means === null ? 'none of ours' : `a ${means.role}`}`, () => {
      assert.deepEqual(meaningOf(key), means)
      if (means !== null) checkKey(key)
    })
  }
})

/** Of both parsers together: no name may mean two things. */
function meaningOf(key: string): unknown {
  const object = parseObjectKey(key)
  const manifest = parseManifestKey(key)
  assert.ok(object === undefined || manifest === undefined)
  if (object !== undefined) return { ...object, ending: key.slice(key.indexOf('.')) }
  if (manifest === undefined) return null
  return { role: manifest.part, series: manifest.series, seq: manifest.seq }
}

describe('names of objects', () => {
  it('are read back as what they were made of', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<ObjectRole>('segment', 'index'),
        fc.tuple(hex(32), hex(32), hex(64)),
        fc.nat(2 ** 31),
        fc.constantFrom(...endings),
        (...[role, ids, n, ending]) => {
          const place = { role, n, ...idsOf(ids) }
          const key = objectKey(place, ending)
          assert.deepEqual(parseObjectKey(key), place)
          assert.ok(key.startsWith(runPrefix(role, place.series, place.run)))
          assert.equal(parseManifestKey(key), undefined)
        },
      ),
    )
    fc.assert(
      fc.property(hex(32), fc.integer({ min: 1, max: lastSeq }), (id, seq) => {
        const series = id as SeriesId
        for (const [part, write] of Object.entries(partKeys)) {
          assert.deepEqual(parseManifestKey(write(series, seq)), { series, seq, part })
        }
      }),
    )
  })

  it('have one spelling each: what is read is written the same', () => {
    const place = {
      role: 'segment',
      series: seriesId,
      run: runId,
      n: 12,
      sha256: sha256Of('c'),
    } as const
    const names = [
      objectKey(place, '.age'),
      ...Object.values(partKeys).map(write => write(seriesId, 12)),
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.nat(200),
        fc.string({ maxLength: 3 }),
        (...[name, at, text]) => {
          const changed = name.slice(0, at) + text + name.slice(at + 1)
          const object = parseObjectKey(changed)
          const manifest = parseManifestKey(changed)
          if (object) assert.ok(endings.some(ending => objectKey(object, ending) === changed))
          if (manifest)
            assert.equal(partKeys[manifest.part](manifest.series, manifest.seq), changed)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('sort as numbers do, up to eight digits', () => {
    const seqs = [1, 9, 10, 99, 100, 12_345_678, 99_999_999]
    const keys = seqs.map(seq => manifestKey(seriesId, seq))
    assert.deepEqual([...keys].sort(), keys)
  })

  it('say by their ending what was done to the bytes', () => {
    const shapes = [
      ['zstd', 'age', '.age'],
      ['none', 'age', '.raw.age'],
      ['zstd', 'none', '.zst'],
      ['none', 'none', '.raw'],
    ] as const
    for (const [compress, encrypt, ending] of shapes) {
      assert.equal(objectEnding({ compress, encrypt }), ending)
    }
  })
})

describe('nextSeq()', () => {
  it('is 1 for a new series, and else one more than the highest, gaps or not', () => {
    assert.equal(nextSeq([]), 1)
    assert.equal(nextSeq([1, 2, 7, 3]), 8)
  })

  it('refuses to go on after the last', () => {
    assert.equal(nextSeq([lastSeq - 1]), lastSeq)
    assert.throws(
      () => nextSeq([lastSeq]),
      error => isFailure(error, 'refused'),
    )
  })
})

function idsOf([seriesText, runText, hashText]: readonly [string, string, string]) {
  const [series, run, sha256] = [asSeriesId(seriesText), asRunId(runText), asSha256(hashText)]
  assert.ok(series && run && sha256)
  return { series, run, sha256 }
}
