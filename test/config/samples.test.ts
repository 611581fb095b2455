// Every configuration in samples/valid must parse; every one in samples/invalid must fail with
// exactly the problems that its first lines say. UPDATE_GOLDEN=1 writes those lines anew: read them.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ConfigProblem } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'

const folder = join(import.meta.dirname, '..', 'samples')
const mark = '#: '

for (const name of samplesIn('valid')) {
  test(`parseConfig() accepts the sample ${name}`, () => {
    const parsed = parseConfig(readFileSync(join(folder, 'valid', name), 'utf8'), name)
    assert.deepEqual('problems' in parsed ? parsed.problems : [], [])
  })
}

for (const name of samplesIn('invalid')) {
  test(`parseConfig() says what is wrong with the sample ${name}, and nothing else`, () => {
    const file = join(folder, 'invalid', name)
    if (process.env['UPDATE_GOLDEN'])
      writeFileSync(file, withExpectations(readFileSync(file, 'utf8')))
    const text = readFileSync(file, 'utf8')
    const expected = text.split('\n').filter(line => line.startsWith(mark))
    assert.ok(expected.length > 0, 'the sample does not say how it fails')
    assert.deepEqual(problemsIn(text).map(asLine), expected)
  })
}

test('the samples are many enough to cover every kind of problem', () => {
  assert.ok(samplesIn('invalid').length >= 40)
  assert.ok(samplesIn('valid').length >= 5)
})

test('no problem of any sample lacks what to write instead', () => {
  for (const name of samplesIn('invalid')) {
    for (const problem of problemsIn(readFileSync(join(folder, 'invalid', name), 'utf8'))) {
      assert.match(problem.text, /; write /, `${name}: ${problem.text}`)
    }
  }
})

function samplesIn(kind: string): string[] {
  return readdirSync(join(folder, kind)).filter(name => name.endsWith('.yaml'))
}

function problemsIn(text: string): readonly ConfigProblem[] {
  const parsed = parseConfig(text, 'sample')
  return 'problems' in parsed ? parsed.problems : []
}

function asLine({ line, column, text }: ConfigProblem): string {
  return `${mark}${line}:${column}: ${text}`
}

function withExpectations(text: string): string {
  const body = text
    .split('\n')
    .filter(line => !line.startsWith(mark))
    .join('\n')
  const count = problemsIn(body).length
  const problems = problemsIn(`${'#\n'.repeat(count)}${body}`)
  return [...problems.map(asLine), body].join('\n')
}
