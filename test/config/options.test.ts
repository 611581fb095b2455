// The table of options, the schema and the reference page must say the same.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { exampleConfig } from '../../src/config/example.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { findOptionDoc, optionNamesUnder } from '../../src/config/option-paths.ts'
import { optionDocs } from '../../src/config/options.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { configReference } from '../../src/config/reference.ts'

interface Node {
  readonly properties?: Record<string, Node>
  readonly additionalProperties?: Node | boolean
  readonly anyOf?: readonly Node[]
  readonly items?: Node
  readonly description?: string
}

/** Every option of the schema: path → description. */
function schemaRows(node: Node, path = ''): Map<string, string | undefined> {
  const rows = new Map<string, string | undefined>()
  const add = (name: string, inner: Node) => {
    const inside = path === '' ? name : `${path}.${name}`
    rows.set(inside, inner.description)
    for (const [key, value] of schemaRows(inner, inside)) rows.set(key, value)
  }
  const branches = [node, ...(node.anyOf ?? [])]
  for (const branch of [...branches, ...branches.flatMap(({ items }) => items ?? [])]) {
    for (const [name, inner] of Object.entries(branch.properties ?? {})) add(name, inner)
    if (typeof branch.additionalProperties === 'object') add('*', branch.additionalProperties)
  }
  return rows
}

test('every option of the schema has a row in the table, and the other way round', () => {
  const inSchema = schemaRows(configJsonSchema())
  assert.deepEqual([...inSchema.keys()].sort(), Object.keys(optionDocs).sort())
})

test('configJsonSchema() describes every option for editors', () => {
  for (const [path, description] of schemaRows(configJsonSchema())) {
    assert.ok(description && description.length > 10, path)
  }
})

test('docs/configuration.md is what the table says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')
  assert.equal(page, configReference(), 'run node scripts/generate-docs.ts')
})

test('the example parses', () => {
  const parsed = parseConfig(exampleConfig, 'example')
  assert.deepEqual('problems' in parsed ? parsed.problems : [], [])
})

test('findOptionDoc() finds the row of a place with chosen names and list entries', () => {
  assert.equal(findOptionDoc(['sources', 'home', 'path']), optionDocs['sources.*.path'])
  assert.equal(
    findOptionDoc(['sources', 'a', 'remotes', 'b', 'keep']),
    optionDocs['sources.*.remotes.*.keep'],
  )
  assert.equal(findOptionDoc(['keys', 'recipients', 3]), optionDocs['keys.recipients'])
  assert.equal(findOptionDoc(['toString']), undefined)
})

test('optionNamesUnder() lists what may stand in a section', () => {
  assert.deepEqual(optionNamesUnder(['remotes', 'aws', 'directory']), ['path'])
  assert.deepEqual(optionNamesUnder([]), ['timezone', 'state', 'keys', 'sources', 'remotes'])
  assert.deepEqual(optionNamesUnder(['sources']), [])
})
