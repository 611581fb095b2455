// A terminal in memory: knows just the control codes that the program writes, and fails on others.

/* oxlint-disable no-control-regex */

import type { Screen } from '../../src/cli/screen.ts'

export class FakeScreen implements Screen {
  readonly isTerminal: boolean
  /** Everything written, as it came. */
  written = ''
  /** One entry a write. */
  readonly writes: string[] = []
  #columns: number
  readonly #rows: number
  #lines: string[][] = [[]]
  #row = 0
  #column = 0

  constructor(options: { columns?: number; rows?: number; isTerminal?: boolean } = {}) {
    this.isTerminal = options.isTerminal ?? true
    this.#columns = options.columns ?? 100
    this.#rows = options.rows ?? 24
  }

  columns(): number {
    return this.isTerminal ? this.#columns : Number.POSITIVE_INFINITY
  }

  rows(): number {
    return this.isTerminal ? this.#rows : Number.POSITIVE_INFINITY
  }

  /** Lines that a person would see, without trailing blanks. */
  get seen(): string[] {
    const lines = this.#lines.map(line => line.join('').trimEnd())
    while (lines.at(-1) === '') lines.pop()
    return lines
  }

  get cursorColumn(): number {
    return this.#column
  }

  write(text: string): void {
    this.written += text
    this.writes.push(text)
    for (const [token] of text.matchAll(/\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]|\x1b/gsu))
      this.#apply(token)
  }

  #apply(token: string): void {
    if (token === '\n') {
      this.#row += 1
      this.#column = 0
      this.#lines[this.#row] ??= []
    } else if (token === '\r') this.#column = 0
    else if (token === '\x1b[K') this.#line.length = Math.min(this.#line.length, this.#column)
    else if (token === '\x1b[J') {
      this.#line.length = Math.min(this.#line.length, this.#column)
      this.#lines.length = this.#row + 1
    } else if (/^\x1b\[\d+A$/.test(token)) this.#row -= Number(token.slice(2, -1))
    else if (/^\x1b\[[0-9;]*m$/.test(token)) return
    else if (token < ' ') throw new Error(`the program wrote ${JSON.stringify(token)}`)
    else this.#put(token)
    if (this.#row < 0) throw new Error('the cursor left the top of what was written')
  }

  #put(character: string): void {
    if (this.isTerminal && this.#column >= this.#columns) throw new Error('a line was too wide')
    while (this.#line.length < this.#column) this.#line.push(' ')
    this.#line[this.#column] = character
    this.#column += 1
  }

  get #line(): string[] {
    const line = this.#lines[this.#row]
    if (!line) throw new Error('the cursor is on no line')
    return line
  }
}
