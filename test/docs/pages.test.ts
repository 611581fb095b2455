// The pages themselves: links lead somewhere, commands and options exist, and what several pages
// say is the same everywhere.

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, test } from 'node:test'
import { Failure, type FailureCode } from '../../src/base/failure.ts'
import { exitMeanings } from '../../src/cli/exits.ts'
import type { Verb } from '../../src/cli/verb.ts'
import { verbs } from '../../src/cli/verbs.ts'
import { bannedWords } from '../architecture/table.ts'
import { checkout, linksOf, type Page, parsePage, readPage } from './markdown.ts'

const paths = globSync(['*.md', 'docs/**/*.md', 'src/README.md', 'changelog/**/*.md'], {
  cwd: checkout,
}).sort()
const pages = new Map(paths.map(path => [path, readPage(path)]))

/** Broken links of a page, as people would look for them. */
function brokenLinks(page: Page, all: ReadonlyMap<string, Page>): string[] {
  return linksOf(page).flatMap(({ target, line }) => {
    const where = `${page.path}:${line}: ${target}`
    if (/^https?:/.test(target)) return []
    const [file = '', anchor] = target.split('#')
    const path = file === '' ? page.path : normalize(join(dirname(page.path), file))
    if (!all.has(path) && !existsSync(join(checkout, path))) return [where]
    if (anchor === undefined) return []
    const found = all.get(path)?.headings.some(heading => heading.anchor === anchor)
    return found ? [] : [where]
  })
}

describe('links', () => {
  test('lead to pages and headings that are there', () => {
    assert.ok(pages.size > 20, `only ${pages.size} pages`)
    assert.deepEqual(
      [...pages.values()].flatMap(page => brokenLinks(page, pages)),
      [],
    )
  })

  test('that lead nowhere are found', () => {
    const text = '# A b\n[1](#a-b) [2](#b) [3](glossary.md) [4](nowhere.md) [5](glossary.md#no)\n'
    const page = parsePage('docs/made-up.md', text)
    const broken = brokenLinks(page, new Map(pages).set(page.path, page))
    assert.deepEqual(
      broken.map(line => line.split(' ')[1]),
      ['#b', 'nowhere.md', 'glossary.md#no'],
    )
  })

  test('of the README lead to every page of docs/', () => {
    const readme = pages.get('README.md') as Page
    const linked = new Set(linksOf(readme).map(({ target }) => target.split('#')[0] ?? ''))
    const top = paths.filter(path => /^docs\/[^/]+\.md$/.test(path))
    assert.deepEqual(
      top.filter(path => !linked.has(path)),
      [],
    )
  })
})

interface ShownCommand {
  readonly where: string
  readonly words: readonly string[]
}

/** Every `btrvault …` in code, whether in a block or within a line. */
function shownCommands(page: Page): ShownCommand[] {
  const lines = [
    ...page.blocks.flatMap(block =>
      block.text.split('\n').map((text, index) => ({ text, line: block.line + 1 + index })),
    ),
    ...page.prose.flatMap(({ text, line }) =>
      [...text.matchAll(/`([^`]+)`/g)].map(match => ({ text: match[1] ?? '', line })),
    ),
  ]
  return lines.flatMap(({ text, line }) => {
    const call = /^\s*btrvault (.*)$/.exec(text)
    if (call === null) return []
    const words =
      (call[1] ?? '')
        .split(/ [|>#]|\|\|/)[0]
        ?.trim()
        .split(/\s+/) ?? []
    return [{ where: `${page.path}:${line}`, words }]
  })
}

const globalFlags = ['--config', '--json', '--progress', '--quiet', '--verbose', '--no-color']

/** What is wrong with a command as shown, or undefined. */
function commandProblem({ words }: ShownCommand): string | undefined {
  const [name = '', ...rest] = words
  if (name.startsWith('-') || /^[A-Z]+$/.test(name)) return undefined
  const verb = findVerb(name, rest)
  if (verb === undefined) return `no command ${name}`
  const known = flagsOf(verb)
  const unknown = rest.filter(word => /^--?[a-z]/.test(word)).find(word => !known.has(word))
  return unknown && `btrvault ${name} has no ${unknown}`
}

function findVerb(name: string, rest: readonly string[]): Verb | undefined {
  const verb = verbs.find(one => one.name === name)
  return verb?.verbs?.find(one => one.name === rest[0]) ?? verb
}

function flagsOf(verb: Verb): Set<string> {
  const own = (verb.flags ?? []).flatMap(({ flags }) => flags.match(/--?[a-z][a-z-]*/g) ?? [])
  const dry = verb.mutates ? ['-n', '--dry-run'] : []
  return new Set([...own, ...dry, ...globalFlags, '--help', '-q', '-v'])
}

describe('commands', () => {
  // The format page has texts that are hashed, one of which begins like a command.
  const shown = [...pages.values()]
    .filter(({ path }) => path !== 'docs/format.md')
    .flatMap(shownCommands)

  test('that are shown exist, with the options that they are shown with', () => {
    assert.ok(shown.length > 60, `only ${shown.length} commands`)
    const problems = shown.flatMap(command => {
      const problem = commandProblem(command)
      return problem === undefined ? [] : [`${command.where}: ${problem}`]
    })
    assert.deepEqual(problems, [])
  })

  test('that do not exist are found', () => {
    const page = parsePage(
      'a.md',
      '`btrvault list --fast`\n```sh\nbtrvault undo\n```\n`btrvault VERB`',
    )
    assert.deepEqual(shownCommands(page).map(commandProblem), [
      'no command undo',
      'btrvault list has no --fast',
      undefined,
    ])
  })

  test('are each mentioned by the README or by a page that it leads to', () => {
    const written = new Set(
      shown
        .filter(({ where }) => !/^(docs\/cli|changelog)/.test(where))
        .map(({ words }) => words[0]),
    )
    assert.deepEqual(
      verbs.map(({ name }) => name).filter(name => !written.has(name)),
      [],
    )
  })

  test('of npm are in package.json', () => {
    const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = paths.flatMap(path => {
      const text = readFileSync(join(checkout, path), 'utf8')
      return [...text.matchAll(/npm run ([a-z]+)/g)].map(match => match[1] ?? '')
    })
    assert.ok(named.length > 0)
    assert.deepEqual(
      named.filter(name => scripts[name] === undefined),
      [],
    )
  })
})

describe('exit statuses', () => {
  /** Of failures, a bug, and being done. */
  const made = new Set<number>([
    0,
    70,
    ...failureCodes().map(code => new Failure(code, '').exitStatus),
  ])

  test('have a meaning each, and each meaning is met', () => {
    assert.deepEqual(Object.keys(exitMeanings).map(Number).sort(byNumber), [...made].sort(byNumber))
  })

  test('are the same in docs/cli.md', () => {
    const rows = tableRows(pages.get('docs/cli.md') as Page, 'Exit statuses')
    assert.deepEqual(
      rows.map(([status, meaning]) => [Number(status), meaning]),
      Object.entries(exitMeanings).map(([status, meaning]) => [Number(status), meaning]),
    )
  })

  test('that other pages name are real ones', () => {
    const named = [...pages.values()].flatMap(page =>
      page.prose.flatMap(({ text, line }) =>
        [...text.matchAll(/\bstatus (\d+)\b/g)].map(match => ({
          at: `${page.path}:${line}`,
          status: Number(match[1]),
        })),
      ),
    )
    assert.ok(named.length > 0)
    assert.deepEqual(
      named.filter(({ status }) => !made.has(status)),
      [],
    )
  })
})

function failureCodes(): FailureCode[] {
  const text = readFileSync(join(checkout, 'src/base/failure.ts'), 'utf8')
  const table = /const failureKinds = \{([\s\S]*?)\n\} as const/.exec(text)?.[1] ?? ''
  const codes = [...table.matchAll(/^ {2}'?([a-z-]+)'?: \{/gm)].map(
    match => match[1] as FailureCode,
  )
  assert.ok(codes.length > 15, 'the table of failures was not found')
  return codes
}

function byNumber(a: number, b: number): number {
  return a - b
}

function tableRows(page: Page, section: string): string[][] {
  const start = page.prose.findIndex(({ text }) => text === `## ${section}`)
  const rest = page.prose.slice(start + 1)
  const end = rest.findIndex(({ text }) => text.startsWith('## '))
  const rows = rest.slice(0, end).filter(({ text }) => text.startsWith('| '))
  return rows
    .map(({ text }) => text.slice(2, -2).split(' | '))
    .filter(([first]) => first !== '' && !/^-+$/.test(first ?? ''))
    .slice(1)
}

describe('words', () => {
  test('that are refused in names are the same in the glossary and in the test', () => {
    const { prose } = pages.get('docs/glossary.md') as Page
    const line = prose.find(({ text }) => text.startsWith('handle, '))?.text ?? ''
    assert.deepEqual(line.split(', ').sort(), [...bannedWords].sort())
  })

  test('of the glossary stand in one row each', () => {
    const { prose } = pages.get('docs/glossary.md') as Page
    const words = prose.flatMap(({ text }) =>
      text.startsWith('| **')
        ? [...(text.split(' | ')[0] ?? '').matchAll(/\*\*([^*]+)\*\*/g)].map(
            match => match[1] ?? '',
          )
        : [],
    )
    assert.ok(words.length > 40, `only ${words.length} words`)
    assert.deepEqual(
      words.filter((word, index) => words.indexOf(word) !== index),
      [],
    )
  })

  test('name no files that are not there', () => {
    const missing = [...pages.values()].flatMap(page =>
      page.prose.flatMap(({ text, line }) =>
        [...text.matchAll(/`((?:src|test|docs|scripts)\/[\w./-]+)`/g)]
          .map(match => match[1] ?? '')
          .filter(path => !existsSync(join(checkout, path)))
          .map(path => `${page.path}:${line}: ${relative('', path)}`),
      ),
    )
    assert.deepEqual(missing, [])
  })
})

describe('decisions', () => {
  const names = paths.filter(path => path.startsWith('docs/decisions/'))

  test('are numbered without repeats, and say question, choice, what was set aside and what would change it', () => {
    const numbers = names.map(path => /\/(\d{4})-/.exec(path)?.[1])
    assert.equal(new Set(numbers).size, names.length)
    for (const path of names) {
      const text = readFileSync(join(checkout, path), 'utf8')
      const lacking = [
        'Question.',
        'Choice.',
        'Options set aside.',
        'What would change our mind.',
      ].filter(part => !text.includes(`**${part}**`))
      assert.deepEqual(lacking, [], path)
    }
  })
})

describe('changelog', () => {
  test('has entries in the form of its template', () => {
    const entries = paths.filter(path => path.startsWith('changelog/unreleased/'))
    assert.ok(entries.length > 0)
    for (const path of entries) {
      const [first = '', blank, ...rest] = readFileSync(join(checkout, path), 'utf8').split('\n')
      assert.match(first, /^(Security|Bugfix|Change|Enhancement): \S.*[^.]$/, path)
      assert.equal(blank, '', path)
      assert.ok(rest.join('').length > 40, `${path} says nothing`)
    }
  })
})
