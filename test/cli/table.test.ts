import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makePaint, plainPaint } from '../../src/cli/colour.ts'
import { escapeControls } from '../../src/cli/escape.ts'
import { formatFacts, formatTable } from '../../src/cli/table.ts'
import { fit, widthOf } from '../../src/cli/width.ts'

const columns = [
  { heading: 'name', shrinks: true },
  { heading: 'size', align: 'right' },
  { heading: 'kind' },
] as const
const rows = [
  ['home', '1 B', 'full'],
  ['写真', '1.00 GiB', { text: 'differential', tone: 'good' }],
] as const

test('formatTable() aligns by columns on the screen, not by characters', () => {
  assert.deepEqual(formatTable(columns, rows, { paint: plainPaint, width: 80 }), [
    'name      size  kind',
    'home       1 B  full',
    '写真  1.00 GiB  differential',
  ])
})

test('formatTable() cuts only columns that may shrink, and never leaves the width', () => {
  const long = [['a-name-that-is-much-too-long', '1 B', 'full']]
  const lines = formatTable(columns, long, { paint: plainPaint, width: 24 })
  assert.deepEqual(lines, ['name          size  kind', 'a-name-that…   1 B  full'])
})

test('colour does not move columns', () => {
  const paint = makePaint({ refused: false, isTerminal: true, env: {} })
  const lines = formatTable(columns, rows, { paint, width: 80 })
  assert.deepEqual(lines.map(widthOf), [20, 20, 28])
  assert.notEqual(lines[2], formatTable(columns, rows, { paint: plainPaint, width: 80 })[2])
})

test('cells and facts escape what comes from outside', () => {
  const options = { paint: plainPaint, width: 80 }
  assert.deepEqual(formatTable([{ heading: 'k' }], [['a\x1b[31m\nb']], options), [
    'k',
    'a\\x1b[31m\\nb',
  ])
  assert.deepEqual(
    formatFacts(
      [
        ['state', '/var'],
        ['a', { text: '\x07', tone: 'bad' }],
      ],
      options,
    ),
    ['state  /var', 'a      \\x07'],
  )
})

test('escapeControls() leaves plain text of every script alone', () => {
  for (const text of ['häuser', '写真', 'a b', '👩‍👩‍👧', 'العربية'])
    assert.equal(escapeControls(text), text)
  assert.equal(escapeControls('\u2028\u2066\ufeff\ud800'), '\\u2028\\u2066\\ufeff\ufffd')
})

test('widthOf() knows wide, combining and invisible characters', () => {
  assert.equal(widthOf('写真'), 4)
  assert.equal(widthOf('e\u0301'), 1)
  assert.equal(widthOf('👩‍👩‍👧'), 2)
  assert.equal(widthOf('✓ → …'), 5)
  assert.equal(widthOf('\x1b[31mred\x1b[39m'), 3)
  assert.equal(fit('写真アーカイブ', 6), '写真…')
  assert.equal(fit('abc', 0), '')
})

test('makePaint() gives no colour where none is wanted', () => {
  const isPlain = (refused: boolean, isTerminal: boolean, env: Record<string, string>) =>
    makePaint({ refused, isTerminal, env })('bad', 'x') === 'x'
  assert.ok(isPlain(true, true, { FORCE_COLOR: '1' }))
  assert.ok(isPlain(false, true, { NO_COLOR: '1' }))
  assert.ok(isPlain(false, true, { TERM: 'dumb' }))
  assert.ok(isPlain(false, false, {}))
  assert.ok(!isPlain(false, true, { NO_COLOR: '' }))
  assert.ok(!isPlain(false, false, { FORCE_COLOR: '1' }))
})
