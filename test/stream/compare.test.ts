import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { compareTrees } from '../../src/stream/compare.ts'
import { encodeCommand } from '../../src/stream/encode.ts'
import { TreeReplay } from '../../src/stream/replay.ts'
import type { Tree } from '../../src/stream/tree.ts'
import { anyTimes, type Command, command, encode, head, parentUuid } from './sample-stream.ts'

/** Replays the commands as a full stream, or as a difference from `parent`. */
function tree(commands: readonly Command[], parent?: Tree): Tree {
  const replay = new TreeReplay({ payload: 'included', tree: parent })
  const encoded = commands.map(([name, attributes]) => encodeCommand(name, attributes, 2))
  const start = head(2, parent === undefined ? undefined : parentUuid)
  replay.write(concatBytes([start, ...encoded, encode('end', {}, 2)]))
  return replay.finish()
}

const make = {
  file: (path: string) => command('mkfile', { path, ino: 257 }),
  folder: (path: string) => command('mkdir', { path, ino: 257 }),
  symlink: (path: string, pathLink: string) => command('symlink', { path, ino: 257, pathLink }),
  link: (pathLink: string, path: string) => command('link', { path, pathLink }),
  rename: (path: string, pathTo: string) => command('rename', { path, pathTo }),
  unlink: (path: string) => command('unlink', { path }),
  write: (path: string, fileOffset: number, bytes: number) =>
    command('write', { path, fileOffset, data: Buffer.alloc(bytes) }),
  allocate: (fallocateMode: number, fileOffset: number, size: number) =>
    command('fallocate', { path: 'f', fallocateMode, fileOffset, size }),
}

function sizeOf(commands: readonly Command[]): number | undefined {
  return tree([make.file('f'), ...commands]).find('f')?.size
}

function pathsOf(commands: readonly Command[]): string[] {
  return Array.from(tree(commands).walk(), each => each.path).slice(1)
}

test('TreeReplay follows a size through every command that can change it', () => {
  assert.equal(sizeOf([make.write('f', 100, 50)]), 150)
  assert.equal(sizeOf([make.write('f', 100, 50), make.write('f', 0, 50)]), 150)
  assert.equal(sizeOf([command('truncate', { path: 'f', size: 9 })]), 9)
  assert.equal(sizeOf([make.write('f', 0, 50), command('truncate', { path: 'f', size: 9 })]), 9)
  assert.equal(sizeOf([make.allocate(3, 0, 8192)]), 0)
  assert.equal(sizeOf([make.allocate(1, 0, 8192)]), 0)
  assert.equal(sizeOf([make.allocate(0, 4096, 8192)]), 12_288)
  assert.equal(sizeOf([make.allocate(0x11, 0, 8192)]), 0)
  assert.equal(sizeOf([command('updateExtent', { path: 'f', fileOffset: 10, size: 5 })]), 15)
})

test('TreeReplay renames over what is there, and does nothing between two names of one file', () => {
  assert.deepEqual(pathsOf([make.file('a'), make.file('b'), make.rename('a', 'b')]), ['b'])
  const both = [make.file('a'), make.link('a', 'b'), make.rename('a', 'b')]
  assert.deepEqual(pathsOf(both), ['a', 'b'])
  const over = tree([make.file('a'), make.link('a', 'b'), make.file('c'), make.rename('c', 'b')])
  assert.equal(over.find('a')?.links, 1)
  const folders = [make.folder('d'), make.folder('e'), make.file('d/x'), make.rename('d', 'e')]
  assert.deepEqual(pathsOf(folders), ['e', 'e/x'])
})

test('TreeReplay does not confuse what a name was with what it is', () => {
  const swapped = tree([
    make.file('a'),
    command('chmod', { path: 'a', mode: 0o600 }),
    make.rename('a', 'b'),
    make.file('a'),
    command('chmod', { path: 'a', mode: 0o777 }),
  ])
  assert.equal(swapped.find('a')?.mode, 0o777)
  assert.equal(swapped.find('b')?.mode, 0o600)
})

test('TreeReplay refuses commands that do not fit the tree', () => {
  const refused: Readonly<Record<string, readonly Command[]>> = {
    'its path does not exist': [make.unlink('a')],
    'its path exists already': [make.file('a'), make.file('a')],
    'its folder is not empty': [
      make.folder('d'),
      make.file('d/x'),
      command('rmdir', { path: 'd' }),
    ],
    'its path is of another type': [make.folder('d'), make.unlink('d')],
    'it links a folder': [make.folder('d'), make.link('d', 'e')],
    'its path is no file': [make.folder('d'), make.write('d', 0, 1)],
    'there is no such xattr': [
      make.file('a'),
      command('removeXattr', { path: 'a', xattrName: 'x' }),
    ],
  }
  for (const [why, commands] of Object.entries(refused)) {
    assert.throws(() => tree(commands), new RegExp(why))
  }
  const parent = tree([])
  assert.throws(() => tree([], parent), /its parent is aaaaaaaa/)
  const orphan = new TreeReplay({ payload: 'included' })
  assert.throws(
    () => orphan.write(head(2, parentUuid)),
    /the tree of its parent aaaaaaaa.* is needed/,
  )
})

test('compareTrees() finds nothing between equal trees, and each kind of difference', () => {
  const base = [make.folder('d'), make.file('d/f'), make.symlink('s', 'x')]
  assert.deepEqual(compareTrees(tree(base), tree(base)).toArray(), [])
  const device = (rdev: number) => command('mknod', { path: 'c', ino: 1, rdev, mode: 0o020600 })
  const xattr = (text: string) =>
    command('setXattr', { path: 'd/f', xattrName: 'user.x', xattrData: Buffer.from(text) })
  const cases = [
    ['missing', [make.file('a')], [], 'file', undefined],
    ['extra', [], [make.folder('a')], undefined, 'folder'],
    ['type', [make.file('a')], [make.folder('a')], 'file', 'folder'],
    ['mode', [], [command('chmod', { path: 'd', mode: 0o1777 })], '0700', '1777'],
    [
      'owner',
      [],
      [command('chown', { path: 's', uid: 4_000_000_000, gid: 2 })],
      '0:0',
      '4000000000:2',
    ],
    ['size', [make.write('d/f', 0, 7)], [], '7', '0'],
    [
      'mtime',
      [command('utimes', { path: '', ...anyTimes })],
      [],
      '1700000000.123456789',
      '0.000000000',
    ],
    ['target', [make.symlink('l', 'this')], [make.symlink('l', 'that')], 'this', 'that'],
    ['device', [device(0x103)], [device(0x105)], '259', '261'],
    ['xattr', [xattr('one')], [xattr('two')], 'user.x=one', 'user.x=two'],
    ['xattr', [xattr('')], [], 'user.x=', undefined],
  ] as const
  for (const [what, left, right, expected, actual] of cases) {
    const found = compareTrees(tree([...base, ...left]), tree([...base, ...right])).toArray()
    assert.deepEqual(
      found.map(each => ({ ...each, path: '' })),
      [{ path: '', what, expected, actual }],
    )
  }
})

test('compareTrees() tells hard links by which names belong together', () => {
  const grouped = (...pairs: readonly (readonly [string, string])[]) =>
    tree(pairs.flatMap(([first, second]) => [make.file(first), make.link(first, second)]))
  const same = grouped(['a', 'c'], ['b', 'd'])
  assert.deepEqual(compareTrees(same, grouped(['c', 'a'], ['d', 'b'])).toArray(), [])
  const crossed = compareTrees(same, grouped(['a', 'd'], ['b', 'c'])).toArray()
  assert.deepEqual(crossed, [
    { path: 'c', what: 'links', expected: 'a', actual: 'b' },
    { path: 'd', what: 'links', expected: 'b', actual: 'a' },
  ])
  const split = tree([make.file('a'), make.file('c'), make.file('b'), make.link('b', 'd')])
  const broken = compareTrees(same, split).toArray()
  assert.deepEqual(broken, [{ path: 'c', what: 'links', expected: 'a', actual: undefined }])
})
