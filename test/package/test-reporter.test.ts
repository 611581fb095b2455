// The gate at the end of the test run, tried on small runs of its own.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

const reporter = join(import.meta.dirname, '..', '..', 'scripts', 'test-reporter.ts')
const folder = mkdtempSync(join(tmpdir(), 'btrvault-reporter-'))
after(() => rmSync(folder, { recursive: true, force: true }))

describe('the test reporter', () => {
  test('lets a run pass in which every test passed', () => {
    const { status, stdout } = runTests(`test('a', () => {})`, 'true')
    assert.equal(status, 0, stdout)
    assert.match(stdout, /ℹ tests 1\n/)
  })

  test('fails a run with a skipped test in CI, and only there', () => {
    const inCi = runTests(`test('a', { skip: true }, () => {})`, 'true')
    assert.equal(inCi.status, 1)
    assert.match(inCi.stdout, /✖ 1 skipped/)
    assert.equal(runTests(`test('a', { skip: true }, () => {})`, '').status, 0)
  })

  test('fails a run with an unfinished test in CI', () => {
    const { status, stdout } = runTests(`test('a', { todo: true }, () => {})`, 'true')
    assert.equal(status, 1)
    assert.match(stdout, /✖ 1 todo/)
  })

  test('fails a run of no test', () => {
    assert.equal(runTests(undefined, '').status, 1)
  })

  test('says the summary last, below the failures', () => {
    const { status, stdout } = runTests(
      `test('a', () => { throw new Error('broken on purpose') })`,
      '',
    )
    assert.equal(status, 1)
    assert.match(
      stdout,
      /broken on purpose[^]*\nℹ tests 1\n[^]*\nℹ fail 1\n[^✖]*\nℹ duration_ms [\d.]+\n$/,
    )
    assert.equal(stdout.match(/ℹ tests 1/g)?.length, 1)
  })
})

function runTests(body: string | undefined, ci: string): { status: number | null; stdout: string } {
  const file = join(folder, 'one.test.mjs')
  if (body === undefined) rmSync(file, { force: true })
  else writeFileSync(file, `import { test } from 'node:test'\n${body}\n`)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = [
    '--test',
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
    `${folder}/*.test.mjs`,
  ]
  return spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...env, CI: ci },
  })
}
