// Reads a TypeScript file far enough to know what it imports, exports and names. A small
// tokenizer instead of a compiler: TypeScript 7 offers no stable API to ask, and a regular
// expression alone would find imports in comments and strings.

export interface Token {
  readonly kind: 'word' | 'string' | 'mark'
  /** For a string, what stands between the quotes; for a template, '' when it holds `${`. */
  readonly text: string
  readonly line: number
  /** How many braces, brackets and parentheses are open around it. */
  readonly depth: number
}

export interface Import {
  readonly kind: 'static' | 'dynamic' | 'worker-file'
  readonly specifier: string
  readonly line: number
}

export interface Export {
  readonly kind: 'function' | 'class' | 'const' | 'let' | 'type' | 'listed' | 'default' | 'star'
  readonly name: string
  readonly line: number
}

const wordStart = /[\p{L}_$#]/u
const wordPart = /[\p{L}\p{N}_$]/u
/** After one of these a slash begins a regular expression; after anything else it divides. */
const beforeExpression = new Set('( , = : [ ! & | ? { } ; + - * % ~ ^ < >'.split(' '))
const wordsBeforeExpression = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'await',
  'yield',
  'throw',
])

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  const templateDepths: number[] = []
  let depth = 0
  let line = 1
  let at = 0

  const push = (kind: Token['kind'], value: string): void => {
    tokens.push({ kind, text: value, line, depth })
  }
  const skipTo = (end: number): void => {
    for (let i = at; i < end; i += 1) if (text[i] === '\n') line += 1
    at = end
  }
  const readTemplate = (): void => {
    const end = endOfTemplatePart(text, at + 1)
    const isWhole = text[end - 1] === '`'
    push('string', isWhole && text[at] === '`' ? text.slice(at + 1, end - 1) : '')
    if (!isWhole) {
      templateDepths.push(depth)
      depth += 1
    }
    skipTo(end)
  }

  while (at < text.length) {
    const here = text[at] ?? ''
    const next = text[at + 1] ?? ''
    if (/\s/.test(here)) skipTo(at + 1)
    else if (here === '/' && next === '/') skipTo(indexOrEnd(text, '\n', at))
    else if (here === '/' && next === '*') skipTo(indexOrEnd(text, '*/', at) + 2)
    else if (here === '#' && next === '!' && at === 0) skipTo(indexOrEnd(text, '\n', at))
    else if (here === "'" || here === '"') {
      const end = endOfQuoted(text, at)
      push('string', text.slice(at + 1, end - 1))
      skipTo(end)
    } else if (here === '`') readTemplate()
    else if (here === '}' && templateDepths.at(-1) === depth - 1) {
      depth = templateDepths.pop() ?? 0
      readTemplate()
    } else if (here === '/' && beginsExpression(tokens.at(-1))) {
      push('string', '')
      skipTo(endOfRegularExpression(text, at))
    } else if (wordStart.test(here)) {
      let end = at + 1
      while (wordPart.test(text[end] ?? '')) end += 1
      push('word', text.slice(at, end))
      at = end
    } else if (/\d/.test(here)) {
      let end = at + 1
      while (/[\w.]/.test(text[end] ?? '')) end += 1
      push('mark', '0')
      at = end
    } else {
      if (')]}'.includes(here)) depth -= 1
      push('mark', here)
      if ('([{'.includes(here)) depth += 1
      at += 1
    }
  }
  return tokens
}

export function importsOf(tokens: readonly Token[]): readonly Import[] {
  const found: Import[] = []
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word' || isText(tokens[i - 1], '.')) continue
    const { line } = token
    if (token.text === 'import' && isText(tokens[i + 1], '(')) {
      const specifier = tokens[i + 2]
      found.push({
        kind: 'dynamic',
        specifier: specifier?.kind === 'string' ? specifier.text : '',
        line,
      })
    } else if ((token.text === 'import' || token.text === 'export') && token.depth === 0) {
      const specifier = specifierAfter(tokens, i)
      if (specifier !== undefined) found.push({ kind: 'static', specifier, line })
    } else if (token.text === 'URL' && isText(tokens[i - 1], 'new') && isText(tokens[i + 1], '(')) {
      const specifier = tokens[i + 2]
      if (specifier?.kind === 'string' && /^\.{1,2}\/.*-worker\./.test(specifier.text)) {
        found.push({ kind: 'worker-file', specifier: specifier.text, line })
      }
    }
  }
  return found
}

export function exportsOf(tokens: readonly Token[]): readonly Export[] {
  const found: Export[] = []
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word' || token.text !== 'export' || token.depth !== 0) continue
    if (isText(tokens[i - 1], '.')) continue
    found.push(...exportAt(tokens, i + 1))
  }
  return found
}

function exportAt(tokens: readonly Token[], start: number): readonly Export[] {
  let i = start
  while (['async', 'abstract', 'declare'].includes(tokens[i]?.text ?? '')) i += 1
  const word = tokens[i]
  if (word === undefined) return []
  const { line } = word
  if (word.text === 'default') return [{ kind: 'default', name: 'default', line }]
  if (word.text === '*') return [{ kind: 'star', name: '*', line }]
  if (word.text === '{' || (word.text === 'type' && isText(tokens[i + 1], '{'))) {
    return listedNames(tokens, i).map(name => ({ kind: 'listed', name, line }))
  }
  let after = i + 1
  if (word.text === 'function' && isText(tokens[after], '*')) after += 1
  const name = tokens[after]?.text ?? ''
  switch (word.text) {
    case 'function':
    case 'class':
    case 'const':
      return [{ kind: word.text, name, line }]
    case 'let':
    case 'var':
      return [{ kind: 'let', name, line }]
    case 'type':
    case 'interface':
    case 'enum':
      if (name === '') return []
      return name === '*' ? [{ kind: 'star', name, line }] : [{ kind: 'type', name, line }]
    default:
      return []
  }
}

/** `{ a, b as c, type D }` gives c's, not b's name. */
function listedNames(tokens: readonly Token[], start: number): readonly string[] {
  const names: string[] = []
  for (let i = start; i < tokens.length && !isText(tokens[i], '}'); i += 1) {
    const following = tokens[i + 1]?.text
    if (tokens[i]?.kind === 'word' && (following === ',' || following === '}')) {
      names.push(tokens[i]?.text ?? '')
    }
  }
  return names
}

/** The specifier of the import or re-export at `start`, or undefined when it names no file. */
function specifierAfter(tokens: readonly Token[], start: number): string | undefined {
  const first = tokens[start + 1]
  if (first?.kind === 'string') return first.text
  for (let i = start + 1; i < tokens.length; i += 1) {
    const token = tokens[i]
    if (token === undefined || token.text === ';' || token.text === '=') return undefined
    if (token.depth > 0) continue
    if (token.kind === 'string') return isText(tokens[i - 1], 'from') ? token.text : undefined
    const isAnother = ['import', 'export', 'function', 'class', 'const', 'interface'].includes(
      token.text,
    )
    if (token.kind === 'word' && isAnother) return undefined
  }
  return undefined
}

function beginsExpression(before: Token | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === 'word') return wordsBeforeExpression.has(before.text)
  return before.kind === 'mark' && beforeExpression.has(before.text)
}

export function isText(token: Token | undefined, text: string): boolean {
  return token !== undefined && token.kind !== 'string' && token.text === text
}

function indexOrEnd(text: string, needle: string, from: number): number {
  const index = text.indexOf(needle, from)
  return index < 0 ? text.length : index
}

/** A quoted string ends at its line's end at the latest, so a slip here spoils one line only. */
function endOfQuoted(text: string, start: number): number {
  const quote = text[start]
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1
    else if (text[i] === quote || text[i] === '\n') return i + 1
  }
  return text.length
}

/** Just behind the closing backtick, or behind the `${` where an expression begins. */
function endOfTemplatePart(text: string, start: number): number {
  for (let i = start; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1
    else if (text[i] === '`') return i + 1
    else if (text[i] === '$' && text[i + 1] === '{') return i + 2
  }
  return text.length
}

function endOfRegularExpression(text: string, start: number): number {
  let isInClass = false
  for (let i = start + 1; i < text.length; i += 1) {
    const here = text[i]
    if (here === '\\') i += 1
    else if (here === '\n') return i
    else if (here === '[') isInClass = true
    else if (here === ']') isInClass = false
    else if (here === '/' && !isInClass) return i + 1
  }
  return text.length
}
