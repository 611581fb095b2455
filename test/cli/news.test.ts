/* oxlint-disable no-control-regex */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { makePaint, plainPaint } from '../../src/cli/colour.ts'
import { LiveNews } from '../../src/cli/live-news.ts'
import { chooseNews, openNews } from '../../src/cli/open-news.ts'
import type { ProgressEvent } from '../../src/model/event.ts'
import { FakeScreen } from './fake-screen.ts'

const words = { read: 'read', stored: 'stored' }
const mebibyte = 1024 * 1024
const forced = makePaint({ refused: false, isTerminal: true, env: { FORCE_COLOR: '1' } })

function world(columns = 100, paint = plainPaint) {
  const screen = new FakeScreen({ columns })
  const clock = new FakeClock(1_000_000)
  return { screen, clock, news: new LiveNews({ screen, clock, paint, quiet: false, words }) }
}

function progress(subject: string, mib: number, more: Partial<ProgressEvent> = {}): ProgressEvent {
  return {
    kind: 'progress',
    subject,
    readBytes: mib * mebibyte,
    storedBytes: (mib * mebibyte) / 2,
    ...more,
  }
}

test('LiveNews stacks a bar for each subject, under the lines of news', () => {
  const { screen, clock, news } = world()
  news.emit({ kind: 'step', source: 'home', text: 'made snapshot' })
  for (let second = 0; second <= 10; second += 1) {
    news.emit(progress('home', second * 10, { totalBytes: 200 * mebibyte }))
    news.emit(progress('var', second))
    clock.advance(1000)
    news.draw()
  }
  news.emit({ kind: 'warning', text: 'slow', hint: 'wait' })
  assert.deepEqual(screen.seen, [
    'home: made snapshot',
    'warning: slow',
    '   hint: wait',
    'home  ████████████░░░░░░░░░░░░   50 %   100 MiB read  50.0 MiB stored  9.09 MiB/s  11 s left',
    'var                                    10.0 MiB read  5.00 MiB stored   931 KiB/s  for 11 s',
  ])
  news.close()
})

test('LiveNews leaves only lines of news when it is closed, and no colour behind', () => {
  const { screen, news } = world(80, forced)
  news.emit({ kind: 'step', text: 'begun' })
  news.emit(progress('home', 1))
  news.draw()
  news.emit(progress('home', 2, { done: true }))
  news.emit(progress('var', 1, { totalBytes: 10 * mebibyte }))
  news.draw()
  news.close()
  assert.deepEqual(screen.seen, ['begun', 'home: 2.00 MiB read, 1.00 MiB stored in 0.0 s'])
  assert.equal(screen.cursorColumn, 0)
  const codes = [...screen.written.matchAll(/\x1b\[([0-9;]*)m/g)].map(match => match[1])
  assert.ok(codes.length > 0)
  // Every tone that was set is taken back: 1, 2 by 22, colours by 39.
  const opened = codes.filter(code => code !== '22' && code !== '39').length
  assert.equal(opened, codes.length - opened)
})

test('LiveNews stays within the width, whatever it is', () => {
  for (let columns = 12; columns <= 140; columns += 1) {
    // The fake terminal throws when a line is too wide.
    const { screen, clock, news } = world(columns)
    for (let step = 0; step < 3; step += 1) {
      news.emit(
        progress('a-source-with-quite-a-long-name', step * 900, { totalBytes: 9000 * mebibyte }),
      )
      news.emit(progress('b', step))
      clock.advance(4000)
      news.draw()
    }
    assert.equal(screen.seen.length, 2, `${columns} columns`)
    news.close()
    assert.deepEqual(screen.seen, [])
  }
})

test('LiveNews writes once a frame, and nothing when nothing changed', () => {
  const { screen, clock, news } = world()
  news.emit(progress('home', 1, { totalBytes: 10 * mebibyte }))
  news.draw()
  const before = screen.writes.length
  news.draw()
  assert.equal(screen.writes.length, before)
  clock.advance(1000)
  news.emit(progress('home', 2, { totalBytes: 10 * mebibyte }))
  news.draw()
  assert.equal(screen.writes.length, before + 1)
  news.close()
})

test('LiveNews draws no more bars than fit on the screen', () => {
  const screen = new FakeScreen({ rows: 6, columns: 80 })
  const news = new LiveNews({
    screen,
    clock: new FakeClock(0),
    paint: plainPaint,
    quiet: false,
    words,
  })
  for (let index = 0; index < 9; index += 1) news.emit(progress(`s${index}`, 1))
  news.draw()
  assert.equal(screen.seen.length, 4)
  assert.equal(screen.seen.at(-1), '… and 6 more')
  news.close()
})

test('LiveNews shows no time left before it can know, and none when the whole was wrong', () => {
  const { screen, clock, news } = world()
  news.emit(progress('home', 0, { totalBytes: 100 * mebibyte }))
  clock.advance(1000)
  news.emit(progress('home', 50, { totalBytes: 100 * mebibyte }))
  news.draw()
  assert.doesNotMatch(screen.seen.join('\n'), /left/)
  clock.advance(5000)
  news.emit(progress('home', 60, { totalBytes: 100 * mebibyte }))
  news.draw()
  assert.match(screen.seen.join('\n'), /60 %.* left/)
  news.emit(progress('home', 120, { totalBytes: 100 * mebibyte }))
  news.draw()
  assert.doesNotMatch(screen.seen.join('\n'), /left|%/)
  news.close()
})

test('the rate is that of the last seconds, and goes to nothing when nothing moves', () => {
  const { screen, clock, news } = world()
  news.emit(progress('home', 0))
  clock.advance(10_000)
  news.emit(progress('home', 1000))
  for (let second = 0; second < 12; second += 1) {
    clock.advance(1000)
    news.emit(progress('home', 1000))
  }
  news.draw()
  assert.match(screen.seen.join('\n'), / 0 B\/s/)
  news.close()
})

test('news escape what comes from outside', () => {
  for (const kind of ['live', 'lines', 'journal'] as const) {
    const screen = new FakeScreen()
    const news = openNews(kind, {
      screen,
      clock: new FakeClock(0),
      paint: plainPaint,
      quiet: false,
      words,
    })
    // The fake terminal throws on control characters that are not ours.
    news.emit({ kind: 'warning', source: 'a\x07\x1b]0;x', text: '\x9b31m\u202e\nerror: forged' })
    news.emit(progress('b\x1b[2J', 1, { done: true }))
    news.close()
    assert.doesNotMatch(screen.written, /\x1b\]|\x1b\[2J|\x07|\u202e|\n\s*error/)
  }
})

test('lines come at steps, at the end, and every ten seconds in between', () => {
  const screen = new FakeScreen({ isTerminal: false })
  const clock = new FakeClock(0)
  const news = openNews('lines', { screen, clock, paint: plainPaint, quiet: false, words })
  for (let second = 0; second <= 20; second += 1) {
    news.emit(progress('home', second, { totalBytes: 40 * mebibyte }))
    clock.advance(1000)
  }
  news.emit(progress('home', 40, { done: true }))
  assert.deepEqual(screen.seen, [
    'home: 10.0 MiB of 40.0 MiB read, 5.00 MiB stored, 1.00 MiB/s, about 30 s left',
    'home: 20.0 MiB of 40.0 MiB read, 10.0 MiB stored, 1.00 MiB/s, about 20 s left',
    'home: 40.0 MiB read, 20.0 MiB stored in 21 s (1.90 MiB/s)',
  ])
})

test('quiet news are warnings only, with levels for the journal', () => {
  for (const [kind, line] of [
    ['lines', 'warning: home: careful'],
    ['journal', '<4>home: careful'],
    ['none', 'warning: home: careful'],
  ] as const) {
    const screen = new FakeScreen({ isTerminal: false })
    const news = openNews(kind, {
      screen,
      clock: new FakeClock(0),
      paint: plainPaint,
      quiet: true,
      words,
    })
    news.emit({ kind: 'step', text: 'made snapshot' })
    news.emit(progress('home', 1, { done: true }))
    news.emit({ kind: 'warning', source: 'home', text: 'careful' })
    assert.deepEqual(screen.seen, [line])
  }
})

test('chooseNews() draws bars only on a terminal that can', () => {
  const facts = {
    asked: undefined,
    quiet: false,
    isTerminal: true,
    isJournal: false,
    env: { TERM: 'xterm' },
  }
  assert.equal(chooseNews(facts), 'live')
  assert.equal(chooseNews({ ...facts, isTerminal: false }), 'lines')
  assert.equal(chooseNews({ ...facts, env: { TERM: 'dumb' } }), 'lines')
  assert.equal(chooseNews({ ...facts, quiet: true }), 'lines')
  assert.equal(chooseNews({ ...facts, asked: 'lines' }), 'lines')
  assert.equal(chooseNews({ ...facts, asked: 'json', isJournal: true }), 'json')
  assert.equal(chooseNews({ ...facts, isTerminal: false, isJournal: true }), 'journal')
})
