import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { makeVault } from './vault.ts'

describe('makeVault()', () => {
  it('makes a world in which a source can be backed up and restored', async () => {
    await using vault = await makeVault()
    vault.write('folder/big', randomBytes(3_000_000))
    const made = await vault.backup()
    assert.equal(made.sources[0]?.sends[0]?.seq, 1)
    assert.ok(vault.objects('segments/').length >= 3)
    vault.write('small', 'text')
    await vault.backup()
    const restored = await vault.restore({ writable: 'again' })
    assert.deepEqual(restored.chain, [1, 2])
    assert.equal(restored.comparison?.differenceCount, 0)
    assert.equal(readFileSync(`${vault.out}/again/small`, 'utf8'), 'text')
  })
})
