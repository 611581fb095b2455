// Puts into a stream what `btrfs receive` would lose of it, all of it facts that the stream and
// its parents hold already:
//
// - the suid and sgid bits of a file whose owner changed: the kernel sends CHOWN without CHMOD when
//   the mode is the same as before, and chown(2) clears them;
// - the root's time: receive makes every new inode in the root first, which changes it;
// - default ACLs and properties of the root, which every new inode would inherit, for the same
//   reason: they are taken off at the beginning and put back at the end;
// - everything after the removal of an xattr that was never sent: receive gives up there.

import { Attribute, Command, type CommandLayout } from './commands.ts'
import { encodeCommand } from './encode.ts'
import type { CommandFields } from './fields.ts'
import { StreamGuard, type StreamGuardOptions } from './guard.ts'
import type { CommandVisitor } from './reader.ts'
import { isNeverSet, TreeEdits } from './replay.ts'
import { pairsOf, type Tree } from './tree.ts'

/** Attributes of a folder that what is made in it gets too. */
const inherited = new Set(['system.posix_acl_default', 'btrfs.compression'])

const setIdBits = 0o6000

interface Splice {
  /** Stream offsets; what lies between them is left out. */
  readonly start: number
  readonly end: number
  readonly insert: readonly Uint8Array[]
}

export interface StreamMenderOptions extends Pick<StreamGuardOptions, 'expect' | 'symlinks'> {
  /** The parent's, for a difference; it is taken over and changed. */
  readonly tree: Tree | undefined
}

/** Guards the stream in the same pass. */
export class StreamMender {
  readonly #guard: StreamGuard
  readonly #edits: MendingEdits
  /** The start of a head that is not whole yet: it may have to be left out. */
  #kept: Uint8Array = new Uint8Array(0)

  constructor({ tree, ...guard }: StreamMenderOptions) {
    this.#edits = new MendingEdits(tree, () => this.#guard.reader)
    this.#guard = new StreamGuard({ ...guard, also: this.#edits })
  }

  /**
   * What to pass on. Pieces are views of `chunk`, which must stay as it is until they are used.
   * Throws Failure 'corrupt' when the guard refuses the stream, or it does not fit the tree.
   */
  write(chunk: Uint8Array): Uint8Array[] {
    const { reader } = this.#guard
    const before = reader.bytes
    this.#guard.write(chunk)
    const safe = reader.bytes - reader.openHeadBytes
    const source = [
      { offset: before - this.#kept.length, bytes: this.#kept },
      { offset: before, bytes: chunk },
    ]
    const out: Uint8Array[] = []
    let at = before - this.#kept.length
    for (const { start, end, insert } of this.#edits.splices.splice(0)) {
      out.push(...cut(source, at, start), ...insert)
      at = end
    }
    out.push(...cut(source, at, safe))
    this.#kept = joined(cut(source, safe, reader.bytes))
    return out.filter(piece => piece.length > 0)
  }

  /** The tree as it was at the source; now also what receive makes of it. */
  finish(): Tree {
    this.#guard.finish()
    return this.#edits.tree
  }
}

class MendingEdits implements Pick<CommandVisitor, 'command'> {
  readonly splices: Splice[] = []
  readonly #replay: TreeEdits
  readonly #inherited: readonly string[]
  readonly #reader: () => StreamGuard['reader']

  constructor(tree: Tree | undefined, reader: () => StreamGuard['reader']) {
    this.#replay = new TreeEdits(tree)
    this.#reader = reader
    this.#inherited = this.#onRoot().map(([name]) => name)
  }

  get tree(): Tree {
    return this.#replay.tree
  }

  command(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined {
    const wrong = this.#replay.apply(layout, fields, payloadBytes)
    if (wrong !== undefined) return wrong
    const { start, end } = this.#reader().head
    const id: number = layout.id
    if (id === Command.snapshot) {
      this.#splice(
        end,
        end,
        this.#inherited.map(name => this.#removal(name)),
      )
    } else if (id === Command.chown) {
      this.#splice(end, end, this.#lostMode(fields.latin1(Attribute.path)))
    } else if (id === Command.setXattr || id === Command.removeXattr) {
      if (this.#isPostponed(fields) || isNeverSet(fields.latin1(Attribute.xattrName))) {
        this.#splice(start, end, [])
      }
    } else if (id === Command.end) {
      this.#splice(start, start, this.#farewell())
    }
    return undefined
  }

  #splice(start: number, end: number, insert: readonly Uint8Array[]): void {
    if (insert.length > 0 || end > start) this.splices.push({ start, end, insert })
  }

  #lostMode(path: string): Uint8Array[] {
    const node = this.tree.find(path)
    if (node?.kind !== 'file' || (node.mode & setIdBits) === 0) return []
    return [
      this.#encode('chmod', [
        ['path', path],
        ['mode', node.mode],
      ]),
    ]
  }

  #isPostponed(fields: CommandFields): boolean {
    return fields.latin1(Attribute.path) === '' && inherited.has(fields.latin1(Attribute.xattrName))
  }

  /** Last of all: what everything made before would have inherited or changed. */
  #farewell(): Uint8Array[] {
    const { mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds } = this.tree.root
    const time = { seconds, nanoseconds }
    return [
      ...this.#onRoot().map(([name, value]) =>
        this.#encode('setXattr', [
          ['path', ''],
          ['xattrName', name],
          ['xattrData', value],
        ]),
      ),
      // Receive sets the first two only; the third is there because the command must have it.
      this.#encode('utimes', [
        ['path', ''],
        ['atime', time],
        ['mtime', time],
        ['ctime', time],
      ]),
    ]
  }

  #onRoot(): [string, string][] {
    return pairsOf(this.#replay.tree.root.xattrs).filter(([name]) => inherited.has(name))
  }

  #removal(name: string): Uint8Array {
    return this.#encode('removeXattr', [
      ['path', ''],
      ['xattrName', name],
    ])
  }

  #encode(
    name: Parameters<typeof encodeCommand>[0],
    attributes: Parameters<typeof encodeCommand>[1],
  ): Uint8Array {
    return encodeCommand(name, attributes, this.#reader().version)
  }
}

/** The bytes [start, end) of the stream, out of pieces that lie end to end. */
function cut(
  source: readonly { readonly offset: number; readonly bytes: Uint8Array }[],
  start: number,
  end: number,
): Uint8Array[] {
  return source.map(({ offset, bytes }) => {
    const from = Math.max(0, start - offset)
    return bytes.subarray(from, Math.max(from, end - offset))
  })
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces))
}
