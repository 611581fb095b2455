// Views of several widths, and what holds for every one of them.

import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import { makePaint, plainPaint } from '../../src/cli/colour.ts'
import { widthOf } from '../../src/cli/width.ts'
import type { FailureReport } from '../../src/commands/shared/report.ts'
import type { SourceName } from '../../src/model/ids.ts'

export const wide = { paint: plainPaint, width: 100, verbose: false }
export const narrow = { paint: plainPaint, width: 44, verbose: false }
export const coloured = {
  ...narrow,
  paint: makePaint({ refused: false, isTerminal: true, env: { TERM: 'xterm' } }),
}
export const home = 'home' as SourceName
export const at = (day: number, hour = 9) => new Date(Date.UTC(2026, 10, day, hour, 30))
export const mebibyte = 1024 * 1024
export const doubt: FailureReport = {
  code: 'refused',
  message: 'cannot forget backups of home on nas: backup 4 was there before and is gone\x1b[2J',
  hint: 'nothing is deleted where anything is in doubt; btrvault verify tells more',
  exitStatus: 4,
}

export function assertFits(lines: readonly string[], width: number): void {
  const long = lines.filter(line => widthOf(line) > width)
  assert.deepEqual(long, [])
}

/** The same words in the same order, whatever the width; branches of trees apart. */
export function wordsOf(lines: readonly string[]): string[] {
  const text = lines.map(line => stripVTControlCharacters(line)).join(' ')
  return text.split(/[\s│├└─]+/).filter(word => word !== '')
}
