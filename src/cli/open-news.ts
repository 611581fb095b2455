// Which way news take: live bars on a terminal, lines elsewhere, the journal's levels under systemd,
// JSON lines for programs, or nothing but warnings.

import { journalLine, LineNews, wordLine } from './line-news.ts'
import { LiveNews } from './live-news.ts'
import type { News, NewsOptions } from './news.ts'

export type NewsKind = 'live' | 'lines' | 'journal' | 'json' | 'none'

export interface NewsFacts {
  /** From `--progress`; undefined is `auto`. */
  readonly asked: string | undefined
  readonly quiet: boolean
  readonly isTerminal: boolean
  readonly isJournal: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

export function chooseNews({ asked, quiet, isTerminal, isJournal, env }: NewsFacts): NewsKind {
  if (asked === 'json' || asked === 'none') return asked
  if (isJournal) return 'journal'
  const canDraw = isTerminal && env['TERM'] !== 'dumb' && !quiet
  return asked !== 'lines' && canDraw ? 'live' : 'lines'
}

export function openNews(kind: NewsKind, options: NewsOptions): News {
  if (kind === 'live') return new LiveNews(options)
  if (kind === 'json') return jsonNews(options)
  if (kind === 'journal') return new LineNews(options, journalLine)
  return new LineNews({ ...options, quiet: options.quiet || kind === 'none' }, wordLine)
}

function jsonNews({ screen }: NewsOptions): News {
  return { emit: event => screen.write(`${JSON.stringify(event)}\n`), close: () => {} }
}
