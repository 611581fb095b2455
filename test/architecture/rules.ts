// The rules of the house as one pure function: files in, violations out.

import { posix } from 'node:path'
import {
  type Export,
  exportsOf,
  type Import,
  importsOf,
  isText,
  type Token,
  tokensOf,
} from './scan.ts'
import {
  allowedImports,
  bannedWords,
  impureModules,
  libraries,
  pureFolders,
  threadFolders,
} from './table.ts'

/** Path below src (`plan/plan-backup.ts`) → text. */
export type Sources = ReadonlyMap<string, string>

export interface Violation {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly what: string
}

interface SourceFile {
  readonly path: string
  /** '' for main.ts, which may import everything. */
  readonly folder: string
  readonly lineCount: number
  readonly tokens: readonly Token[]
  readonly imports: readonly Import[]
  readonly exports: readonly Export[]
}

type Rule = (file: SourceFile) => Iterable<Omit<Violation, 'path' | 'rule'>>

const maxLines = 400

const rules: Readonly<Record<string, Rule>> = {
  'folder-table': checkFolders,
  'ts-ending': checkEndings,
  library: checkLibraries,
  pure: checkPurity,
  threads: checkThreads,
  barrel: checkBarrels,
  'default-export': checkDefaultExports,
  'module-state': checkModuleState,
  'banned-word': checkWords,
  'file-length': checkLength,
}

/** The rules that look at one file, in the order in which checkSources() applies them. */
export const ruleNames: readonly string[] = [...Object.keys(rules), 'cycle', 'folder-line']

/** @param map the text of src/README.md, which has a line for every folder */
export function checkSources(sources: Sources, map: string): readonly Violation[] {
  const files = [...sources].map(([path, text]) => readSource(path, text))
  const violations: Violation[] = []
  for (const file of files) {
    for (const [rule, check] of Object.entries(rules)) {
      for (const found of check(file)) violations.push({ rule, path: file.path, ...found })
    }
  }
  return [...violations, ...checkCycles(files), ...checkFolderLines(files, map)]
}

function readSource(path: string, text: string): SourceFile {
  const tokens = tokensOf(text)
  return {
    path,
    folder: path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
    lineCount: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    tokens,
    imports: importsOf(tokens),
    exports: exportsOf(tokens),
  }
}

function* checkFolders(file: SourceFile): ReturnType<Rule> {
  if (file.folder === '') return
  const allowed = allowedImports[file.folder]
  if (allowed === undefined) {
    yield { line: 1, what: `the folder ${file.folder} is not in the table` }
    return
  }
  for (const { specifier, line } of file.imports) {
    if (!specifier.startsWith('.')) continue
    const target = targetOf(file, specifier)
    const folder = target.includes('/') ? target.slice(0, target.indexOf('/')) : target
    if (folder !== file.folder && !allowed.includes(folder)) {
      yield { line, what: `${file.folder} may not import ${target}` }
    }
  }
}

function* checkEndings(file: SourceFile): ReturnType<Rule> {
  for (const { kind, specifier, line } of file.imports) {
    if (specifier === '') yield { line, what: 'an import() whose file is not written out' }
    const isOurs = specifier.startsWith('.') && kind !== 'worker-file'
    if (isOurs && !/\.(?:ts|json)$/.test(specifier)) yield { line, what: `${specifier} lacks .ts` }
  }
}

function* checkLibraries(file: SourceFile): ReturnType<Rule> {
  for (const { specifier, line } of file.imports) {
    if (specifier === '' || specifier.startsWith('.') || specifier.startsWith('node:')) continue
    const [name = ''] = specifier.split('/')
    const places = libraries[name]
    if (places === undefined)
      yield { line, what: `${name} is not among the libraries of the table` }
    else if (!places.some(place => isAt(file.path, place))) {
      yield { line, what: `${name} belongs to ${places.join(', ')}` }
    }
  }
}

function isAt(path: string, place: string): boolean {
  return place.endsWith('/') ? path.startsWith(place) : path === place
}

const impureNames = new Set(
  (
    'process performance fetch setTimeout setInterval setImmediate WebSocket Worker ' +
    'randomBytes randomUUID randomInt randomFill randomFillSync getRandomValues'
  ).split(' '),
)

function* checkPurity(file: SourceFile): ReturnType<Rule> {
  if (!pureFolders.includes(file.folder)) return
  for (const { specifier, line } of file.imports) {
    const [name = ''] = specifier.replace(/^node:/, '').split('/')
    if (impureModules.includes(name)) yield { line, what: `${specifier} in a pure folder` }
  }
  for (const [i, token] of file.tokens.entries()) {
    const what = impurityAt(file.tokens, i)
    if (what !== undefined) yield { line: token.line, what: `${what} in a pure folder` }
  }
}

function impurityAt(tokens: readonly Token[], i: number): string | undefined {
  const token = tokens[i]
  if (token?.kind !== 'word') return undefined
  const next = (offset: number): string => {
    const following = tokens[i + offset]
    return following === undefined || following.kind === 'string' ? '' : following.text
  }
  const member = next(1) === '.' ? next(2) : ''
  if (token.text === 'Date' && member === 'now') return 'Date.now'
  if (token.text === 'Temporal' && member === 'Now') return 'Temporal.Now'
  if (token.text === 'Math' && member === 'random') return 'Math.random'
  if (token.text === 'Date' && isText(tokens[i - 1], 'new')) {
    if (next(1) !== '(' || next(2) === ')') return 'new Date()'
  }
  if (!impureNames.has(token.text)) return undefined
  // A property, a parameter or a field may be called so; what it stands for came from outside.
  const isMember = isText(tokens[i - 1], '.') && token.text !== 'getRandomValues'
  const isCrypto = isText(tokens[i - 2], 'crypto')
  const isDeclared = next(1) === ':' || next(1) === '?'
  return (isMember && !isCrypto) || isDeclared ? undefined : token.text
}

function* checkThreads(file: SourceFile): ReturnType<Rule> {
  if (threadFolders.includes(file.folder)) return
  for (const { kind, specifier, line } of file.imports) {
    const isThread = kind === 'worker-file' || specifier === 'node:worker_threads'
    if (isThread) yield { line, what: `threads belong to ${threadFolders.join(', ')}` }
  }
}

function* checkBarrels(file: SourceFile): ReturnType<Rule> {
  if (posix.basename(file.path) === 'index.ts') yield { line: 1, what: 'index.ts' }
  for (const { kind, line } of file.exports) {
    if (kind === 'star') yield { line, what: 'export *' }
  }
  for (const [i, token] of file.tokens.entries()) {
    const isReexport =
      token.depth === 0 &&
      isText(token, '}') &&
      isText(file.tokens[i + 1], 'from') &&
      exportsAt(file, i)
    if (isReexport) yield { line: token.line, what: 'a re-export: import it where it stands' }
  }
}

/** True when the brace closed at `end` was opened by `export {` or `export type {`. */
function exportsAt(file: SourceFile, end: number): boolean {
  let i = end
  while (i > 0 && !(isText(file.tokens[i], '{') && file.tokens[i]?.depth === 0)) i -= 1
  const before = isText(file.tokens[i - 1], 'type') ? i - 2 : i - 1
  return isText(file.tokens[before], 'export')
}

function* checkDefaultExports(file: SourceFile): ReturnType<Rule> {
  for (const { kind, name, line } of file.exports) {
    if (kind === 'default' || name === 'default') yield { line, what: 'export default' }
  }
}

function* checkModuleState(file: SourceFile): ReturnType<Rule> {
  for (const [i, token] of file.tokens.entries()) {
    if (token.depth !== 0 || token.kind !== 'word') continue
    const isVariable = token.text === 'let' || token.text === 'var'
    if (isVariable && !isText(file.tokens[i - 1], '.')) {
      yield {
        line: token.line,
        what: `${file.tokens[i + 1]?.text ?? ''} can change for the whole module`,
      }
    }
  }
}

function* checkWords(file: SourceFile): ReturnType<Rule> {
  const name = posix.basename(file.path, '.ts')
  for (const word of wordsOf(name).filter(isBanned))
    yield { line: 1, what: `"${word}" in the file's name` }
  for (const { name: exported, kind, line } of file.exports) {
    const words = wordsOf(exported)
    for (const word of words.filter(isBanned)) yield { line, what: `"${word}" in ${exported}` }
    if (kind === 'function' && words[0] === 'process')
      yield { line, what: `"process" in ${exported}` }
  }
}

function isBanned(word: string): boolean {
  return bannedWords.includes(word)
}

/** `toFileKey`, `file-key`, `FILE_KEY` → their words, lower case. */
function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .split(/[^\p{L}]+/u)
    .map(word => word.toLowerCase())
    .filter(word => word !== '')
}

function* checkLength(file: SourceFile): ReturnType<Rule> {
  if (file.lineCount > maxLines)
    yield { line: maxLines, what: `${file.lineCount} lines, ${maxLines} at most` }
}

/** One violation a cycle, told from its file that comes first in the alphabet. */
function checkCycles(files: readonly SourceFile[]): readonly Violation[] {
  const edges = new Map(files.map(file => [file.path, targetsOf(file)]))
  const found = new Map<string, Violation>()
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      const cycle = trail.slice(start)
      const first = cycle.toSorted()[0] ?? path
      const what = [...cycle, path].join(' → ')
      found.set(cycle.toSorted().join(' '), { rule: 'cycle', path: first, line: 1, what })
      return
    }
    if (done.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return [...found.values()]
}

function targetsOf(file: SourceFile): readonly string[] {
  return file.imports
    .filter(({ kind, specifier }) => specifier.startsWith('.') && kind !== 'worker-file')
    .map(({ specifier }) => targetOf(file, specifier))
}

/** Relative to src; begins with `..` when it lies outside. */
function targetOf(file: SourceFile, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(file.path), specifier))
}

function checkFolderLines(files: readonly SourceFile[], map: string): readonly Violation[] {
  const folders = new Set(files.map(({ folder }) => folder).filter(folder => folder !== ''))
  const missing = [...folders].filter(folder => !new RegExp(`^\\W*${folder}/`, 'm').test(map))
  return missing.map(folder => {
    return { rule: 'folder-line', path: 'README.md', line: 1, what: `no line for ${folder}/` }
  })
}
