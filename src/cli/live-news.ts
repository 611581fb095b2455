// Bars at the bottom of a terminal, one a subject, and lines of news above them.

import type { Event } from '../model/event.ts'
import { escapeControls } from './escape.ts'
import { type News, type NewsOptions, sentenceOf } from './news.ts'
import { barLine, finalSentence, SubjectProgress } from './progress.ts'
import { fit, widthOf } from './width.ts'

/** 5 frames a second: smooth for numbers, calm for eyes. */
const frameMs = 200

export class LiveNews implements News {
  readonly #options: NewsOptions
  readonly #subjects = new Map<string, SubjectProgress>()
  /** What stands below the news now, as it was drawn. */
  #drawn: readonly string[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: NewsOptions) {
    this.#options = options
  }

  emit(event: Event): void {
    const { paint } = this.#options
    switch (event.kind) {
      case 'step':
        return this.#printAbove([sentenceOf(event)])
      case 'warning': {
        const lines = [`${paint('warning', 'warning:')} ${sentenceOf(event)}`]
        if (event.hint !== undefined)
          lines.push(`${paint('quiet', '   hint:')} ${escapeControls(event.hint)}`)
        return this.#printAbove(lines)
      }
      case 'progress':
        return this.#follow(event)
    }
  }

  /** Draws the bars as they are now; called by its own timer while something moves. */
  draw(): void {
    const lines = this.#barLines()
    if (lines.join('\n') === this.#drawn.join('\n')) return
    this.#replace([], lines)
  }

  close(): void {
    this.#subjects.clear()
    this.#stopTimer()
    this.#replace([], [])
  }

  #follow(event: Extract<Event, { kind: 'progress' }>): void {
    const now = this.#options.clock.now()
    const known = this.#subjects.get(event.subject)
    const progress = known ?? new SubjectProgress(event, now)
    if (known) known.add(event, now)
    else this.#subjects.set(event.subject, progress)
    if (event.done) {
      this.#subjects.delete(event.subject)
      const name = this.#options.paint('strong', escapeControls(event.subject))
      this.#printAbove([`${name}: ${finalSentence(progress, { words: this.#options.words, now })}`])
      if (this.#subjects.size === 0) this.#stopTimer()
    } else {
      this.#timer ??= setInterval(() => this.draw(), frameMs).unref()
    }
  }

  #printAbove(lines: readonly string[]): void {
    this.#replace(lines, this.#barLines())
  }

  /** One write a frame, so that nothing flickers. */
  #replace(above: readonly string[], bars: readonly string[]): void {
    const { screen } = this.#options
    let text = this.#toTopOfBars(screen.columns())
    // Erased line by line as it is overwritten; what is left below goes at the end.
    text += above.map(line => `${line}\x1b[K\n`).join('')
    text += bars.map(line => `${line}\x1b[K`).join('\n')
    if (this.#drawn.length > 0) text += '\x1b[J'
    this.#drawn = bars
    if (text !== '') screen.write(text)
  }

  #toTopOfBars(columns: number): string {
    if (this.#drawn.length === 0) return ''
    // A window made narrower since has wrapped what was drawn.
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)),
      0,
    )
    return rows > 1 ? `\x1b[${rows - 1}A\r` : '\r'
  }

  #barLines(): string[] {
    const { screen, paint, clock, words } = this.#options
    // The last column stays free: some terminals wrap when it is written.
    const width = screen.columns() - 1
    const subjects = [...this.#subjects.values()]
    const most = Math.max(1, screen.rows() - 2)
    const shown = subjects.length > most ? subjects.slice(0, most - 1) : subjects
    const names = shown.map(subject => widthOf(escapeControls(subject.latest.subject)))
    const nameWidth = Math.min(Math.max(0, ...names), Math.floor(width / 3))
    const hasBars = shown.some(subject => subject.fraction !== undefined)
    const layout = { paint, width, nameWidth, hasBars, words, now: clock.now() }
    const lines = shown.map(subject => barLine(subject, layout))
    const more = subjects.length - shown.length
    return more === 0 ? lines : [...lines, fit(paint('quiet', `… and ${more} more`), width)]
  }

  #stopTimer(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
