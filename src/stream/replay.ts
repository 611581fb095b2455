// Replays streams or skeletons onto a tree: what a source looked like, from what was stored of it
// alone. The tree follows the source; `btrfs receive` does not always (it loses suid bits on a
// bare CHOWN, for one), and comparing the two shows where.

import { Attribute, Command, type CommandLayout } from './commands.ts'
import type { CommandFields } from './fields.ts'
import type { StreamIdentity } from './guard.ts'
import { CommandReader, type CommandVisitor } from './reader.ts'
import { commandProblem } from './rules.ts'
import { lastName, type NodeKind, specialKind, Tree, TreeNode } from './tree.ts'

export interface TreeReplayOptions {
  /** The parent's tree, for a stream that is a difference. It is taken over and changed. */
  readonly tree?: Tree | undefined
  /** `left-out`: a skeleton. Streams of `btrfs send --no-data` are `included`: they have none. */
  readonly payload: 'included' | 'left-out'
}

export class TreeReplay {
  readonly #reader: CommandReader
  readonly #edits: TreeEdits

  constructor({ tree, payload }: TreeReplayOptions) {
    this.#edits = new TreeEdits(tree)
    this.#reader = new CommandReader({ visitor: this.#edits, payload })
  }

  /** Throws Failure 'corrupt' when the stream does not fit the tree; the tree is then half changed. */
  write(chunk: Uint8Array): void {
    this.#reader.write(chunk)
  }

  finish(): Tree {
    this.#reader.finish()
    return this.#edits.tree
  }
}

const a = Attribute
const absent = 'its path does not exist'
const exists = 'its path exists already'

/** One method a command; each returns why the command is refused, if it is. */
export class TreeEdits implements CommandVisitor {
  readonly tree: Tree
  readonly #parent: StreamIdentity | undefined
  /** Names and xattrs repeat from inode to inode: one string each is kept. */
  readonly #pool = new Map<string, string>()
  // Consecutive commands mostly speak of one inode.
  #lastPath = ''
  #lastNode: TreeNode | undefined

  constructor(parent: Tree | undefined) {
    this.tree = parent ?? new Tree()
    this.#parent = parent?.identity
    this.tree.identity = undefined
  }

  command(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined {
    return commandProblem(layout, fields, payloadBytes) ?? this.apply(layout, fields, payloadBytes)
  }

  /** A command that a guard agreed to. */
  apply(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined {
    const id: number = layout.id
    if (id === Command.subvol || id === Command.snapshot) return this.#begin(id, fields)
    if (this.tree.identity === undefined)
      return 'it comes before the command that names the snapshot'
    if (id === Command.end) return undefined
    const path = fields.latin1(a.path)
    return id <= Command.rmdir
      ? this.#editNames(id, path, fields)
      : this.#editNode(id, path, { fields, payloadBytes })
  }

  #begin(id: number, fields: CommandFields): string | undefined {
    if (this.tree.identity !== undefined) return 'the stream holds a second snapshot'
    const own = { uuid: fields.uuid(a.uuid), ctransid: fields.u64(a.ctransid) }
    const parent = this.#parent
    if (id === Command.subvol && parent !== undefined) return 'a full stream has no parent tree'
    if (id === Command.snapshot) {
      const named = { uuid: fields.uuid(a.cloneUuid), ctransid: fields.u64(a.cloneCtransid) }
      if (parent === undefined) return `the tree of its parent ${named.uuid} is needed`
      if (parent.uuid !== named.uuid || parent.ctransid !== named.ctransid) {
        return `its parent is ${named.uuid}, and the tree is of ${parent.uuid} or another state of it`
      }
    }
    this.tree.identity = own
    return undefined
  }

  #editNames(id: number, path: string, fields: CommandFields): string | undefined {
    this.#lastNode = undefined
    switch (id) {
      case Command.mkfile:
        return this.#create(path, new TreeNode('file', 0o600))
      case Command.mkdir:
        return this.#create(path, new TreeNode('folder', 0o700))
      case Command.mknod:
      case Command.mkfifo:
      case Command.mksock:
        return this.#createSpecial(path, fields)
      case Command.symlink:
        return this.#createSymlink(path, fields.latin1(a.pathLink))
      case Command.rename:
        return this.#rename(path, fields.latin1(a.pathTo))
      case Command.link:
        return this.#link(path, fields.latin1(a.pathLink))
      case Command.unlink:
        return this.#remove(path, 'unlink')
      default:
        return this.#remove(path, 'rmdir')
    }
  }

  #createSpecial(path: string, fields: CommandFields): string | undefined {
    const mode = fields.u64(a.mode)
    const node = new TreeNode(specialKind(mode) as NodeKind, mode & 0o7777)
    if (node.kind === 'char' || node.kind === 'block') node.rdev = fields.u64(a.rdev)
    return this.#create(path, node)
  }

  #createSymlink(path: string, target: string): string | undefined {
    const node = new TreeNode('symlink', 0o777)
    node.target = target
    node.size = target.length
    return this.#create(path, node)
  }

  #create(path: string, node: TreeNode): string | undefined {
    const folder = this.tree.folderOf(path)
    if (folder === undefined) return absent
    const name = this.#kept(lastName(path))
    folder.children ??= new Map()
    if (folder.children.has(name)) return exists
    folder.children.set(name, node)
    node.links += 1
    return undefined
  }

  #link(path: string, existing: string): string | undefined {
    const node = this.tree.find(existing)
    if (node === undefined) return absent
    return node.kind === 'folder' ? 'it links a folder' : this.#create(path, node)
  }

  #rename(from: string, to: string): string | undefined {
    const moved = this.tree.find(from)
    const target = this.tree.folderOf(to)
    if (moved === undefined || target === undefined) return absent
    const replaced = target.children?.get(lastName(to))
    // rename(2): between two names of one file nothing happens, both stay.
    if (replaced === moved) return undefined
    if (replaced !== undefined) {
      const wrong = this.#remove(to, moved.kind === 'folder' ? 'rmdir' : 'unlink')
      if (wrong !== undefined) return wrong
    }
    this.#forget(from, moved)
    return this.#create(to, moved)
  }

  #remove(path: string, how: 'unlink' | 'rmdir'): string | undefined {
    const node = this.tree.find(path)
    if (node === undefined) return absent
    if ((node.kind === 'folder') !== (how === 'rmdir')) return 'its path is of another type'
    if (node.children !== undefined && node.children.size > 0) return 'its folder is not empty'
    this.#forget(path, node)
    return undefined
  }

  #forget(path: string, node: TreeNode): void {
    const folder = this.tree.folderOf(path) as TreeNode
    folder.children?.delete(lastName(path))
    if (folder.children?.size === 0) folder.children = undefined
    node.links -= 1
  }

  #editNode(
    id: number,
    path: string,
    { fields, payloadBytes }: { fields: CommandFields; payloadBytes: number },
  ): string | undefined {
    const node = this.#find(path)
    if (node === undefined) return absent
    switch (id) {
      case Command.setXattr:
        node.setXattr(
          this.#kept(fields.latin1(a.xattrName)),
          this.#kept(fields.latin1(a.xattrData)),
        )
        return undefined
      case Command.removeXattr:
        return node.setXattr(fields.latin1(a.xattrName), undefined) ||
          isNeverSet(fields.latin1(a.xattrName))
          ? undefined
          : 'there is no such xattr'
      case Command.chmod:
        node.mode = fields.u64(a.mode)
        return undefined
      case Command.chown:
        node.uid = fields.u64(a.uid)
        node.gid = fields.u64(a.gid)
        return undefined
      case Command.utimes:
        node.mtimeSeconds = fields.seconds(a.mtime)
        node.mtimeNanoseconds = fields.nanoseconds(a.mtime)
        return undefined
      case Command.fileattr:
        return undefined
      default:
        if (node.kind !== 'file') return 'its path is no file'
        node.size = sizeAfter(id, node.size, { fields, payloadBytes })
        return undefined
    }
  }

  #find(path: string): TreeNode | undefined {
    if (this.#lastNode !== undefined && path === this.#lastPath) return this.#lastNode
    this.#lastPath = path
    this.#lastNode = this.tree.find(path)
    return this.#lastNode
  }

  /** The same text without the path or the buffer that it was cut from, which would stay in memory. */
  #kept(text: string): string {
    const known = this.#pool.get(text)
    if (known !== undefined) return known
    const copy = Buffer.from(text, 'latin1').toString('latin1')
    if (this.#pool.size < poolLimit) this.#pool.set(copy, copy)
    return copy
  }
}

/**
 * The kernel (to 6.18 at least) leaves out SET_XATTR for names that begin `security.capability`, as
 * it compares only as many bytes as the name has; but it sends their removal.
 */
export function isNeverSet(xattrName: string): boolean {
  return xattrName !== capability && capability.startsWith(xattrName)
}

const capability = 'security.capability'
const poolLimit = 4096
const keepSize = 0x01

/** A file's size after a command on its data. */
function sizeAfter(
  id: number,
  size: number,
  { fields, payloadBytes }: { fields: CommandFields; payloadBytes: number },
): number {
  if (id === Command.truncate) return fields.u64(a.size)
  const grownBy = (length: number) => Math.max(size, fields.u64(a.fileOffset) + length)
  switch (id) {
    case Command.write:
      return grownBy(payloadBytes)
    case Command.encodedWrite:
      return grownBy(fields.u64(a.unencodedFileLen))
    case Command.clone:
      return grownBy(fields.u64(a.cloneLen))
    case Command.fallocate:
      return fields.u32(a.fallocateMode) & keepSize ? size : grownBy(fields.u64(a.size))
    default:
      return grownBy(fields.u64(a.size))
  }
}
