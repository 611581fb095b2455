// The shape of src/: who may import whom, what is pure, what names say. First the rules are shown
// to fire, each on a violation made for it; then they are held against the code itself.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { checkSources, ruleNames, type Violation } from './architecture/rules.ts'
import { exportsOf, importsOf, tokensOf } from './architecture/scan.ts'
import { allowedImports, libraries } from './architecture/table.ts'

const root = new URL('..', import.meta.url).pathname

/** Small, and breaks no rule. Its comments, strings and patterns look like violations. */
const goodSources: Readonly<Record<string, string>> = {
  'main.ts': `import { backup } from './commands/backup.ts'\nawait backup()\n`,
  'base/failure.ts': `export class Failure extends Error {}\n`,
  'base/bytes.ts': `import { Failure } from './failure.ts'\nexport const a = Failure\n`,
  'base/process.ts': `import { spawn } from 'node:child_process'\nexport const start = spawn\n`,
  'model/backup.ts': `import type { Failure } from '../base/failure.ts'\nexport interface Backup { why: Failure }\n`,
  'plan/plan-backup.ts': [
    `// import { readFileSync } from 'node:fs' would be wrong here, and so would Date.now()`,
    `import { createHash } from 'node:crypto'`,
    `import type { Backup } from '../model/backup.ts'`,
    `const text = "import x from 'node:fs'"`,
    'const template = `import y from "node:net" ${text.replace(/["\'`]/g, "new Date()")} }`',
    `export function planBackup(now: number, process: Backup): Date {`,
    `  return new Date(now / 2 / createHash.length + text.length + template.length)`,
    `}`,
    ``,
  ].join('\n'),
  'pack/worker-pool.ts': `import { Worker } from 'node:worker_threads'
export const start = () => new Worker(new URL('./pack-worker.ts', import.meta.url))\n`,
  'pack/pack-worker.ts': `import { parentPort } from 'node:worker_threads'\nparentPort?.postMessage(1)\n`,
  'store/s3/client.ts': `export const load = async () => import('@aws-sdk/client-s3')\n`,
  'commands/backup.ts': `import { planBackup } from '../plan/plan-backup.ts'
export async function backup(): Promise<void> { planBackup(1, { why: new Error() }) }\n`,
}
const goodMap = ['base', 'model', 'plan', 'pack', 'store', 'commands']
  .map(name => `- \`${name}/\` x`)
  .join('\n')

/** Each adds or replaces one file of the good sources; exactly the named rule must answer. */
const seeded: readonly (readonly [rule: string, what: string, path: string, text: string])[] = [
  ['folder-table', 'a wrong folder', 'pack/a.ts', `import { backup } from '../commands/backup.ts'`],
  [
    'folder-table',
    'a type from it',
    'base/a.ts',
    `import type { Backup } from '../model/backup.ts'`,
  ],
  [
    'folder-table',
    'a lazy import',
    'store/a.ts',
    `export const a = () => import('../plan/plan-backup.ts')`,
  ],
  [
    'folder-table',
    'a type in place',
    'base/a.ts',
    `export type A = import('../model/backup.ts').Backup`,
  ],
  ['folder-table', 'another’s main', 'commands/a.ts', `import '../main.ts'`],
  ['folder-table', 'a test', 'commands/a.ts', `import { a } from '../../test/a.ts'`],
  ['folder-table', 'a new folder', 'helpful/a.ts', `export const a = 1`],
  ['ts-ending', 'no ending', 'base/a.ts', `import './failure'`],
  ['ts-ending', 'a computed import', 'base/a.ts', `export const a = (b: string) => import(b)`],
  ['library', 'an unknown library', 'store/a.ts', `import leftPad from 'left-pad'`],
  ['library', 'Node without node:', 'store/a.ts', `import { readFileSync } from 'fs'`],
  ['library', 'at the wrong place', 'store/a.ts', `import { S3Client } from '@aws-sdk/client-s3'`],
  ['pure', 'files', 'plan/a.ts', `import { readFile } from 'node:fs/promises'`],
  ['pure', 'types of files', 'plan/a.ts', `import type { Stats } from 'node:fs'`],
  ['pure', 'processes', 'model/a.ts', `import { spawn } from 'node:child_process'`],
  ['pure', 'the network', 'stream/a.ts', `import { connect } from 'node:net'`],
  ['pure', 'timers', 'format/a.ts', `import { setTimeout } from 'node:timers/promises'`],
  ['pure', 'a fetch', 'plan/a.ts', `export const a = fetch('x')`],
  ['pure', 'the environment', 'plan/a.ts', `export const a = process.env.TZ`],
  ['pure', 'Date.now()', 'plan/a.ts', `export const a = Date.now()`],
  ['pure', 'new Date()', 'plan/a.ts', `export const a = new Date()`],
  ['pure', 'Temporal.Now', 'plan/a.ts', `export const a = Temporal.Now.instant()`],
  ['pure', 'performance', 'plan/a.ts', `export const a = performance.now()`],
  ['pure', 'Math.random()', 'plan/a.ts', `export const a = Math.random()`],
  ['pure', 'random bytes', 'format/a.ts', `import { createHash, randomBytes } from 'node:crypto'`],
  ['pure', 'a random id', 'model/a.ts', `export const a = () => crypto.randomUUID()`],
  ['pure', 'random values', 'model/a.ts', `export const a = crypto.getRandomValues(b)`],
  ['threads', 'threads', 'commands/a.ts', `import { Worker } from 'node:worker_threads'`],
  [
    'threads',
    'a worker',
    'store/a.ts',
    `export const a = new URL('./a-worker.ts', import.meta.url)`,
  ],
  ['barrel', 'an index', 'base/index.ts', `export const a = 1`],
  ['barrel', 'all of a file', 'base/a.ts', `export * from './failure.ts'`],
  ['barrel', 'all its types', 'base/a.ts', `export type * from './failure.ts'`],
  ['barrel', 'a re-export', 'base/a.ts', `export { Failure } from './failure.ts'`],
  ['barrel', 'a re-exported type', 'base/a.ts', `export type { Failure } from './failure.ts'`],
  ['default-export', 'a default', 'base/a.ts', `export default function a() {}`],
  ['default-export', 'a listed default', 'base/a.ts', `const a = 1\nexport { a as default }`],
  ['module-state', 'a variable', 'base/a.ts', `let count = 0\nexport const a = () => (count += 1)`],
  ['module-state', 'an exported one', 'base/a.ts', `export let a = 0`],
  ['banned-word', 'a file’s name', 'base/string-utils.ts', `export const a = 1`],
  ['banned-word', 'a function', 'base/a.ts', `export function handleError() {}`],
  ['banned-word', 'a class', 'base/a.ts', `export class StoreManager {}`],
  ['banned-word', 'a type', 'base/a.ts', `export interface BackupInfo {}`],
  ['banned-word', 'a constant', 'base/a.ts', `export const FILE_DATA = 1`],
  ['banned-word', 'a listed name', 'base/a.ts', `const a = 1\nexport { a as helper }`],
  ['banned-word', 'process as a verb', 'base/a.ts', `export async function processFile() {}`],
  ['file-length', '401 lines', 'base/a.ts', '// a\n'.repeat(401)],
  ['cycle', 'a circle of files', 'base/failure.ts', `import type { a } from './bytes.ts'`],
  ['cycle', 'a file that imports itself', 'base/a.ts', `import './a.ts'`],
  ['folder-line', 'a folder without its line', 'btrfs/a.ts', `export const a = 1`],
]

describe('checkSources()', () => {
  test('finds nothing in sources that keep every rule', () => {
    assert.deepEqual(checkSources(new Map(Object.entries(goodSources)), goodMap), [])
  })

  for (const [rule, what, path, text] of seeded) {
    test(`answers with ${rule} to ${what}`, () => {
      const sources = { ...goodSources, [path]: `${text}\n` }
      const map =
        rule === 'folder-line' ? goodMap : `${goodMap}\n- stream/\n- format/\n- btrfs/\n- helpful/`
      const violations = checkSources(new Map(Object.entries(sources)), map)
      assert.ok(violations.length > 0, 'nothing found')
      assert.deepEqual(
        [...new Set(violations.map(found => found.rule))],
        [rule],
        format(violations),
      )
    })
  }

  test('has a seeded violation for each of its rules', () => {
    assert.deepEqual([...new Set(seeded.map(([rule]) => rule))].sort(), [...ruleNames].sort())
  })

  test('takes a file of 400 lines', () => {
    const sources = { ...goodSources, 'base/a.ts': '// a\n'.repeat(400) }
    assert.deepEqual(checkSources(new Map(Object.entries(sources)), goodMap), [])
  })
})

describe('the scanner', () => {
  test('sees imports and exports of every form, and the lines they stand on', () => {
    const tokens = tokensOf(`import './a.ts'
import b, { c as d } from "./b.ts"
const e = await import('./e.ts')
export abstract class F { static import = /'import "x"'/ }
export { e, b as g }
export const h = \`\${\`import('./no.ts')\`}\`, i = 1 / 2 / import.meta.url.length
export type J = 'x'`)
    assert.deepEqual(
      importsOf(tokens).map(({ kind, specifier, line }) => [kind, specifier, line]),
      [
        ['static', './a.ts', 1],
        ['static', './b.ts', 2],
        ['dynamic', './e.ts', 3],
      ],
    )
    assert.deepEqual(
      exportsOf(tokens).map(({ kind, name, line }) => [kind, name, line]),
      [
        ['class', 'F', 4],
        ['listed', 'e', 5],
        ['listed', 'g', 5],
        ['const', 'h', 6],
        ['type', 'J', 7],
      ],
    )
  })
})

describe('src/', () => {
  const paths = globSync('**/*.ts', { cwd: `${root}/src` }).sort()
  const sources = new Map(paths.map(path => [path, readFileSync(`${root}/src/${path}`, 'utf8')]))

  test('keeps every rule of the house', () => {
    assert.ok(paths.length > 0)
    const violations = checkSources(sources, readFileSync(`${root}/src/README.md`, 'utf8'))
    assert.equal(format(violations), '')
  })

  test('has every import that its files name', () => {
    for (const [path, text] of sources) {
      const literal = text.match(/^(?:import|export)\b[^;'"]*?\bfrom '[^']+'/gm) ?? []
      assert.ok(
        importsOf(tokensOf(text)).length >= literal.length,
        `the scanner overlooks imports of ${path}`,
      )
    }
  })

  test('has a table that names only what there is', () => {
    const { devDependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
      devDependencies: Record<string, string>
    }
    const folders = Object.values(allowedImports).flat()
    assert.deepEqual(
      folders.filter(folder => !(folder in allowedImports)),
      [],
    )
    const scopes = Object.keys(devDependencies).map(name => name.split('/')[0])
    assert.deepEqual(
      Object.keys(libraries).filter(name => !scopes.includes(name)),
      [],
    )
  })
})

function format(violations: readonly Violation[]): string {
  return violations
    .map(({ rule, path, line, what }) => `src/${path}:${line}: ${rule}: ${what}`)
    .join('\n')
}
