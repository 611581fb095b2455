// Attacks that reach out of the folder that is received into, as far as a canary folder beside it.

import { type Command, command } from './sample-stream.ts'

const out = '../../canary'
export const escapes: Readonly<Record<string, readonly Command[]>> = {
  mkfile: [command('mkfile', { path: `${out}/evil`, ino: 300 })],
  mkdir: [command('mkdir', { path: `${out}/evil`, ino: 300 })],
  mknod: [command('mknod', { path: `${out}/evil`, ino: 300, rdev: 0x103, mode: 0o020666 })],
  mkfifo: [command('mkfifo', { path: `${out}/evil`, ino: 300, rdev: 0, mode: 0o010666 })],
  symlink: [command('symlink', { path: `${out}/evil`, ino: 300, pathLink: '/etc' })],
  'rename to': [
    command('mkdir', { path: 'd', ino: 300 }),
    command('symlink', { path: 'd/s', ino: 300, pathLink: 'x' }),
    rename(`${out}/present`, `${out}/evil`),
  ],
  link: [hardLink(`${out}/present`, `${out}/evil`)],
  unlink: [command('unlink', { path: `${out}/present` })],
  rmdir: [command('rmdir', { path: `${out}/folder` })],
  write: [command('write', { path: `${out}/present`, fileOffset: 0, data: Buffer.from('evil') })],
  truncate: [command('truncate', { path: `${out}/present`, size: 1 })],
  chmod: [command('chmod', { path: `${out}/present`, mode: 0o4777 })],
  chown: [command('chown', { path: `${out}/present`, uid: 4242, gid: 4242 })],
  'set xattr': [
    command('setXattr', {
      path: `${out}/present`,
      xattrName: 'trusted.evil',
      xattrData: Buffer.from('x'),
    }),
  ],
  'a symlink, then through it': [
    command('symlink', { path: 'ln', ino: 300, pathLink: out }),
    command('mkfile', { path: 'ln/evil', ino: 301 }),
  ],
  'a symlink, then a file at it': [
    command('symlink', { path: 'ln', ino: 300, pathLink: `${out}/evil` }),
    command('mkfile', { path: 'ln', ino: 301 }),
  ],
  'two links of a symlink, renamed, then through it': [
    command('symlink', { path: 'ln', ino: 300, pathLink: out }),
    hardLink('ln', 'ln2'),
    rename('ln', 'ln2'),
    command('mkfile', { path: 'ln/evil', ino: 301 }),
  ],
}

function rename(path: string, pathTo: string): Command {
  return command('rename', { path, pathTo })
}

function hardLink(pathLink: string, path: string): Command {
  return command('link', { path, pathLink })
}
