// News: where events go on their way to people.

import type { Clock } from '../base/clock.ts'
import type { Event } from '../model/event.ts'
import type { Paint } from './colour.ts'
import { escapeControls } from './escape.ts'
import type { Screen } from './screen.ts'
import type { CountedWords } from './verb.ts'

export interface News {
  emit(event: Event): void
  /** Leaves the screen as it should be; nothing may be emitted afterwards. */
  close(): void
}

export interface NewsOptions {
  readonly screen: Screen
  readonly clock: Clock
  readonly paint: Paint
  /** Steps and progress are left out; warnings never are. */
  readonly quiet: boolean
  readonly words: CountedWords
}

/** `home: taking a snapshot`. */
export function sentenceOf(event: { readonly text: string; readonly source?: string }): string {
  const text = escapeControls(event.text)
  return event.source === undefined ? text : `${escapeControls(event.source)}: ${text}`
}
