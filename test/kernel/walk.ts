// What the independent walker sees of a tree, and how two trees differ in its eyes: the judge of
// what a restore brought back. Shares no code with the program.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Comparison } from '../../src/commands/restore/compare-restored.ts'
import type { TreeDifference } from '../../src/stream/compare.ts'

/** By path with its bytes escaped, empty for the root: the walker's fields. */
export type Walk = ReadonlyMap<string, readonly string[]>

export function walk(root: string): Walk {
  const script = join(import.meta.dirname, '../support/walk.py')
  const text = execFileSync('/usr/bin/python3', [script, root], {
    encoding: 'utf8',
    maxBuffer: 1024 * 1024 * 1024,
    timeout: 120_000,
  })
  const lines = text.split('\n').slice(0, -1)
  return new Map(
    lines.map(line => {
      const [path = '', ...fields] = line.split(' ')
      return [path.slice(1), fields]
    }),
  )
}

/** Fails with the first differences, as the walker tells them. */
export function assertSameTree(
  actual: Walk,
  expected: Walk,
  { label, unseen = [] }: { readonly label: string; readonly unseen?: readonly string[] },
): void {
  const differences = differencesOf(expected, actual, unseen)
  assert.deepEqual(differences.slice(0, 10), [], `${label}: ${differences.length} differences`)
  assert.ok(expected.size > 0)
}

/**
 * `path: aspect` for all that differs, sorted; below what is missing, extra or of another type
 * nothing more. A file of several names counts once, under the name that the walker met first.
 * Aspects that are `unseen` are left out.
 */
export function differencesOf(
  expected: Walk,
  actual: Walk,
  unseen: readonly string[] = [],
): string[] {
  const found = new Set<string>()
  const cut: string[] = []
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort(upperFirst)) {
    if (cut.some(upper => path.startsWith(`${upper}/`))) continue
    const [left, right] = [expected.get(path), actual.get(path)]
    const aspects = left && right ? aspectsOf(left, right) : [left ? 'missing' : 'extra']
    if (aspects.some(aspect => ['missing', 'extra', 'type'].includes(aspect))) cut.push(path)
    for (const aspect of aspects) {
      if (!unseen.includes(aspect)) found.add(`${firstName(expected, path)}: ${aspect}`)
    }
  }
  return [...found].sort()
}

/** The program's own word on the differences, in the same form. */
export function reportedDifferences(comparison: Comparison, expected: Walk): string[] {
  const metadata = comparison.differences.map(difference => {
    const path = firstName(expected, escape(difference.path))
    return `${path}: ${reportedAspect(difference)}`
  })
  const contents = comparison.contentDifferences.map(path => `${escape(path)}: content`)
  return [...new Set([...metadata, ...contents])].sort()
}

/**
 * The report tells all that the walker sees and nothing else. `unseen` are aspects that no send
 * stream holds.
 */
export function assertExplained(
  comparison: Comparison,
  walks: { readonly expected: Walk; readonly actual: Walk },
  unseen: readonly string[] = [],
): void {
  const seen = differencesOf(walks.expected, walks.actual, unseen)
  const told = reportedDifferences(comparison, walks.expected)
  assert.equal(
    comparison.differenceCount,
    seen.length,
    `seen: ${seen.join()}; told: ${told.join()}`,
  )
  const untold = comparison.differenceCount - told.length
  if (untold === 0) assert.deepEqual(told, seen)
  else for (const line of told) assert.ok(seen.includes(line), `told but not seen: ${line}`)
}

function aspectsOf(left: readonly string[], right: readonly string[]): string[] {
  if (left[0] !== right[0]) return ['type']
  const [ours, theirs] = [valuesOf(left), valuesOf(right)]
  const names = new Set([...ours.keys(), ...theirs.keys()])
  return [...names].filter(name => ours.get(name) !== theirs.get(name)).map(aspectOf)
}

function valuesOf(fields: readonly string[]): Map<string, string> {
  return new Map(
    fields.slice(1).map(field => {
      const at = field.indexOf('=')
      return [field.slice(0, at), field.slice(at + 1)]
    }),
  )
}

function aspectOf(field: string): string {
  const names: Record<string, string> = {
    uid: 'owner',
    gid: 'owner',
    nlink: 'links',
    linked: 'links',
    rdev: 'device',
    sha256: 'content',
  }
  return names[field] ?? field
}

function reportedAspect({ what, expected, actual }: TreeDifference): string {
  if (what !== 'xattr') return what
  const [name = ''] = (expected ?? actual ?? '').split('=')
  return `xattr:${escape(name)}`
}

function firstName(tree: Walk, path: string): string {
  const linked = tree.get(path)?.find(field => field.startsWith('linked='))
  return linked === undefined ? path : linked.slice('linked='.length)
}

/** Folders before what they hold. */
function upperFirst(left: string, right: string): number {
  return left.length - right.length || (left < right ? -1 : 1)
}

/** As the walker does: one character a byte in, printable ASCII out. */
function escape(text: string): string {
  return text.replaceAll(
    /[^!-~]|[\\=]/g,
    character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
