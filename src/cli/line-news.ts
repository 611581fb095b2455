// News as lines, for logs, mails and the journal.

import type { Event } from '../model/event.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'
import { type News, type NewsOptions, sentenceOf } from './news.ts'
import { finalSentence, progressSentence, SubjectProgress } from './progress.ts'

type Level = 'step' | 'warning'
type LineMaker = (level: Level, text: string, paint: Paint) => string

const progressIntervalMs = 10_000

/** A line for each step, and for each subject that moves one every ten seconds. */
export class LineNews implements News {
  readonly #options: NewsOptions
  readonly #makeLine: LineMaker
  readonly #subjects = new Map<string, { progress: SubjectProgress; toldAt: number }>()

  constructor(options: NewsOptions, makeLine: LineMaker) {
    this.#options = options
    this.#makeLine = makeLine
  }

  emit(event: Event): void {
    if (event.kind === 'warning') {
      this.#print('warning', sentenceOf(event))
      if (event.hint !== undefined) this.#print('warning', `hint: ${escapeControls(event.hint)}`)
    } else if (this.#options.quiet) {
      return
    } else if (event.kind === 'step') {
      this.#print('step', sentenceOf(event))
    } else {
      this.#follow(event)
    }
  }

  close(): void {
    this.#subjects.clear()
  }

  #follow(event: Extract<Event, { kind: 'progress' }>): void {
    const { words, clock } = this.#options
    const now = clock.now()
    const name = escapeControls(event.subject)
    let known = this.#subjects.get(event.subject)
    if (known) known.progress.add(event, now)
    else {
      known = { progress: new SubjectProgress(event, now), toldAt: now }
      this.#subjects.set(event.subject, known)
    }
    if (event.done) {
      this.#subjects.delete(event.subject)
      this.#print('step', `${name}: ${finalSentence(known.progress, { words, now })}`)
    } else if (now - known.toldAt >= progressIntervalMs) {
      known.toldAt = now
      this.#print('step', `${name}: ${progressSentence(known.progress, { words, now })}`)
    }
  }

  #print(level: Level, text: string): void {
    this.#options.screen.write(`${this.#makeLine(level, text, this.#options.paint)}\n`)
  }
}

export function wordLine(level: Level, text: string, paint: Paint): string {
  return level === 'warning' ? `${paint('warning', 'warning:')} ${text}` : text
}

/** sd-daemon(3): the journal takes a line's priority from `<N>` before it. */
export function journalLine(level: Level, text: string): string {
  return level === 'warning' ? `<4>${text}` : `<6>${text}`
}
