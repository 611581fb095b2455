// YAML text → plain values, and the line and column of any place in it.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLParseError,
} from 'yaml'
import type { ConfigProblem } from './config.ts'

export interface YamlSource {
  /** Plain values; undefined when the text could not be read as YAML at all. */
  readonly value: unknown
  /** What is wrong with the text as YAML, whatever its meaning. */
  readonly problems: readonly ConfigProblem[]
  /** Where the value at `path` stands, or the nearest thing around it. */
  valueAt(path: readonly PropertyKey[]): Place
  /** Where the key that ends `path` stands. */
  keyAt(path: readonly PropertyKey[]): Place
}

/** Both from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

const maxTextLength = 1024 * 1024

export function readYaml(text: string): YamlSource {
  if (text.length > maxTextLength)
    return unreadable('the file is larger than 1 MiB; write a shorter one')
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    // Its pretty errors repeat lines of the file, which may hold what must not be shown (L10).
    prettyErrors: false,
    strict: true,
    uniqueKeys: true,
    version: '1.2',
  })
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const root = document.contents
  const syntax = [...document.errors, ...document.warnings]
  const problems = once([
    ...syntax.map(error => ({
      ...placeOf(error.pos[0]),
      text: wordsFor(error.code, error.message),
    })),
    ...(document.errors.some(isFatal) ? [] : oddities(document, placeOf)),
    ...secrets(root, placeOf),
  ])
  const broken = document.errors.some(isFatal) || problems.some(one => one.fatal)
  return {
    value: broken ? undefined : plainValue(() => document.toJS({ maxAliasCount: 100 }), problems),
    problems,
    valueAt: path => placeOf(offsetOf(root, path, 'value')),
    keyAt: path => placeOf(offsetOf(root, path, 'key')),
  }
}

interface Finding extends ConfigProblem {
  /** What the text means is not certain, so that nothing more should be said about it. */
  readonly fatal?: true
}

function isFatal(error: YAMLParseError): boolean {
  return error.code !== 'DUPLICATE_KEY'
}

/** One mistake often upsets the reader more than once in a line. */
function once(problems: readonly Finding[]): Finding[] {
  return problems.filter(
    (one, index) =>
      problems.findIndex(other => other.line === one.line && other.text === one.text) === index,
  )
}

function unreadable(text: string): YamlSource {
  const place = { line: 1, column: 1 }
  const at = () => place
  return { value: undefined, problems: [{ ...place, text }], valueAt: at, keyAt: at }
}

function plainValue(read: () => unknown, problems: Finding[]): unknown {
  try {
    return read()
  } catch {
    const text = 'the aliases (*name) grow too large; write the values out'
    problems.push({ line: 1, column: 1, text })
    return undefined
  }
}

/** YAML that is valid, but means something else than it looks like. */
function oddities(document: Document, placeOf: (offset: number) => Place): Finding[] {
  const found: Finding[] = []
  const add = (node: unknown, text: string) =>
    found.push({ ...placeOf(startOf(node) ?? 0), text, fatal: true })
  visit(document, {
    Pair(_, pair) {
      const text = oddKey(pair)
      if (text !== undefined) add(pair.key, text)
    },
    Alias(_, alias) {
      if (!alias.resolve(document)) add(alias, wordsFor('BAD_ALIAS', ''))
    },
  })
  return found
}

function secrets(root: Node | null, placeOf: (offset: number) => Place): Finding[] {
  const found: Finding[] = []
  visit(root, {
    Scalar(_, scalar) {
      const text = typeof scalar.value === 'string' ? secretIn(scalar.value) : undefined
      if (text !== undefined) found.push({ ...placeOf(startOf(scalar) ?? 0), text })
    },
  })
  return found
}

function oddKey(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return 'a key is not text; write a plain word'
  if (pair.key.value === null || pair.key.value === '')
    return 'a key is missing before the colon; write one'
  if (pair.key.value === '<<') return 'merge keys (<<) are not supported; write the values out'
  // Objects treat this name apart, so that the entry would vanish without a word.
  if (pair.key.value === '__proto__') return 'the name __proto__ is not allowed; write another one'
  return undefined
}

/** Never repeats the text (L10). */
function secretIn(text: string): string | undefined {
  if (/AGE-(SECRET-KEY|PLUGIN)-/i.test(text)) {
    return 'an age identity stands here, which is secret; write its recipient (age1…) and keep the identity on another machine'
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return 'a private key stands here; write the path of a file that holds it'
  }
  // AWS: ids of access keys begin with AKIA (lasting) or ASIA (temporary).
  if (/\b(AKIA|ASIA)[A-Z0-9]{16}\b/.test(text)) {
    return 'an AWS access key stands here; write access_key_file: FILE or profile: NAME'
  }
  return undefined
}

function offsetOf(root: Node | null, path: readonly PropertyKey[], want: 'key' | 'value'): number {
  let node: unknown = root
  let offset = startOf(root) ?? 0
  for (const [index, name] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isScalar(item.key) && String(item.key.value) === String(name),
      )
      if (!pair) return offset
      const last = index === path.length - 1
      offset = startOf(pair.key) ?? offset
      if (last && want === 'key') return offset
      node = pair.value
      // A value that is a section begins on a line of its own: its name is the better place.
      if (!isMap(node) || last) offset = (isMap(node) ? undefined : startOf(node)) ?? offset
    } else if (isSeq(node) && typeof name === 'number') {
      node = node.items[name]
      offset = startOf(node) ?? offset
    } else if (isAlias(node)) {
      return offset
    }
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  if (!isScalar(node) && !isMap(node) && !isSeq(node) && !isAlias(node)) return undefined
  return node.range?.[0]
}

/** yaml's codes in our words: its own messages may repeat what stands in the file. */
function wordsFor(code: string, message: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'this key stands here a second time; write it once'
    case 'TAB_AS_INDENT':
      return 'a tab indents this line; write spaces'
    case 'BAD_INDENT':
      return 'the indentation does not fit the lines around it; write all keys of a section in one column, and close every bracket'
    case 'MULTIPLE_DOCS':
      return 'a second YAML document begins here; write one document'
    case 'TAG_RESOLVE_FAILED':
      return 'a tag (!name) stands here; write the value without it'
    case 'BAD_ALIAS':
      return 'this alias (*name) has no anchor; write the value out, in quotes if it begins with * or &'
    case 'MULTILINE_IMPLICIT_KEY':
      return 'a line stands here that has no colon after its key; write "key: value"'
    case 'MISSING_CHAR':
      return `${missingCharacter(message)}; write quotes, brackets and commas in full`
    default:
      return 'this is not YAML; write "key: value", with the value in quotes if it has : # { } [ ] , & * ! | > or % in it'
  }
}

/** yaml has one code for all of these; the messages that we know hold nothing of the file. */
function missingCharacter(message: string): string {
  if (/closing .quote/.test(message)) return 'a quote is opened above and never closed'
  if (/Missing ,/.test(message)) return 'a comma is missing between two entries'
  if (/space after :/.test(message)) return 'a space is missing after the colon'
  if (/map values/.test(message)) return 'a key stands here without a colon'
  if (/Sequence item/.test(message)) return 'a list entry stands here without its dash'
  return 'a character is missing'
}
