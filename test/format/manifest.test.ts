import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { encodeUtf8 } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.ts'
import { anyManifest } from './arbitraries.ts'
import { fullManifest, incrementalManifest, parentUuid, sha256Of } from './samples.ts'

const isRefusal = (error: unknown) => isFailure(error, 'corrupt') || isFailure(error, 'refused')

describe('encodeManifest() and decodeManifest()', () => {
  it('give every manifest back', () => {
    fc.assert(
      fc.property(anyManifest, manifest => {
        assert.deepEqual(decodeManifest(encodeManifest(manifest), 'any'), manifest)
      }),
    )
  })

  it('refuse a manifest that is cut anywhere', () => {
    const bytes = encodeManifest(incrementalManifest)
    // The last line feed is only for people.
    for (let length = 0; length < bytes.length - 1; length += 1) {
      assert.throws(() => decodeManifest(bytes.subarray(0, length), 'cut'), isRefusal)
    }
  })

  it('notice every changed byte, or read the very same', () => {
    const bytes = encodeManifest(fullManifest)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const altered = bytes.slice()
        altered[at] = (altered[at] ?? 0) ^ change
        try {
          const read = encodeManifest(decodeManifest(altered, 'altered'))
          // What is read is what is written there: the signature then tells that it was changed.
          assert.deepEqual(
            JSON.parse(Buffer.from(read).toString()),
            JSON.parse(Buffer.from(altered).toString()),
          )
        } catch (error) {
          assert.ok(isRefusal(error), String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('refuse a member that version 1 does not have, at every place', () => {
    const members = JSON.parse(
      Buffer.from(encodeManifest(incrementalManifest)).toString(),
    ) as object
    const places = objectsIn(members)
    assert.ok(places.length >= 7)
    for (const place of places) {
      Object.assign(place, { more: 1 })
      assert.throws(() => decodeManifest(encodeUtf8(JSON.stringify(members)), 'more'), isRefusal)
      delete (place as { more?: number }).more
    }
    decodeManifest(encodeUtf8(JSON.stringify(members)), 'as it was')
  })

  it('refuse a manifest that lacks any member', () => {
    const members = JSON.parse(
      Buffer.from(encodeManifest(incrementalManifest)).toString(),
    ) as object
    for (const place of objectsIn(members) as Record<string, unknown>[]) {
      for (const [name, value] of Object.entries(place)) {
        delete place[name]
        assert.throws(
          () => decodeManifest(encodeUtf8(JSON.stringify(members)), name),
          isRefusal,
          name,
        )
        place[name] = value
      }
    }
  })

  it('L3: refuse a parent that is not older', () => {
    for (const seq of [2, 3, 100]) {
      const parent = { seq, snapshot: parentUuid, manifest: sha256Of('5') }
      const bytes = encodeManifest({ ...incrementalManifest, parent })
      assert.throws(() => decodeManifest(bytes, 'x'), /its parent is not older than itself/)
    }
  })

  it('L10: hold no name, no host and no path', () => {
    const text = Buffer.from(encodeManifest(fullManifest)).toString()
    assert.deepEqual(Object.keys(JSON.parse(text) as object), [
      'format',
      'version',
      'program',
      'repository',
      'series',
      'seq',
      'run',
      'createdAt',
      'snapshot',
      'stream',
      'parent',
      'previous',
      'parameters',
      'segments',
      'indexes',
    ])
    assert.doesNotMatch(text, /\/|host|path|name/)
  })

  it('name the manifest in every refusal', () => {
    assert.throws(
      () => decodeManifest(encodeUtf8('{'), 'manifests/x/7.json'),
      /manifests\/x\/7\.json/,
    )
  })
})

/** The document and every object in it. */
function objectsIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(objectsIn)
  return Array.isArray(value) ? inner : [value, ...inner]
}
