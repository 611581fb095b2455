import assert from 'node:assert/strict'
import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LineFile, writeFailure, writeFileAtomic } from '../../src/base/atomic-file.ts'
import { isFailure } from '../../src/base/failure.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

describe('LineFile', () => {
  it('takes half a line away that a cut left, so that it does not swallow the next', async () => {
    await withScratchFolder(async folder => {
      const path = join(folder, 'lines')
      await append(path, 'first')
      assert.equal((await stat(path)).mode & 0o777, 0o600)
      await appendFile(path, '{"half":')
      await append(path, 'second')
      await append(path, 'third')
      assert.equal(await readFile(path, 'utf8'), 'first\nsecond\nthird\n')
    })
  })

  it('says which file could not be written', async () => {
    await withScratchFolder(async folder => {
      await writeFile(join(folder, 'file'), '')
      const path = join(folder, 'file', 'lines')
      await assert.rejects(LineFile.open(path), error => namesFile(error, path))
    })
  })
})

describe('writeFileAtomic()', () => {
  it('refuses in words, and leaves nothing beside the file', async () => {
    await withScratchFolder(async folder => {
      // A folder can't be replaced by a file: the rename is what fails.
      const path = join(folder, 'taken')
      await mkdir(join(path, 'inside'), { recursive: true })
      await assert.rejects(writeFileAtomic(path, 'x'), error => namesFile(error, path))
      assert.deepEqual(await readdir(folder), ['taken'])
    })
  })
})

describe('writeFailure()', () => {
  it('names the file and why, and gives back what no system said', () => {
    for (const [code, wanted] of [
      ['ENOSPC', 'no-space'],
      ['EDQUOT', 'no-space'],
      ['EROFS', 'failed'],
    ] as const) {
      const failure = writeFailure('/state/x', Object.assign(new Error(code), { code }))
      assert.ok(isFailure(failure, wanted))
      assert.match(failure.message, /^cannot write \/state\/x: /)
      assert.ok(failure.hint)
    }
    const bug = new TypeError('a bug')
    assert.equal(writeFailure('/state/x', bug), bug)
  })
})

async function append(path: string, line: string): Promise<void> {
  const file = await LineFile.open(path)
  await file.append(line)
  await file.close()
}

function namesFile(error: unknown, path: string): boolean {
  return isFailure(error, 'failed') && error.message.startsWith(`cannot write ${path}: `)
}
