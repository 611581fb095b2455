import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeVault } from '../support/vault.ts'

test('a backup says once what is wrong with those that are there', async () => {
  await using vault = await makeVault()
  for (const text of ['one', 'two']) {
    vault.write('file', text)
    await vault.backup('home')
  }
  for (const key of vault.objects('manifests/')) {
    if (/0{7}1\.json/.test(key)) vault.deleteObject(key)
  }
  vault.write('file', 'three')
  vault.events.length = 0
  const report = await vault.backup('home')
  assert.equal(report.sources[0]?.sends.length, 1)
  assert.deepEqual(
    vault.events.flatMap(event => (event.kind === 'warning' ? event.text : [])).toSorted(),
    [
      'remote disk: backup 1 was there before and is gone from the store',
      'remote disk: backup 2 needs backup 1, which is not there',
    ],
  )
})
