// What differs between two trees: what should be there, and what is.

import { pairsOf, type Tree, type TreeNode } from './tree.ts'

export type DifferenceKind =
  | 'missing'
  | 'extra'
  | 'type'
  | 'mode'
  | 'owner'
  | 'size'
  | 'mtime'
  | 'target'
  | 'device'
  | 'xattr'
  | 'links'

/** Plain data. Text is one character a byte; paths are the user's own (L10). */
export interface TreeDifference {
  /** Empty for the root. */
  readonly path: string
  readonly what: DifferenceKind
  /** For `xattr` of the form `name=value`; for `links` another path of the same file. */
  readonly expected: string | undefined
  readonly actual: string | undefined
}

/**
 * Every difference, folders before what they hold. Below a missing, extra or differently typed
 * path nothing further is told. Hard links are compared by which names belong together.
 */
export function* compareTrees(expected: Tree, actual: Tree): Generator<TreeDifference> {
  yield* comparePair('', { expected: expected.root, actual: actual.root }, new LinkGroups())
}

interface Pair {
  readonly expected: TreeNode
  readonly actual: TreeNode
}

function* comparePair(path: string, pair: Pair, groups: LinkGroups): Generator<TreeDifference> {
  const { expected, actual } = pair
  if (expected.kind !== actual.kind) {
    yield { path, what: 'type', expected: expected.kind, actual: actual.kind }
    return
  }
  const links = groups.join(path, pair)
  if (links.difference !== undefined) yield links.difference
  if (links.seen) return
  yield* compareNodes(path, pair)
  if (expected.kind !== 'folder') return
  for (const name of namesOf(expected, actual)) {
    const inside = path === '' ? name : `${path}/${name}`
    const left = expected.children?.get(name)
    const right = actual.children?.get(name)
    if (left !== undefined && right !== undefined) {
      yield* comparePair(inside, { expected: left, actual: right }, groups)
    } else {
      const what = left === undefined ? 'extra' : 'missing'
      yield { path: inside, what, expected: left?.kind, actual: right?.kind }
    }
  }
}

function* compareNodes(path: string, { expected, actual }: Pair): Generator<TreeDifference> {
  for (const [what, describe] of aspects) {
    const left = describe(expected)
    const right = describe(actual)
    if (left !== right) yield { path, what, expected: left, actual: right }
  }
  yield* compareXattrs(path, { expected, actual })
}

const aspects: readonly (readonly [DifferenceKind, (node: TreeNode) => string | undefined])[] = [
  ['mode', node => node.mode.toString(8).padStart(4, '0')],
  ['owner', node => `${node.uid}:${node.gid}`],
  ['size', node => (node.kind === 'file' ? String(node.size) : undefined)],
  ['mtime', node => `${node.mtimeSeconds}.${String(node.mtimeNanoseconds).padStart(9, '0')}`],
  ['target', node => node.target],
  ['device', node => (node.rdev === 0 ? undefined : String(node.rdev))],
]

function* compareXattrs(path: string, { expected, actual }: Pair): Generator<TreeDifference> {
  const names = new Set(
    [...pairsOf(expected.xattrs), ...pairsOf(actual.xattrs)].map(pair => pair[0]),
  )
  for (const name of names) {
    const left = expected.xattr(name)
    const right = actual.xattr(name)
    if (left === right) continue
    const shown = (value: string | undefined) =>
      value === undefined ? undefined : `${name}=${value}`
    yield { path, what: 'xattr', expected: shown(left), actual: shown(right) }
  }
}

function namesOf(expected: TreeNode, actual: TreeNode): string[] {
  const names = new Set([...(expected.children?.keys() ?? []), ...(actual.children?.keys() ?? [])])
  return [...names].sort()
}

interface Joined {
  /** The same pair was met under an earlier name. */
  readonly seen: boolean
  readonly difference?: TreeDifference
}

/** Which files of several names correspond, and the name under which each was met first. */
class LinkGroups {
  readonly #expected = new Map<TreeNode, { readonly path: string; readonly other: TreeNode }>()
  readonly #actual = new Map<TreeNode, { readonly path: string; readonly other: TreeNode }>()

  join(path: string, { expected, actual }: Pair): Joined {
    if (expected.links < 2 && actual.links < 2) return { seen: false }
    const left = this.#expected.get(expected)
    const right = this.#actual.get(actual)
    if (left?.other === actual && right?.other === expected) return { seen: true }
    if (left === undefined) this.#expected.set(expected, { path, other: actual })
    if (right === undefined) this.#actual.set(actual, { path, other: expected })
    if (left === undefined && right === undefined) return { seen: false }
    const difference = { path, what: 'links', expected: left?.path, actual: right?.path } as const
    return { seen: false, difference }
  }
}
