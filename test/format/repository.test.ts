import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../../src/base/failure.ts'
import { decodeRepository, encodeRepository } from '../../src/format/repository.ts'
import { anyRepository } from './arbitraries.ts'
import { repositoryId } from './samples.ts'

const sample = { id: repositoryId, createdAt: new Date('2026-11-21T09:30:00.000Z') }

describe('encodeRepository() and decodeRepository()', () => {
  it('give every document back', () => {
    fc.assert(
      fc.property(anyRepository, repository => {
        assert.deepEqual(decodeRepository(encodeRepository(repository), 'any'), repository)
      }),
    )
  })

  it('write what docs/format.md shows', () => {
    const text =
      '{\n "format": "btrvault-repository",\n "version": 1,\n "id": "ace4849518ad143bc4dd69f8fe4e9d5c",\n "createdAt": "2026-11-21T09:30:00.000Z"\n}\n'
    assert.equal(Buffer.from(encodeRepository(sample)).toString(), text)
  })

  it('refuse a document that is cut anywhere', () => {
    const bytes = encodeRepository(sample)
    for (let length = 0; length < bytes.length - 1; length += 1) {
      assert.throws(
        () => decodeRepository(bytes.subarray(0, length), 'cut'),
        error => isFailure(error, 'corrupt'),
      )
    }
  })

  it('notice a flipped bit anywhere, or read another repository, which is refused as such', () => {
    const bytes = encodeRepository(sample)
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const altered = bytes.slice()
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        const read = decodeRepository(altered, 'altered')
        const isBlank = /\s/.test(String.fromCharCode(bytes[bit >> 3] ?? 0))
        assert.ok(
          isBlank ||
            read.id !== sample.id ||
            read.createdAt.getTime() !== sample.createdAt.getTime(),
        )
      } catch (error) {
        assert.ok(isFailure(error, 'corrupt') || isFailure(error, 'refused'), String(error))
      }
    }
  })
})
