// Rows in columns.

import type { Paint, Tone } from './colour.ts'
import { escapeControls } from './escape.ts'
import { fit, padEnd, padStart, widthOf } from './width.ts'

export interface Column {
  readonly heading: string
  readonly align?: 'left' | 'right'
  /** May be cut when the terminal is too narrow. */
  readonly shrinks?: true
}

export type Cell = string | { readonly text: string; readonly tone: Tone }

export interface TableOptions {
  readonly paint: Paint
  /** Columns of the terminal. */
  readonly width: number
}

const gap = '  '

/** Lines without trailing blanks; what cells hold is made safe to print. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { paint, width }: TableOptions,
): string[] {
  const cells = rows.map(row => columns.map((_, index) => toCell(row[index] ?? '')))
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.heading), ...cells.map(row => widthOf(row[index]?.text ?? ''))),
  )
  shrink(columns, widths, width)
  const line = (row: readonly { text: string; tone: Tone }[]) =>
    row
      .map(({ text, tone }, index) => {
        const room = widths[index] ?? 0
        const cut = fit(text, room)
        const isLast = index === row.length - 1
        if (columns[index]?.align === 'right')
          return padStart('', room - widthOf(cut)) + paint(tone, cut)
        return isLast ? paint(tone, cut) : paint(tone, cut) + padEnd('', room - widthOf(cut))
      })
      .join(gap)
      .trimEnd()
  const headings = columns.map(column => ({ text: column.heading, tone: 'quiet' as const }))
  return [line(headings), ...cells.map(line)]
}

/** `name   value` lines, the names in a column of their own. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: Cell])[],
  { paint }: TableOptions,
): string[] {
  const room = Math.max(0, ...facts.map(([name]) => widthOf(name)))
  return facts.map(([name, value]) => {
    const { text, tone } = toCell(value)
    return `${paint('quiet', padEnd(name, room))}${gap}${paint(tone, text)}`.trimEnd()
  })
}

function toCell(cell: Cell): { text: string; tone: Tone } {
  const { text, tone } = typeof cell === 'string' ? { text: cell, tone: 'plain' as const } : cell
  return { text: escapeControls(text), tone }
}

function shrink(columns: readonly Column[], widths: number[], width: number): void {
  const total = () => widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1)
  for (const [index, column] of columns.entries()) {
    const over = total() - width
    if (over <= 0) return
    const least = Math.max(8, widthOf(column.heading))
    if (column.shrinks)
      widths[index] = Math.max(Math.min(widths[index] ?? 0, least), (widths[index] ?? 0) - over)
  }
}
