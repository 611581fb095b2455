// Writes the pages that are made from the program itself. `--check` only compares, and fails when
// a page is stale.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliReference } from '../src/cli/reference.ts'
import { configReference } from '../src/config/reference.ts'
import { reportReference } from './report-reference.ts'

const docs = join(import.meta.dirname, '..', 'docs')
const pages: ReadonlyArray<readonly [name: string, text: string]> = [
  ['configuration.md', configReference()],
  ['cli.md', cliReference()],
  ['reports.md', reportReference()],
]

const checkOnly = process.argv.includes('--check')
for (const [name, text] of pages) {
  const file = join(docs, name)
  if (!checkOnly) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`docs/${name} is stale: run node scripts/generate-docs.ts\n`)
    process.exitCode = 1
  }
}
