// The btrfs send stream's vocabulary: which commands exist, what each carries, and the limits
// that we hold streams to. Guard, encoder, decoder and replay all read it from here.
//
//   stream    = "btrfs-stream\0"  u32 version
//   command   = u32 length  u16 id  u32 crc  attribute*     (length counts the attributes only)
//   attribute = u16 type  u16 length  value
//   DATA in version 2: u16 type, then the value up to the end of the command
//
// All numbers are little-endian. Source: the kernel's fs/btrfs/send.h, Linux 6.18.

export const streamMagic = 'btrfs-stream\0'
export const streamHeaderBytes = 17
export const commandHeaderBytes = 10

/** Version 3 only adds fs-verity, and no released `btrfs receive` takes it. */
export const newestVersion = 2

/** Largest file data of one command. The kernel sends up to 128 KiB; we allow synthesised streams more. */
export const maxPayloadBytes = 16 * 1024 * 1024
/** Largest attribute area of one command, DATA's value left out. One attribute holds up to 65 535. */
export const maxAttributeBytes = 256 * 1024
/** Without the closing NUL that PATH_MAX counts. */
export const maxPathBytes = 4095
export const maxNameBytes = 255

export const Command = {
  subvol: 1,
  snapshot: 2,
  mkfile: 3,
  mkdir: 4,
  mknod: 5,
  mkfifo: 6,
  mksock: 7,
  symlink: 8,
  rename: 9,
  link: 10,
  unlink: 11,
  rmdir: 12,
  setXattr: 13,
  removeXattr: 14,
  write: 15,
  clone: 16,
  truncate: 17,
  chmod: 18,
  chown: 19,
  utimes: 20,
  end: 21,
  updateExtent: 22,
  fallocate: 23,
  fileattr: 24,
  encodedWrite: 25,
} as const

export type CommandName = keyof typeof Command
export type CommandId = (typeof Command)[CommandName]

export const Attribute = {
  uuid: 1,
  ctransid: 2,
  ino: 3,
  size: 4,
  mode: 5,
  uid: 6,
  gid: 7,
  rdev: 8,
  ctime: 9,
  mtime: 10,
  atime: 11,
  otime: 12,
  xattrName: 13,
  xattrData: 14,
  path: 15,
  pathTo: 16,
  pathLink: 17,
  fileOffset: 18,
  data: 19,
  cloneUuid: 20,
  cloneCtransid: 21,
  clonePath: 22,
  cloneOffset: 23,
  cloneLen: 24,
  fallocateMode: 25,
  fileattr: 26,
  unencodedFileLen: 27,
  unencodedLen: 28,
  unencodedOffset: 29,
  compression: 30,
  encryption: 31,
} as const

export type AttributeName = keyof typeof Attribute
export type AttributeId = (typeof Attribute)[AttributeName]

/** How many slots a table indexed by attribute needs; a 32-bit number holds one bit for each. */
export const attributeSlots = 32

export interface CommandLayout {
  readonly id: CommandId
  readonly command: CommandName
  /** As people know it: `mkfile`, `set_xattr`. */
  readonly name: string
  /** The stream version that brought it. */
  readonly version: 1 | 2
  readonly required: readonly AttributeId[]
  readonly optional: readonly AttributeId[]
  /** The same as sets of bits: bit n is attribute n. */
  readonly requiredBits: number
  readonly allowedBits: number
  /** Its DATA attribute is file content, which a skeleton leaves out. */
  readonly hasPayload: boolean
}

const commandKeys = keysById(Command)
const commandNames = namesById(Command)
const attributeKeys = keysById(Attribute)
const attributeNames = namesById(Attribute)

const a = Attribute
const layouts: readonly CommandLayout[] = [
  layout(Command.subvol, [a.path, a.uuid, a.ctransid]),
  layout(Command.snapshot, [a.path, a.uuid, a.ctransid, a.cloneUuid, a.cloneCtransid]),
  layout(Command.mkfile, [a.path, a.ino]),
  layout(Command.mkdir, [a.path, a.ino]),
  layout(Command.mknod, [a.path, a.ino, a.rdev, a.mode]),
  layout(Command.mkfifo, [a.path, a.ino, a.rdev, a.mode]),
  layout(Command.mksock, [a.path, a.ino, a.rdev, a.mode]),
  layout(Command.symlink, [a.path, a.ino, a.pathLink]),
  layout(Command.rename, [a.path, a.pathTo]),
  layout(Command.link, [a.path, a.pathLink]),
  layout(Command.unlink, [a.path]),
  layout(Command.rmdir, [a.path]),
  layout(Command.setXattr, [a.path, a.xattrName, a.xattrData]),
  layout(Command.removeXattr, [a.path, a.xattrName]),
  layout(Command.write, [a.path, a.fileOffset, a.data]),
  layout(Command.clone, [
    a.path,
    a.fileOffset,
    a.cloneLen,
    a.cloneUuid,
    a.cloneCtransid,
    a.clonePath,
    a.cloneOffset,
  ]),
  layout(Command.truncate, [a.path, a.size]),
  layout(Command.chmod, [a.path, a.mode]),
  layout(Command.chown, [a.path, a.uid, a.gid]),
  layout(Command.utimes, [a.path, a.atime, a.mtime, a.ctime], { optional: [a.otime] }),
  layout(Command.end, []),
  layout(Command.updateExtent, [a.path, a.fileOffset, a.size]),
  layout(Command.fallocate, [a.path, a.fallocateMode, a.fileOffset, a.size], {
    version: 2,
  }),
  layout(Command.fileattr, [a.path, a.fileattr], { version: 2 }),
  layout(
    Command.encodedWrite,

    [
      a.path,
      a.fileOffset,
      a.unencodedFileLen,
      a.unencodedLen,
      a.unencodedOffset,
      a.compression,
      a.data,
    ],
    { version: 2, optional: [a.encryption] },
  ),
]

const layoutById: readonly (CommandLayout | undefined)[] = tableOfLayouts()

/** The layout of a command, or undefined when no version that we read has it. */
export function commandLayout(id: number): CommandLayout | undefined {
  return layoutById[id]
}

export function commandLayouts(): readonly CommandLayout[] {
  return layouts
}

/** Smallest and largest length in bytes that each attribute's value may have, by attribute. */
export const attributeLengths: readonly { readonly min: number; readonly max: number }[] =
  tableOfLengths()

/** The key in `Attribute`. */
export function attributeKey(id: AttributeId): AttributeName {
  return attributeKeys[id] as AttributeName
}

/** `path`, `clone_uuid`; for messages. */
export function attributeName(id: number): string {
  return attributeNames[id] ?? `attribute ${id}`
}

interface LayoutExtras {
  readonly version?: 1 | 2
  readonly optional?: readonly AttributeId[]
}

function layout(
  id: CommandId,
  required: readonly AttributeId[],
  { version = 1, optional = [] }: LayoutExtras = {},
): CommandLayout {
  const requiredBits = bitsOf(required)
  return {
    id,
    command: commandKeys[id] as CommandName,
    name: commandNames[id] as string,
    version,
    required,
    optional,
    requiredBits,
    allowedBits: requiredBits | bitsOf(optional),
    hasPayload: required.includes(Attribute.data),
  }
}

function bitsOf(ids: readonly AttributeId[]): number {
  return ids.reduce((bits, id) => bits | (1 << id), 0)
}

function tableOfLayouts(): (CommandLayout | undefined)[] {
  const table: (CommandLayout | undefined)[] = []
  for (const each of layouts) table[each.id] = each
  return table
}

function tableOfLengths(): { min: number; max: number }[] {
  const exactly = (bytes: number) => ({ min: bytes, max: bytes })
  const table = Array.from({ length: attributeSlots }, () => exactly(8))
  for (const id of [a.uuid, a.cloneUuid]) table[id] = exactly(16)
  for (const id of [a.ctime, a.mtime, a.atime, a.otime]) table[id] = exactly(12)
  for (const id of [a.fallocateMode, a.compression, a.encryption]) table[id] = exactly(4)
  for (const id of [a.path, a.pathTo, a.pathLink, a.clonePath]) {
    table[id] = { min: 0, max: maxPathBytes }
  }
  table[a.xattrName] = { min: 1, max: maxNameBytes }
  table[a.xattrData] = { min: 0, max: 0xffff }
  table[a.data] = { min: 0, max: maxPayloadBytes }
  return table
}

/** `setXattr` → `set_xattr`, by number. */
function namesById(ids: Readonly<Record<string, number>>): readonly string[] {
  return keysById(ids).map(key => key.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`))
}

function keysById<Key extends string>(ids: Readonly<Record<Key, number>>): readonly Key[] {
  const keys: Key[] = []
  for (const key of Object.keys(ids) as Key[]) keys[ids[key]] = key
  return keys
}
