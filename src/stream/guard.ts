// The stream guard: stands before the segments on the way out and before `btrfs receive` on the
// way back (L1, L6). It takes a send stream in any pieces and refuses, before anything can act on
// it, whatever a healthy `btrfs send` of the expected snapshot would not have written. On the way it
// sets the stream's skeleton apart.
//
// What the format cannot show: a command that was dropped, doubled or moved leaves every CRC
// right. Only the hash of the whole stream, which the index holds, tells that.

import type { Uuid } from '../model/ids.ts'
import { Attribute, Command, type CommandLayout } from './commands.ts'
import type { CommandFields } from './fields.ts'
import { CommandReader, type CommandVisitor } from './reader.ts'
import { commandProblem } from './rules.ts'
import { SkeletonPieces } from './skeleton.ts'
import { SymlinkNames } from './symlink-names.ts'

export interface StreamIdentity {
  readonly uuid: Uuid
  readonly ctransid: number
}

export interface StreamExpectation {
  /** Of the snapshot that is sent; undefined: learn it. */
  readonly uuid?: Uuid | undefined
  readonly ctransid?: number | undefined
  /** null: must be a full stream; undefined: learn it. */
  readonly parent?: StreamIdentity | null | undefined
  /** A stream of `btrfs send --no-data`: nothing to keep or to receive, only to look at. */
  readonly noData?: boolean | undefined
}

/** What the first command says. */
export interface StreamHead extends StreamIdentity {
  readonly version: number
  /** What the stream is a difference from; null for a full one. */
  readonly parent: StreamIdentity | null
  /** The sent snapshot's own name: a user's file name (L10). */
  readonly name: Uint8Array
}

export interface StreamSummary extends StreamHead {
  readonly bytes: number
  readonly commandCount: number
  /** File data, as stored in the stream. */
  readonly payloadBytes: number
  /** Files, folders, symlinks, devices, fifos and sockets that it makes. */
  readonly createdCount: number
  readonly longestPathBytes: number
  /** Unless 0, a path may have led through a symlink unseen: see SymlinkNames. */
  readonly untrackedSymlinkCount: number
}

export interface StreamGuardOptions {
  readonly expect: StreamExpectation
  /** The skeleton, in order; each piece is the receiver's own. */
  readonly onSkeleton?: ((piece: Uint8Array<ArrayBuffer>) => void) | undefined
  readonly onHead?: ((head: StreamHead) => void) | undefined
  /** The names of the parent's guard, so that a chain's later streams can't use its symlinks. */
  readonly symlinks?: SymlinkNames | undefined
  /** Sees each command that the guard agrees to, and may refuse it. */
  readonly also?: Pick<CommandVisitor, 'command'> | undefined
}

export class StreamGuard {
  /** Where in the stream it is. */
  readonly reader: Pick<CommandReader, 'version' | 'bytes' | 'head' | 'openHeadBytes'>
  readonly #reader: CommandReader
  readonly #rules: GuardRules
  readonly #skeleton: SkeletonPieces | undefined

  constructor(options: StreamGuardOptions) {
    const { expect, onSkeleton, onHead, symlinks = new SymlinkNames(), also } = options
    const skeleton = onSkeleton === undefined ? undefined : new SkeletonPieces(onSkeleton)
    const version = () => this.#reader.version
    this.#skeleton = skeleton
    this.#rules = new GuardRules({ expect, onHead, symlinks, version, skeleton, also })
    this.#reader = new CommandReader({ visitor: this.#rules, payload: 'included' })
    this.reader = this.#reader
  }

  get head(): StreamHead | undefined {
    return this.#rules.head
  }

  /** The symlinks that the stream has made so far, for the guard of its children. */
  get symlinks(): SymlinkNames {
    return this.#rules.symlinks
  }

  /** Throws Failure 'corrupt' at the first violation; the message has an offset, never a path (L10). */
  write(chunk: Uint8Array): void {
    this.#reader.write(chunk)
  }

  /** Throws Failure 'corrupt' unless END was the last thing that came (L1). */
  finish(): StreamSummary {
    this.#reader.finish()
    this.#skeleton?.finish()
    return {
      ...(this.#rules.head as StreamHead),
      bytes: this.#reader.bytes,
      commandCount: this.#reader.commandCount,
      payloadBytes: this.#rules.payloadBytes,
      createdCount: this.#rules.createdCount,
      longestPathBytes: this.#rules.longestPathBytes,
      untrackedSymlinkCount: this.symlinks.untrackedCount,
    }
  }
}

interface RulesOptions {
  readonly expect: StreamExpectation
  readonly onHead: ((head: StreamHead) => void) | undefined
  readonly symlinks: SymlinkNames
  readonly version: () => number
  readonly skeleton: SkeletonPieces | undefined
  readonly also: Pick<CommandVisitor, 'command'> | undefined
}

const a = Attribute

/** What must hold from command to command. */
class GuardRules implements CommandVisitor {
  readonly symlinks: SymlinkNames
  readonly #expect: StreamExpectation
  readonly #onHead: ((head: StreamHead) => void) | undefined
  readonly #version: () => number
  readonly #skeleton: SkeletonPieces | undefined
  readonly #also: Pick<CommandVisitor, 'command'> | undefined
  head: StreamHead | undefined
  payloadBytes = 0
  createdCount = 0
  longestPathBytes = 0

  constructor(options: RulesOptions) {
    this.symlinks = options.symlinks
    this.#expect = options.expect
    this.#onHead = options.onHead
    this.#version = options.version
    this.#skeleton = options.skeleton
    this.#also = options.also
  }

  command(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined {
    return (
      this.#problem(layout, fields, payloadBytes) ??
      this.#also?.command(layout, fields, payloadBytes)
    )
  }

  #problem(layout: CommandLayout, fields: CommandFields, payloadBytes: number): string | undefined {
    const wrong = commandProblem(layout, fields, payloadBytes)
    if (wrong !== undefined) return wrong
    if (layout.id === Command.subvol || layout.id === Command.snapshot) {
      return this.#begin(layout, fields)
    }
    if (this.head === undefined) return 'it comes before the command that names the snapshot'
    this.payloadBytes += payloadBytes
    if (fields.has(a.path)) this.#measure(fields.length(a.path))
    if (fields.has(a.pathTo)) this.#measure(fields.length(a.pathTo))
    if (layout.id >= Command.mkfile && layout.id <= Command.symlink) this.createdCount += 1
    if (layout.id === Command.updateExtent && !this.#expect.noData) {
      return 'the stream was sent without file data'
    }
    if (layout.id === Command.clone) {
      const foreign = this.#cloneProblem(fields, this.head)
      if (foreign !== undefined) return foreign
    }
    return this.#symlinkProblem(layout, fields)
  }

  #measure(pathBytes: number): void {
    if (pathBytes > this.longestPathBytes) this.longestPathBytes = pathBytes
  }

  structure(bytes: Uint8Array, start: number, end: number): void {
    this.#skeleton?.add(bytes, start, end)
  }

  #begin(layout: CommandLayout, fields: CommandFields): string | undefined {
    if (this.head !== undefined) return 'the stream holds a second snapshot'
    if (fields.top(a.ctransid) >= 2 ** 21) return 'its ctransid is beyond 2^53'
    const isFull = layout.id === Command.subvol
    if (!isFull && fields.top(a.cloneCtransid) >= 2 ** 21)
      return 'its parent ctransid is beyond 2^53'
    const head: StreamHead = {
      version: this.#version(),
      uuid: fields.uuid(a.uuid),
      ctransid: fields.u64(a.ctransid),
      parent: isFull
        ? null
        : { uuid: fields.uuid(a.cloneUuid), ctransid: fields.u64(a.cloneCtransid) },
      name: fields.value(a.path).slice(),
    }
    const wrong = unexpected(head, this.#expect)
    if (wrong !== undefined) return wrong
    this.head = head
    this.#onHead?.(head)
    return undefined
  }

  /** Cloning reaches into any subvolume of the target's filesystem: only our own two are allowed. */
  #cloneProblem(fields: CommandFields, head: StreamHead): string | undefined {
    const uuid = fields.uuid(a.cloneUuid)
    const ctransid = fields.u64(a.cloneCtransid)
    const sources = head.parent === null ? [head] : [head, head.parent]
    const named = sources.filter(source => source.uuid === uuid)
    if (named.length === 0)
      return `it clones from ${uuid}, which is neither the snapshot nor its parent`
    if (named.some(source => source.ctransid === ctransid)) return undefined
    return `it clones from another state (ctransid ${ctransid}) of ${uuid}`
  }

  #symlinkProblem(layout: CommandLayout, fields: CommandFields): string | undefined {
    const names = this.symlinks
    if (names.count === 0 && layout.id !== Command.symlink) return undefined
    if (!fields.has(a.path)) return undefined
    const path = fields.latin1(a.path)
    if (names.leadsThrough(path)) return throughSymlink
    if ((followsLast & (1 << layout.id)) !== 0 && names.has(path)) return throughSymlink
    const id: number = layout.id
    switch (id) {
      case Command.symlink:
        names.add(path)
        return undefined
      case Command.unlink:
        names.remove(path)
        return undefined
      case Command.rename:
        return this.#rename(path, fields.latin1(a.pathTo))
      case Command.link:
        return this.#link(fields.latin1(a.pathLink), path)
      case Command.clone:
        return this.#cloneSourceProblem(fields)
      default:
        return undefined
    }
  }

  #rename(from: string, to: string): string | undefined {
    if (this.symlinks.leadsThrough(to)) return throughSymlink
    this.symlinks.rename(from, to)
    return undefined
  }

  #link(existing: string, name: string): string | undefined {
    if (this.symlinks.leadsThrough(existing)) return throughSymlink
    this.symlinks.link(existing, name)
    return undefined
  }

  /** A clone's source path is of this stream's tree only if the clone names this stream. */
  #cloneSourceProblem(fields: CommandFields): string | undefined {
    if (fields.uuid(a.cloneUuid) !== this.head?.uuid) return undefined
    const path = fields.latin1(a.clonePath)
    return this.symlinks.leadsThrough(path) || this.symlinks.has(path) ? throughSymlink : undefined
  }
}

const throughSymlink = 'its path leads through a symlink that the stream made'

/** Commands that `btrfs receive` does by calls that follow a symlink at the path's end, or that make a name anew. */
const followsLast = [
  Command.write,
  Command.encodedWrite,
  Command.clone,
  Command.truncate,
  Command.fallocate,
  Command.chmod,
  Command.fileattr,
  Command.updateExtent,
  Command.mkfile,
  Command.mkdir,
  Command.mknod,
  Command.mkfifo,
  Command.mksock,
  Command.symlink,
  Command.link,
].reduce((set, id) => set | (1 << id), 0)

function unexpected(head: StreamHead, expect: StreamExpectation): string | undefined {
  if (expect.uuid !== undefined && head.uuid !== expect.uuid) {
    return `it is snapshot ${head.uuid} and not ${expect.uuid}`
  }
  if (expect.ctransid !== undefined && head.ctransid !== expect.ctransid) {
    return `it is of ctransid ${head.ctransid} and not ${expect.ctransid}: the snapshot was changed`
  }
  if (expect.parent === undefined) return undefined
  if (expect.parent === null) {
    return head.parent === null ? undefined : `it needs the parent ${head.parent.uuid}`
  }
  const { uuid, ctransid } = expect.parent
  if (head.parent === null) return `it is a full stream, not a difference from ${uuid}`
  if (head.parent.uuid !== uuid) return `its parent is ${head.parent.uuid} and not ${uuid}`
  if (head.parent.ctransid === ctransid) return undefined
  return `its parent is of ctransid ${head.parent.ctransid} and not ${ctransid}: it was changed`
}
