// How many columns text takes on a terminal, and making it fit.

import { stripVTControlCharacters } from 'node:util'

const segments = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Columns of one line of text; colour takes none. */
export function widthOf(text: string): number {
  const bare = stripVTControlCharacters(text)
  if (/^[\x20-\x7e]*$/.test(bare)) return bare.length
  let width = 0
  for (const { segment } of segments.segment(bare)) width += graphemeWidth(segment)
  return width
}

/** Cut to `columns`, with `…` where something is missing. Colour codes are dropped by a cut. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  if (columns <= 0) return ''
  let width = 0
  let kept = ''
  for (const { segment } of segments.segment(stripVTControlCharacters(text))) {
    width += graphemeWidth(segment)
    if (width > columns - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** Lines of at most `columns`, broken at blanks; a longer word stands alone. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line === '' || widthOf(longer) <= columns) line = longer
    else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line]
}

/** The same with an indent kept, and deeper by two from the second line on. */
export function hang(text: string, columns: number): string[] {
  const [indent = ''] = /^ */.exec(text) ?? []
  const lines = wrap(text.slice(indent.length), columns - indent.length - 2)
  return lines.map((line, n) => `${indent}${n === 0 ? '' : '  '}${line}`)
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text
}

function graphemeWidth(grapheme: string): number {
  const point = grapheme.codePointAt(0) ?? 0
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return 0
  if (/^\p{Mark}|^\p{Default_Ignorable_Code_Point}/u.test(grapheme)) return 0
  // U+FE0F asks for the picture instead of the letter.
  if (grapheme.includes('\u{fe0f}') || /^\p{Emoji_Presentation}/u.test(grapheme)) return 2
  return isWide(point) ? 2 : 1
}

/** Unicode TR 11: the wide and fullwidth blocks, without the emoji that are asked for above. */
function isWide(point: number): boolean {
  return (
    (point >= 0x1100 && point <= 0x115f) ||
    (point >= 0x2e80 && point <= 0x303e) ||
    (point >= 0x3041 && point <= 0xa4cf) ||
    (point >= 0xa960 && point <= 0xa97c) ||
    (point >= 0xac00 && point <= 0xd7a3) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) ||
    (point >= 0xff01 && point <= 0xff60) ||
    (point >= 0xffe0 && point <= 0xffe6) ||
    (point >= 0x20000 && point <= 0x3fffd)
  )
}
