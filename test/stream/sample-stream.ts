// Small streams for tests, command by command.

import { concatBytes } from '../../src/base/bytes.ts'
import { asUuid, type Uuid, uuidToBytes } from '../../src/model/ids.ts'
import type { AttributeName, CommandName } from '../../src/stream/commands.ts'
import {
  type Attributes,
  type AttributeValue,
  encodeCommand,
  encodeHead,
} from '../../src/stream/encode.ts'
import { StreamGuard, type StreamGuardOptions, type StreamSummary } from '../../src/stream/guard.ts'

export const ownUuid = asUuid('11111111-2222-3333-4444-555555555555') as Uuid
export const parentUuid = asUuid('aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee') as Uuid
export const foreignUuid = asUuid('99999999-8888-7777-6666-555555555555') as Uuid

export type Command = readonly [CommandName, Attributes]

const time = { seconds: 1_700_000_000, nanoseconds: 123_456_789 }
export const anyTimes = { atime: time, mtime: time, ctime: time }

export type AttributeMap = Readonly<Partial<Record<AttributeName, AttributeValue>>>

/** A command with its attributes in the order in which they are written down. */
export function command(name: CommandName, attributes: AttributeMap): Command {
  return [name, Object.entries(attributes) as unknown as Attributes]
}

export function encode(
  name: CommandName,
  attributes: AttributeMap,
  version: number,
): Uint8Array<ArrayBuffer> {
  return encodeCommand(...command(name, attributes), version)
}

export const sampleClone = {
  fileOffset: 4096,
  cloneLen: 70,
  path: 'dir/file',
  cloneUuid: uuidToBytes(ownUuid),
  cloneCtransid: 7,
  clonePath: 'dir/file',
  cloneOffset: 0,
}

/** Header and SUBVOL, or SNAPSHOT when a parent is wanted. */
export function head(version: number, parent?: Uuid): Uint8Array<ArrayBuffer> {
  const own = { version, name: 'snap', uuid: ownUuid, ctransid: 7 }
  return encodeHead(parent === undefined ? own : { ...own, parent: { uuid: parent, ctransid: 5 } })
}

/** Each command of a stream that has one of every kind; with the end, without the head. */
export function sampleCommands(version: number): Uint8Array<ArrayBuffer>[] {
  return [...sampleList(version), ['end', []] as const].map(([name, attributes]) =>
    encodeCommand(name, attributes, version),
  )
}

export function sampleList(version: number): Command[] {
  const node = { ino: 300, rdev: 0 }
  const commands: Command[] = [
    command('chown', { path: '', uid: 0, gid: 0 }),
    command('chmod', { path: '', mode: 0o755 }),
    command('utimes', { path: '', ...anyTimes }),
    command('mkdir', { path: 'o257-7-0', ino: 257 }),
    command('rename', { path: 'o257-7-0', pathTo: 'dir' }),
    command('mkfile', { path: 'dir/file', ino: 258 }),
    command('setXattr', { path: 'dir/file', xattrName: 'user.x', xattrData: Buffer.from('value') }),
    command('removeXattr', { path: 'dir/file', xattrName: 'user.x' }),
    command('write', { path: 'dir/file', fileOffset: 0, data: Buffer.alloc(70, 'data') }),
    command('clone', sampleClone),
    command('truncate', { path: 'dir/file', size: 5000 }),
    command('symlink', { path: 'dir/ln', ino: 259, pathLink: '/etc/../x y' }),
    command('link', { path: 'dir/second', pathLink: 'dir/file' }),
    command('mkfifo', { path: 'fifo', ...node, mode: 0o010644 }),
    command('mksock', { path: 'sock', ...node, mode: 0o140644 }),
    command('mknod', { path: 'null', ino: 300, rdev: 0x103, mode: 0o020666 }),
    command('unlink', { path: 'fifo' }),
    command('mkdir', { path: 'empty', ino: 260 }),
    command('rmdir', { path: 'empty' }),
  ]
  if (version < 2) return commands
  return [
    ...commands,
    command('fallocate', { path: 'dir/file', fallocateMode: 3, fileOffset: 0, size: 4096 }),
    command('fileattr', { path: 'dir/file', fileattr: 0 }),
    command('encodedWrite', {
      path: 'dir/file',
      fileOffset: 8192,
      unencodedFileLen: 4096,
      unencodedLen: 4096,
      unencodedOffset: 0,
      compression: 2,
      encryption: 0,
      data: Buffer.alloc(50, 'zstd'),
    }),
  ]
}

export function sampleStream(version: number): Uint8Array<ArrayBuffer> {
  return concatBytes([head(version), ...sampleCommands(version)])
}

export interface Guarded {
  readonly summary: StreamSummary
  readonly skeleton: Uint8Array
}

/** The whole through a guard, in pieces of `pieceBytes`. */
export function guardAll(
  stream: Uint8Array,
  pieceBytes = 1 << 20,
  options: Partial<StreamGuardOptions> = {},
): Guarded {
  const pieces: Uint8Array[] = []
  const guard = new StreamGuard({ expect: {}, onSkeleton: piece => pieces.push(piece), ...options })
  for (let at = 0; at < stream.length; at += pieceBytes) {
    guard.write(stream.subarray(at, at + pieceBytes))
  }
  return { summary: guard.finish(), skeleton: concatBytes(pieces) }
}
