// What our own report types look like, read from their source: TypeScript 7 has no interface for
// programs to ask. Knows the forms that reports use, and throws at any other.

export type Shape =
  | { readonly kind: 'leaf'; readonly words: string }
  | { readonly kind: 'list'; readonly of: Shape }
  | {
      readonly kind: 'object'
      readonly name: string | undefined
      readonly fields: readonly Field[]
    }
  | { readonly kind: 'one-of'; readonly of: readonly Shape[] }

export interface Field {
  readonly name: string
  readonly optional: boolean
  /** Its docstring as one paragraph; empty when it has none. */
  readonly doc: string
  readonly shape: Shape
}

/** Path below src → text. */
export type Sources = (path: string) => string

/** The shape of a type expression, as if it were written in the file `path`. */
export function shapeOf(expression: string, path: string, sources: Sources): Shape {
  const parser = new TypeParser(tokensOf(expression), new Scope(path, sources))
  return parser.type()
}

interface Token {
  readonly kind: 'word' | 'string' | 'mark' | 'doc'
  readonly text: string
}

function tokensOf(text: string): Token[] {
  const pattern =
    /\/\*\*([\s\S]*?)\*\/|\/\/[^\n]*|\/\*[\s\S]*?\*\/|'([^'\n]*)'|`[^`]*`|([\w$#]+)|(=>|\S)/g
  const tokens: Token[] = []
  for (const [whole, doc, quoted, word, mark] of text.matchAll(pattern)) {
    if (doc !== undefined) tokens.push({ kind: 'doc', text: paragraphOf(doc) })
    else if (quoted !== undefined) tokens.push({ kind: 'string', text: quoted })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark })
    else if (whole.startsWith('`')) tokens.push({ kind: 'string', text: whole })
  }
  return tokens
}

function paragraphOf(doc: string): string {
  return doc
    .split('\n')
    .map(line => line.replace(/^\s*\*? ?/, '').trim())
    .join(' ')
    .trim()
}

/** Finds what a name means in a file: declared there, or imported. */
class Scope {
  readonly #path: string
  readonly #sources: Sources

  constructor(path: string, sources: Sources) {
    this.#path = path
    this.#sources = sources
  }

  resolve(name: string): Shape {
    const text = this.#sources(this.#path)
    const tokens = tokensOf(text)
    for (const [i, { text: word, kind }] of tokens.entries()) {
      const isDeclared = kind === 'word' && (word === 'interface' || word === 'type')
      if (!isDeclared || tokens[i + 1]?.text !== name) continue
      if (word === 'interface')
        return named(new TypeParser(tokens.slice(i + 2), this).interface(), name)
      if (tokens[i + 2]?.text === '=')
        return named(new TypeParser(tokens.slice(i + 3), this).type(), name)
    }
    return new Scope(this.#importedFrom(name, text), this.#sources).resolve(name)
  }

  /** `const name = ['a', 'b'] as const` */
  constant(name: string): Shape {
    const pattern = new RegExp(`const ${name} = \\[([^\\]]*)\\] as const`)
    const items = pattern.exec(this.#sources(this.#path))?.[1]
    if (items === undefined) throw new Error(`src/${this.#path}: no list ${name}`)
    const words = [...items.matchAll(/'([^']*)'/g)].map(match => `\`${match[1]}\``)
    return { kind: 'list', of: oneOf(words.map(text => ({ kind: 'leaf', words: text }))) }
  }

  #importedFrom(name: string, text: string): string {
    for (const [, names = '', from = ''] of text.matchAll(
      /import (?:type )?\{([^}]*)\} from '([^']+)'/g,
    )) {
      const isThere = names.split(',').some(one => one.trim().replace(/^type /, '') === name)
      if (isThere) return new URL(from, `file:///${this.#path}`).pathname.slice(1)
    }
    throw new Error(`src/${this.#path}: nothing is known of the type ${name}`)
  }
}

function named(shape: Shape, name: string): Shape {
  return shape.kind === 'object' ? { ...shape, name } : shape
}

const plainTypes: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  boolean: 'true or false',
  Date: 'time',
  null: 'null',
  undefined: 'undefined',
  true: '`true`',
  false: '`false`',
}

class TypeParser {
  readonly #tokens: readonly Token[]
  readonly #scope: Scope
  #at = 0

  constructor(tokens: readonly Token[], scope: Scope) {
    this.#tokens = tokens
    this.#scope = scope
  }

  type(): Shape {
    this.#skip('|')
    const members = [this.#intersection()]
    while (this.#skip('|')) members.push(this.#intersection())
    return oneOf(members)
  }

  /** From behind the interface's name. */
  interface(): Shape {
    const bases: Shape[] = []
    if (this.#skip('extends')) {
      do bases.push(this.#postfix())
      while (this.#skip(','))
    }
    return joined([...bases, this.#postfix()])
  }

  #intersection(): Shape {
    this.#skip('&')
    const members = [this.#postfix()]
    while (this.#skip('&')) members.push(this.#postfix())
    return members.length === 1 ? (members[0] as Shape) : joined(members)
  }

  #postfix(): Shape {
    if (this.#skip('readonly')) return this.#postfix()
    if (this.#skip('keyof')) {
      this.#skip('typeof')
      this.#next()
      return { kind: 'leaf', words: 'text' }
    }
    let shape = this.#primary()
    while (this.#skip('[')) {
      if (this.#skip(']')) shape = { kind: 'list', of: shape }
      else {
        shape = fieldOf(shape, this.#next().text)
        this.#expect(']')
      }
    }
    return shape
  }

  #primary(): Shape {
    const token = this.#next()
    if (token.kind === 'doc') return this.#primary()
    if (token.kind === 'string') return { kind: 'leaf', words: `\`${token.text}\`` }
    if (/^\d/.test(token.text)) return { kind: 'leaf', words: `\`${token.text}\`` }
    if (token.text === '(') {
      const inner = this.type()
      this.#expect(')')
      return inner
    }
    if (token.text === '{') return { kind: 'object', name: undefined, fields: this.#members() }
    if (token.text === 'typeof') return this.#scope.constant(this.#next().text)
    const plain = plainTypes[token.text]
    if (plain !== undefined) return { kind: 'leaf', words: plain }
    if (token.kind === 'word') return this.#reference(token.text)
    throw new Error(`cannot read the type at ${token.text}`)
  }

  #members(): Field[] {
    const fields: Field[] = []
    let doc = ''
    for (;;) {
      const token = this.#next()
      if (token.text === '}' && token.kind === 'mark') return fields
      if (token.kind === 'doc') doc = token.text
      if (token.kind !== 'word' || token.text === 'readonly') continue
      const optional = this.#skip('?')
      this.#expect(':')
      const shape = this.type()
      const mayLack = optional || membersOf(shape).some(isUndefined)
      fields.push({ name: token.text, optional: mayLack, doc, shape: withoutUndefined(shape) })
      this.#skip(',')
      doc = ''
    }
  }

  #reference(name: string): Shape {
    if (!this.#skip('<')) return this.#scope.resolve(name)
    const args = [this.type()]
    while (this.#skip(',')) args.push(this.type())
    this.#expect('>')
    const [first, second] = args as [Shape, Shape | undefined]
    if (name === 'Branded') return { kind: 'leaf', words: 'text' }
    if (name === 'Omit') return picked(first, field => !namesIn(second).has(field))
    if (name === 'Pick') return picked(first, field => namesIn(second).has(field))
    throw new Error(`cannot read the type ${name}<…>`)
  }

  #next(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new Error('a type ends too early')
    this.#at += 1
    return token
  }

  #skip(text: string): boolean {
    // The docstring of an alternative stands before its bar.
    const isDoc = text === '|' && this.#tokens[this.#at]?.kind === 'doc'
    const at = isDoc ? this.#at + 1 : this.#at
    const token = this.#tokens[at]
    if (token?.text !== text || token.kind === 'string' || token.kind === 'doc') return false
    this.#at = at + 1
    return true
  }

  #expect(text: string): void {
    const { text: found } = this.#next()
    if (found !== text) throw new Error(`${text} was expected in a type, found ${found}`)
  }
}

function oneOf(members: readonly Shape[]): Shape {
  const [first, ...others] = members.flatMap(membersOf)
  if (first === undefined) throw new Error('a type has no member')
  return others.length === 0 ? first : { kind: 'one-of', of: [first, ...others] }
}

function membersOf(shape: Shape): readonly Shape[] {
  return shape.kind === 'one-of' ? shape.of : [shape]
}

function isUndefined(shape: Shape): boolean {
  return shape.kind === 'leaf' && shape.words === 'undefined'
}

function withoutUndefined(shape: Shape): Shape {
  return oneOf(membersOf(shape).filter(member => !isUndefined(member)))
}

function joined(members: readonly Shape[]): Shape {
  const alternatives = members.find(member => member.kind === 'one-of')
  if (alternatives?.kind === 'one-of') {
    const others = members.filter(member => member !== alternatives)
    return oneOf(alternatives.of.map(one => joined([one, ...others])))
  }
  const fields = members.flatMap(member => (member.kind === 'object' ? member.fields : []))
  const [first] = members
  return { kind: 'object', name: first?.kind === 'object' ? first.name : undefined, fields }
}

function picked(shape: Shape, isWanted: (name: string) => boolean): Shape {
  if (shape.kind !== 'object') throw new Error('Omit and Pick need an object')
  return { ...shape, name: undefined, fields: shape.fields.filter(({ name }) => isWanted(name)) }
}

function namesIn(shape: Shape | undefined): Set<string> {
  const leaves = shape === undefined ? [] : membersOf(shape)
  return new Set(leaves.map(leaf => (leaf.kind === 'leaf' ? leaf.words.replaceAll('`', '') : '')))
}

function fieldOf(shape: Shape, name: string): Shape {
  if (shape.kind === 'list' && name === 'number') return shape.of
  const field = shape.kind === 'object' && shape.fields.find(one => one.name === name)
  if (!field) throw new Error(`no field ${name} in a type`)
  return field.shape
}
