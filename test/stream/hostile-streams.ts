// Streams that no healthy `btrfs send` writes, each bad in one way, at its last command.

import { uuidToBytes } from '../../src/model/ids.ts'
import type { CommandName } from '../../src/stream/commands.ts'
import { type Attributes, encodeCommand, encodeStreamHeader } from '../../src/stream/encode.ts'
import {
  type AttributeMap,
  anyTimes,
  type Command,
  command,
  foreignUuid,
  head,
  ownUuid,
  parentUuid,
  sampleClone,
  sampleList,
} from './sample-stream.ts'

export function hostileStreams(): Hostile[] {
  return [1, 2].flatMap(version => [
    ...badPathStreams(version),
    ...symlinkStreams(version),
    ...badValueStreams(version),
    ...badNameStreams(version),
  ])
}

export interface Hostile {
  readonly name: string
  readonly version: number
  /** It names the snapshot itself, instead of coming after a good SUBVOL. */
  readonly opens?: true
  /** Commands that are fine by themselves, then one that is not. */
  readonly commands: readonly Command[]
}

const badPaths: Readonly<Record<string, string>> = {
  'dots first': '../evil',
  'dots twice': '../../evil',
  'dots in the middle': 'dir/../../evil',
  'dots last': 'dir/..',
  'dots alone': '..',
  'a dot first': './evil',
  'a dot in the middle': 'dir/./evil',
  'a dot alone': '.',
  absolute: '/tmp/evil',
  'two slashes': 'dir//evil',
  'a slash last': 'evil/',
  'a NUL': 'evil\0x',
  'a name of 256 bytes': 'e'.repeat(256),
  'a name of 256 bytes inside': `dir/${'e'.repeat(256)}/x`,
  '4096 bytes': 'abcdefg/'.repeat(511) + 'abcdefgh',
  'an empty name': '',
}

const pathAttributes = new Set(['path', 'pathTo', 'clonePath'])
const rootCommands = new Set<CommandName>([
  'chmod',
  'chown',
  'utimes',
  'setXattr',
  'removeXattr',
  'fileattr',
])

/** Every path of every command, bad in every way. */
function* badPathStreams(version: number): Generator<Hostile> {
  const one = new Map(sampleList(version).map(command => [command[0], command]))
  for (const [name, attributes] of one.values()) {
    for (const [index, [attribute]] of attributes.entries()) {
      const isPath = pathAttributes.has(attribute) || (attribute === 'pathLink' && name === 'link')
      if (!isPath) continue
      for (const [what, path] of Object.entries(badPaths)) {
        if (path === '' && rootCommands.has(name)) continue
        const bad: Attributes = attributes.with(index, [attribute, path])
        yield { name: `${name} ${attribute}: ${what}`, version, commands: [[name, bad]] }
      }
    }
  }
}

const link: Command = command('symlink', { path: 'ln', ino: 300, pathLink: '/tmp' })
const folder: Command = command('mkdir', { path: 'dir', ino: 301 })
const rename = (from: string, to: string): Command => command('rename', { path: from, pathTo: to })
const hardLink = (existing: string, name: string): Command =>
  command('link', { path: name, pathLink: existing })

/** Every path of every command, led through a symlink that the stream made before. */
function* symlinkStreams(version: number): Generator<Hostile> {
  for (const [name, attributes] of sampleList(version)) {
    for (const [index, [attribute, value]] of attributes.entries()) {
      if (!pathAttributes.has(attribute) || value === '') continue
      const bad: Attributes = attributes.with(index, [attribute, 'ln/evil'])
      yield {
        name: `${name} ${attribute} through a symlink`,
        version,
        commands: [link, [name, bad]],
      }
    }
  }
  const make = (path: string): Command => command('mkfile', { path: path, ino: 302 })
  const ways: Readonly<Record<string, readonly Command[]>> = {
    'deep below it': [link, make('ln/a/b/c')],
    'after it was renamed': [link, rename('ln', 'other'), make('other/x')],
    'after its folder was renamed': [
      folder,
      link,
      rename('ln', 'dir/ln'),
      rename('dir', 'd2'),
      make('d2/ln/x'),
    ],
    'over another name': [link, folder, rename('dir', 'gone'), rename('ln', 'dir'), make('dir/x')],
    'by a second hard link': [link, hardLink('ln', 'ln2'), make('ln2/x')],
    'after a rename between two links, which changes nothing': [
      link,
      hardLink('ln', 'ln2'),
      rename('ln', 'ln2'),
      make('ln/x'),
    ],
    'after one of two links went': [
      link,
      hardLink('ln', 'ln2'),
      command('unlink', { path: 'ln' }),
      make('ln2/x'),
    ],
    'a file made at the link itself': [link, make('ln')],
    'written at the link itself': [
      link,
      command('write', { path: 'ln', fileOffset: 0, data: Buffer.from('x') }),
    ],
    'truncated at the link itself': [link, command('truncate', { path: 'ln', size: 0 })],
    'chmod at the link itself': [link, command('chmod', { path: 'ln', mode: 0o4777 })],
    'linked from below it': [link, hardLink('ln/passwd', 'mine')],
    'renamed out of it': [link, rename('ln/passwd', 'mine')],
  }
  for (const [name, commands] of Object.entries(ways)) {
    yield { name: `symlink: ${name}`, version, commands }
  }
}

/** Values that no healthy send has. */
function* badValueStreams(version: number): Generator<Hostile> {
  const time = { seconds: 0, nanoseconds: 1_000_000_000 }
  const special = (mode: number, rdev: number | bigint = 0) => ({ path: 'x', ino: 300, rdev, mode })
  const clone = (over: AttributeMap) => command('clone', { ...sampleClone, ...over })
  const beyond = 2n ** 63n
  const bad: Readonly<Record<string, Command>> = {
    'a device that is a file': command('mknod', special(0o100644)),
    'a device that is a folder': command('mknod', special(0o040755)),
    'a device with no type': command('mknod', special(0o644)),
    'a device with a mode beyond 16 bits': command('mknod', special(0o1020644)),
    'a device number beyond 32 bits': command('mknod', special(0o020644, 2n ** 32n)),
    'a fifo that is a device': command('mkfifo', special(0o060644)),
    'a socket that is a device': command('mksock', special(0o060644)),
    'a mode with a type': command('chmod', { path: 'x', mode: 0o100644 }),
    'an owner beyond 32 bits': command('chown', { path: 'x', uid: 2n ** 32n, gid: 0 }),
    'a group beyond 32 bits': command('chown', { path: 'x', uid: 0, gid: beyond }),
    'a size of 2^63': command('truncate', { path: 'x', size: beyond }),
    'an offset of 2^63': command('write', {
      path: 'x',
      fileOffset: beyond,
      data: Buffer.from('x'),
    }),
    'data up to 2^63': command('write', {
      path: 'x',
      fileOffset: beyond - 1n,
      data: Buffer.from('x'),
    }),
    'a second of 10^9 ns': command('utimes', { path: 'x', ...anyTimes, atime: time }),
    'an empty target': command('symlink', { path: 'x', ino: 300, pathLink: '' }),
    'a target with a NUL': command('symlink', { path: 'x', ino: 300, pathLink: 'a\0b' }),
    'a target of 4096 bytes': command('symlink', {
      path: 'x',
      ino: 300,
      pathLink: 'a'.repeat(4096),
    }),
    'an xattr with no name': command('removeXattr', { path: 'x', xattrName: '' }),
    'an xattr with a NUL': command('removeXattr', { path: 'x', xattrName: 'user.\0' }),
    'an xattr with a long name': command('removeXattr', {
      path: 'x',
      xattrName: `user.${'a'.repeat(251)}`,
    }),
    'a clone from elsewhere': clone({ cloneUuid: uuidToBytes(foreignUuid) }),
    'a clone from another state': clone({ cloneCtransid: 8 }),
    'a clone up to 2^63': clone({ fileOffset: 2 ** 62, cloneLen: 2 ** 62 }),
    'a folder moved into itself': rename('dir', 'dir/inside'),
    'a second snapshot': command('subvol', { path: 'x', uuid: uuidToBytes(ownUuid), ctransid: 7 }),
    'no file data': command('updateExtent', { path: 'x', fileOffset: 0, size: 1 }),
  }
  for (const [name, each] of Object.entries(bad)) {
    yield { name, version, commands: [each] }
  }
}

/** Names of the received subvolume that would not stay one name in one folder. */
function* badNameStreams(version: number): Generator<Hostile> {
  for (const [what, path] of [...Object.entries(badPaths), ['a slash', 'a/b']] as const) {
    const own = { path, uuid: uuidToBytes(ownUuid), ctransid: 7 }
    const parent = { cloneUuid: uuidToBytes(parentUuid), cloneCtransid: 5 }
    for (const opening of [command('subvol', own), command('snapshot', { ...own, ...parent })]) {
      yield { name: `${opening[0]} name: ${what}`, version, opens: true, commands: [opening] }
    }
  }
}

/** The stream's head, then each command; without END. */
export function encodeHostile({ version, opens, commands }: Hostile): Uint8Array[] {
  const encoded = commands.map(([name, attributes]) => encodeCommand(name, attributes, version))
  return [opens === true ? encodeStreamHeader(version) : head(version), ...encoded]
}
