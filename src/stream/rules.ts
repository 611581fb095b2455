// What each command's values must be, whatever came before it: paths that stay inside, numbers
// that a filesystem can hold, kinds that fit the command.

import { equalBytes } from '../base/bytes.ts'
import { Attribute, type AttributeId, Command, type CommandLayout } from './commands.ts'
import type { CommandFields } from './fields.ts'
import { pathProblem } from './paths.ts'

/** `st_mode`: the file type's bits, and the rest. */
export const modeType = {
  mask: 0o170000,
  fifo: 0o010000,
  char: 0o020000,
  block: 0o060000,
  socket: 0o140000,
}
const permissionBits = 0o7777

/** fallocate(2)'s modes that neither move nor share data. The kernel sends only punch + keep size. */
const fallocateModes = new Set([0x00, 0x01, 0x03, 0x10, 0x11])
/** none, zlib, zstd, and LZO with five sector sizes. */
const newestCompression = 7
const mostNanoseconds = 999_999_999

const a = Attribute
/** Commands that may mean the subvolume itself, by the empty path. */
const rootCommands = bits([
  Command.chmod,
  Command.chown,
  Command.utimes,
  Command.setXattr,
  Command.removeXattr,
  Command.fileattr,
])
const numberAttributes: readonly AttributeId[] = [
  a.ino,
  a.size,
  a.fileOffset,
  a.cloneOffset,
  a.cloneLen,
  a.unencodedFileLen,
  a.unencodedLen,
  a.unencodedOffset,
]
const times: readonly AttributeId[] = [a.atime, a.mtime, a.ctime, a.otime]

/** Why the command is refused, or undefined. */
export function commandProblem(
  layout: CommandLayout,
  fields: CommandFields,
  payloadBytes: number,
): string | undefined {
  return (
    pathsProblem(layout, fields) ??
    numbersProblem(fields) ??
    kindProblem(layout, fields) ??
    rangeProblem(layout, fields, payloadBytes)
  )
}

function pathsProblem(layout: CommandLayout, fields: CommandFields): string | undefined {
  if (!fields.has(a.path)) return undefined
  if (fields.length(a.path) === 0 && (rootCommands & (1 << layout.id)) !== 0) return undefined
  const path = pathFieldProblem(fields, a.path)
  if (path !== undefined) return path
  if (fields.has(a.pathTo)) return pathFieldProblem(fields, a.pathTo) ?? movesIntoItself(fields)
  if (fields.has(a.clonePath)) return pathFieldProblem(fields, a.clonePath)
  if (!fields.has(a.pathLink)) return undefined
  return layout.id === Command.link ? pathFieldProblem(fields, a.pathLink) : targetProblem(fields)
}

function pathFieldProblem(fields: CommandFields, id: AttributeId): string | undefined {
  return pathProblem(fields.bytes, fields.start(id), fields.end(id))
}

function movesIntoItself(fields: CommandFields): string | undefined {
  const from = fields.length(a.path)
  const to = fields.value(a.pathTo)
  const isBelow = to[from] === 0x2f && equalBytes(to.subarray(0, from), fields.value(a.path))
  return isBelow ? 'it moves a folder into itself' : undefined
}

/** A symlink's target is free text; the kernel knows no empty ones. */
function targetProblem(fields: CommandFields): string | undefined {
  if (fields.length(a.pathLink) === 0) return 'its target is empty'
  return fields.value(a.pathLink).includes(0) ? 'its target holds a NUL' : undefined
}

function numbersProblem(fields: CommandFields): string | undefined {
  for (const id of numberAttributes) {
    if (fields.has(id) && fields.top(id) >= 0x8000_0000) return 'a number is beyond 2^63'
  }
  for (const id of times) {
    if (fields.has(id) && fields.nanoseconds(id) > mostNanoseconds) return 'a time is none'
  }
  return undefined
}

function kindProblem(layout: CommandLayout, fields: CommandFields): string | undefined {
  const id: number = layout.id
  switch (id) {
    case Command.subvol:
    case Command.snapshot:
      return fields.value(a.path).includes(0x2f) ? 'its name has a slash' : undefined
    case Command.mknod:
      return isNode(fields, [modeType.char, modeType.block]) ? undefined : 'its mode is no device'
    case Command.mkfifo:
      return isNode(fields, [modeType.fifo]) ? undefined : 'its mode is no fifo'
    case Command.mksock:
      return isNode(fields, [modeType.socket]) ? undefined : 'its mode is no socket'
    case Command.chmod:
      return fields.u64(a.mode) <= permissionBits ? undefined : 'its mode is more than permissions'
    case Command.chown:
      return fields.top(a.uid) + fields.top(a.gid) === 0 ? undefined : 'an owner is beyond 2^32'
    case Command.setXattr:
    case Command.removeXattr:
      return fields.value(a.xattrName).includes(0) ? 'its name holds a NUL' : undefined
    default:
      return undefined
  }
}

function isNode(fields: CommandFields, types: readonly number[]): boolean {
  const mode = fields.u64(a.mode)
  return (
    fields.top(a.rdev) === 0 &&
    mode <= (modeType.mask | permissionBits) &&
    types.includes(mode & modeType.mask)
  )
}

function rangeProblem(
  layout: CommandLayout,
  fields: CommandFields,
  payloadBytes: number,
): string | undefined {
  const id: number = layout.id
  switch (id) {
    case Command.write:
      return endsTooFar(fields, a.fileOffset, payloadBytes)
    case Command.clone:
      return (
        endsTooFar(fields, a.fileOffset, fields.u64(a.cloneLen)) ??
        endsTooFar(fields, a.cloneOffset, fields.u64(a.cloneLen))
      )
    case Command.updateExtent:
      return endsTooFar(fields, a.fileOffset, fields.u64(a.size))
    case Command.fallocate:
      if (!fallocateModes.has(fields.u32(a.fallocateMode))) return 'its mode is not one we know'
      return endsTooFar(fields, a.fileOffset, fields.u64(a.size))
    case Command.encodedWrite:
      return (
        encodingProblem(fields) ?? endsTooFar(fields, a.fileOffset, fields.u64(a.unencodedFileLen))
      )
    default:
      return undefined
  }
}

function encodingProblem(fields: CommandFields): string | undefined {
  if (fields.u32(a.compression) > newestCompression) return 'its compression is not one we know'
  if (fields.has(a.encryption) && fields.u32(a.encryption) !== 0) return 'it is encrypted'
  const windowEnd = fields.u64(a.unencodedOffset) + fields.u64(a.unencodedFileLen)
  return windowEnd > fields.u64(a.unencodedLen) ? 'it takes more than it unpacks to' : undefined
}

function endsTooFar(fields: CommandFields, id: AttributeId, length: number): string | undefined {
  return fields.u64(id) + length >= 2 ** 63 ? 'it ends beyond 2^63' : undefined
}

function bits(ids: readonly number[]): number {
  return ids.reduce((set, id) => set | (1 << id), 0)
}
