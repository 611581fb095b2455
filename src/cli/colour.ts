// Colour, where the reader wants it. Meaning never hangs on it alone.

import { styleText } from 'node:util'

export type Tone = 'plain' | 'strong' | 'quiet' | 'good' | 'warning' | 'bad' | 'accent'

/** Gives text a tone, or leaves it as it is. */
export type Paint = (tone: Tone, text: string) => string

export interface ColourFacts {
  /** `--no-color` was given. */
  readonly refused: boolean
  readonly isTerminal: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

export function makePaint(facts: ColourFacts): Paint {
  return wantsColour(facts) ? painted : plainPaint
}

export function plainPaint(_tone: Tone, text: string): string {
  return text
}

/** no-color.org: set and not empty means no colour. */
function wantsColour({ refused, isTerminal, env }: ColourFacts): boolean {
  if (refused || env['NO_COLOR']) return false
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0'
  return isTerminal && env['TERM'] !== 'dumb'
}

const styles = {
  strong: 'bold',
  quiet: 'dim',
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  accent: 'cyan',
} as const

function painted(tone: Tone, text: string): string {
  return tone === 'plain' ? text : styleText(styles[tone], text, { validateStream: false })
}
