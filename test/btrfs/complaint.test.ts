import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errnoInWords, errnoOf } from '../../src/btrfs/complaint.ts'

test('errnoOf() takes the last error that is named at the end of a line', () => {
  const send = 'ERROR: send ioctl failed with -12: Cannot allocate memory\n'
  assert.equal(errnoOf(send), 'ENOMEM')
  assert.equal(errnoOf('ERROR: x: File exists\nERROR: y: No space left on device\n'), 'ENOSPC')
  assert.equal(errnoOf('ERROR: crc32 mismatch in command'), undefined)
  assert.equal(errnoOf(''), undefined)
})

test('errnoOf() is not led by a file that is named like an error', () => {
  assert.equal(
    errnoOf('ERROR: writing to No space left on device failed: Input/output error'),
    'EIO',
  )
})

test('errnoInWords() is a part of a sentence', () => {
  assert.equal(errnoInWords('EIO'), 'input/output error')
})
