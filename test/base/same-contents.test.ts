import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sameContents } from '../../src/base/same-contents.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

test('sameContents() tells equal files from files that differ in one byte or in length', async () => {
  await withScratchFolder(async folder => {
    const [left, right] = [join(folder, 'left'), join(folder, 'right')]
    for (const size of [0, 1, 1024 * 1024, 2 * 1024 * 1024 + 7]) {
      const bytes = Buffer.alloc(size, 'contents')
      writeFileSync(left, bytes)
      writeFileSync(right, bytes)
      assert.equal(await sameContents(left, right), true, `${size} bytes`)
      writeFileSync(right, Buffer.concat([bytes, Buffer.from('x')]))
      assert.equal(await sameContents(left, right), false, `${size} bytes and one more`)
      if (size === 0) continue
      bytes[size - 1] = 0
      writeFileSync(right, bytes)
      assert.equal(await sameContents(left, right), false, `${size} bytes, the last another`)
    }
  })
})

test('sameContents() rejects when a file is not there', async () => {
  await assert.rejects(sameContents('/nowhere/left', '/nowhere/right'), { code: 'ENOENT' })
})
