import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notices, packagesIn, type ThirdPartyPackage } from '../../scripts/third-party.ts'

const harmless: ThirdPartyPackage = {
  name: 'a',
  version: '1.0.0',
  license: 'MIT',
  texts: ['Copyright A'],
}

test('packagesIn() finds each package once, by the files that the bundle took from it', () => {
  const found = packagesIn([
    'src/main.ts',
    'node_modules/zod/index.js',
    'node_modules/zod/v4/core/core.js',
    'node_modules/@aws-sdk/client-s3/dist-es/index.js',
  ])
  assert.deepEqual(
    found.map(({ name, license, texts }) => [name, license, texts.length > 0]),
    [
      ['@aws-sdk/client-s3', 'Apache-2.0', true],
      ['zod', 'MIT', true],
    ],
  )
})

test('notices() gives name, version, licence and its text', () => {
  assert.match(notices([harmless]), /^a 1\.0\.0\n\nLicence: MIT\n\nCopyright A$/m)
})

test('notices() refuses a licence that is not on the list, and a package that names none', () => {
  const copyleft = { ...harmless, name: 'b', license: 'AGPL-3.0-only' }
  assert.throws(() => notices([harmless, copyleft]), /b \(AGPL-3\.0-only\)/)
  assert.throws(() => notices([{ ...harmless, license: 'unknown' }]), /a \(unknown\)/)
})
