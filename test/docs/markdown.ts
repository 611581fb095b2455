// Reads the documentation far enough to run its commands and to follow its links.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const checkout = join(import.meta.dirname, '..', '..')

export interface Page {
  /** Relative to the checkout. */
  readonly path: string
  readonly headings: readonly Heading[]
  readonly blocks: readonly Block[]
  /** Lines of prose and tables, without code blocks. */
  readonly prose: readonly Line[]
}

export interface Heading {
  readonly text: string
  readonly level: number
  /** What a link to it ends with. */
  readonly anchor: string
}

export interface Block {
  /** `sh`, `yaml`, … or empty. */
  readonly language: string
  readonly text: string
  readonly line: number
  /** The heading of level 2 above it; empty at the top. */
  readonly section: string
}

export interface Line {
  readonly text: string
  readonly line: number
}

export interface Link {
  readonly target: string
  readonly line: number
}

export function readPage(path: string): Page {
  return parsePage(path, readFileSync(join(checkout, path), 'utf8'))
}

export function parsePage(path: string, text: string): Page {
  const headings: Heading[] = []
  const blocks: Block[] = []
  const prose: Line[] = []
  let section = ''
  let open: { language: string; indent: number; line: number; lines: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^( *)```(\w*)\s*$/.exec(line)
    if (open !== undefined) {
      if (fence !== null) {
        const { language, lines } = open
        blocks.push({ language, text: lines.join('\n'), line: open.line, section })
        open = undefined
      } else open.lines.push(line.slice(open.indent))
      continue
    }
    if (fence !== null) {
      open = {
        language: fence[2] ?? '',
        indent: (fence[1] ?? '').length,
        line: index + 1,
        lines: [],
      }
      continue
    }
    const heading = /^(#+) (.*)$/.exec(line)
    if (heading !== null) {
      const [, marks = '', words = ''] = heading
      headings.push({ text: words, level: marks.length, anchor: anchorOf(words) })
      if (marks.length === 2) section = words
    }
    prose.push({ text: line, line: index + 1 })
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: a code block is not closed`)
  return { path, headings, blocks, prose }
}

/** The shell commands of one section, or of the whole page, in order. */
export function scriptOf(page: Page, section?: string): string {
  const wanted = page.blocks.filter(
    block => block.language === 'sh' && (section === undefined || block.section === section),
  )
  if (wanted.length === 0) throw new Error(`${page.path}: no commands in ${section ?? 'it'}`)
  return wanted.map(({ text }) => text).join('\n')
}

/** As GitHub makes them: lower case, marks dropped, spaces to hyphens. */
function anchorOf(words: string): string {
  const plain = words.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return plain.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}

export function linksOf(page: Page): readonly Link[] {
  return page.prose.flatMap(({ text, line }) => {
    const withoutCode = text.replaceAll(/`[^`]*`/g, '')
    const found = withoutCode.matchAll(/\]\(([^)\s]+)\)/g)
    return [...found].map(match => ({ target: match[1] ?? '', line }))
  })
}
