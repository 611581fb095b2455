import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as assertProperty, constantFrom, property, record } from 'fast-check'
import { SymlinkNames } from '../../src/stream/symlink-names.ts'

test('SymlinkNames forgets what was removed or replaced, and folders that hold nothing more', () => {
  const names = new SymlinkNames()
  names.add('a/b/ln')
  names.add('a/other')
  assert.ok(names.leadsThrough('a/b/ln/x'))
  assert.ok(!names.leadsThrough('a/b/ln'))
  assert.ok(!names.leadsThrough('a/b/lnx/y'))
  names.rename('file', 'a/other')
  assert.ok(!names.has('a/other'))
  names.rename('a', 'moved')
  assert.ok(!names.leadsThrough('a/b/ln/x'))
  assert.ok(names.leadsThrough('moved/b/ln/x'))
  names.remove('moved/b/ln')
  assert.equal(names.count, 0)
})

test('SymlinkNames holds no more than its limit, and says how many it does not hold', () => {
  const names = new SymlinkNames({ limit: 2 })
  for (const name of ['a', 'b', 'c', 'd']) names.add(name)
  assert.equal(names.count, 2)
  assert.equal(names.untrackedCount, 2)
})

test('SymlinkNames agrees with a plain table of all names', () => {
  const path = constantFrom('a', 'b', 'd', 'd/a', 'd/e', 'd/e/a', 'f', 'f/b')
  const step = record({ what: constantFrom('add', 'link', 'remove', 'rename'), path, other: path })
  assertProperty(
    property(array(step, { maxLength: 30 }), steps => {
      const names = new SymlinkNames()
      const table = new Map<string, number>()
      for (const [index, { what, path: first, other }] of steps.entries()) {
        if (!isPossible(table, { what, path: first, other })) continue
        if (what === 'add' && !table.has(first)) {
          names.add(first)
          table.set(first, index)
        } else if (what === 'link' && table.has(first) && !table.has(other)) {
          names.link(first, other)
          table.set(other, table.get(first) as number)
        } else if (what === 'remove') {
          names.remove(first)
          table.delete(first)
        } else if (what === 'rename' && first !== other) {
          names.rename(first, other)
          renameInTable(table, first, other)
        }
        assert.equal(names.count, table.size)
        for (const each of table.keys())
          assert.ok(names.has(each) && names.leadsThrough(`${each}/x`))
      }
    }),
    { seed: 7, numRuns: 2000 },
  )
})

interface Step {
  readonly what: string
  readonly path: string
  readonly other: string
}

/** A filesystem has no names below a symlink and replaces no folder that holds something. */
function isPossible(
  table: ReadonlyMap<string, number>,
  { what, path: first, other }: Step,
): boolean {
  const held = [...table.keys()]
  const below = (path: string, folder: string) => path.startsWith(`${folder}/`)
  if (below(first, other) || below(other, first)) return false
  if (what !== 'rename' && held.some(each => below(each, first) || below(each, other))) return false
  if (held.some(each => below(first, each) || below(other, each))) return false
  return (
    !held.some(each => below(each, other)) &&
    !(held.some(each => below(each, first)) && table.has(other))
  )
}

function renameInTable(table: Map<string, number>, from: string, to: string): void {
  if (table.has(from) && table.get(from) === table.get(to)) return
  table.delete(to)
  for (const [path, id] of table.entries().toArray()) {
    if (path !== from && !path.startsWith(`${from}/`)) continue
    table.delete(path)
    table.set(to + path.slice(from.length), id)
  }
}

test('SymlinkNames.clone() gives names of its own', () => {
  const names = new SymlinkNames()
  names.add('folder/ln')
  const copy = names.clone()
  copy.remove('folder/ln')
  copy.add('other')
  assert.equal(names.leadsThrough('folder/ln/x'), true)
  assert.equal(names.has('other'), false)
  assert.equal(copy.count, 1)
  assert.equal(copy.leadsThrough('folder/ln/x'), false)
})
