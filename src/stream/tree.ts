// A file tree without its file data, as a chain of streams leaves it. Measured: about 250 bytes
// of memory for each inode with one name and no xattrs.

import type { StreamIdentity } from './guard.ts'
import { modeType } from './rules.ts'

export type NodeKind = 'file' | 'folder' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'

/** One inode. Text is one character a byte. */
export class TreeNode {
  readonly kind: NodeKind
  /** Permissions, with suid, sgid and sticky; not the type. */
  mode: number
  uid = 0
  gid = 0
  /** Of files; a symlink's target's length; 0 for others. Rounded beyond 2^53. */
  size = 0
  mtimeSeconds = 0
  mtimeNanoseconds = 0
  /** Of devices: as the kernel encodes it for user space. */
  rdev = 0
  /** How many names it has in the tree. */
  links = 0
  target: string | undefined
  /** Name, value, name, value …, by name. Flat and shared, for most nodes have few and the same. */
  xattrs: readonly string[] = noXattrs
  /** Of folders; undefined while empty. */
  children: Map<string, TreeNode> | undefined

  constructor(kind: NodeKind, mode: number) {
    this.kind = kind
    this.mode = mode
  }

  xattr(name: string): string | undefined {
    const at = this.#xattrAt(name)
    return at < 0 ? undefined : this.xattrs[at + 1]
  }

  /** Undefined removes it. Says whether that changed which names there are. */
  setXattr(name: string, value: string | undefined): boolean {
    const pairs = pairsOf(this.xattrs).filter(pair => pair[0] !== name)
    const changed = this.#xattrAt(name) >= 0 !== (value !== undefined)
    if (value !== undefined) pairs.push([name, value])
    pairs.sort((a, b) => (a[0] < b[0] ? -1 : 1))
    this.xattrs = pairs.length === 0 ? noXattrs : pairs.flat()
    return changed
  }

  #xattrAt(name: string): number {
    for (let at = 0; at < this.xattrs.length; at += 2) if (this.xattrs[at] === name) return at
    return -1
  }
}

const noXattrs: readonly string[] = []

export class Tree {
  readonly root = new TreeNode('folder', 0o755)
  /** The snapshot that the tree is of: what a further stream must name as its parent. */
  identity: StreamIdentity | undefined

  constructor() {
    this.root.links = 1
  }

  /** Undefined when there is nothing of that name. The empty path is the root. */
  find(path: string): TreeNode | undefined {
    if (path === '') return this.root
    let node = this.root
    let start = 0
    for (;;) {
      const slash = path.indexOf('/', start)
      const next = node.children?.get(path.slice(start, slash < 0 ? undefined : slash))
      if (next === undefined || slash < 0) return next
      node = next
      start = slash + 1
    }
  }

  /** A tree of its own, with the same files of several names. */
  clone(): Tree {
    const copy = new Tree()
    copy.identity = this.identity
    fill(copy.root, this.root, new Map())
    return copy
  }

  /** Every name with its node, folders before what they hold, names in the order of their bytes. */
  *walk(): Generator<{ readonly path: string; readonly node: TreeNode }> {
    yield* walkBelow('', this.root)
  }

  /** The folder that holds `path`'s last name. */
  folderOf(path: string): TreeNode | undefined {
    const folder = this.find(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    return folder?.kind === 'folder' ? folder : undefined
  }
}

/** Makes `copy` what `node` is; `made` has the copies of what has several names. */
function fill(copy: TreeNode, node: TreeNode, made: Map<TreeNode, TreeNode>): void {
  const { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds } = node
  const { rdev, links, target, xattrs } = node
  const own = { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, rdev, links, target, xattrs }
  Object.assign(copy, own)
  if (node.children === undefined) return
  copy.children = new Map()
  for (const [name, child] of node.children) copy.children.set(name, copyOf(child, made))
}

function copyOf(node: TreeNode, made: Map<TreeNode, TreeNode>): TreeNode {
  const known = made.get(node)
  if (known !== undefined) return known
  const copy = new TreeNode(node.kind, node.mode)
  if (node.links > 1) made.set(node, copy)
  fill(copy, node, made)
  return copy
}

/** A node of what MKNOD, MKFIFO or MKSOCK says. */
export function specialKind(mode: number): NodeKind | undefined {
  switch (mode & modeType.mask) {
    case modeType.fifo:
      return 'fifo'
    case modeType.socket:
      return 'socket'
    case modeType.char:
      return 'char'
    case modeType.block:
      return 'block'
    default:
      return undefined
  }
}

export function pairsOf(xattrs: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at < xattrs.length; at += 2) {
    pairs.push([xattrs[at] as string, xattrs[at + 1] as string])
  }
  return pairs
}

export function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function* walkBelow(
  path: string,
  node: TreeNode,
): Generator<{ readonly path: string; readonly node: TreeNode }> {
  yield { path, node }
  for (const name of [...(node.children?.keys() ?? [])].sort()) {
    const child = node.children?.get(name) as TreeNode
    yield* walkBelow(path === '' ? name : `${path}/${name}`, child)
  }
}
