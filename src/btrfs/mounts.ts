// Where filesystems are mounted and which swap files are in use: what the kernel's tables in /proc
// say, for answers that btrfs itself does not give.

import { readFile, realpath, stat } from 'node:fs/promises'

export interface Mount {
  readonly mountPoint: string
  /** The part of the filesystem that is mounted, from its top level: `/`, `/@home`. */
  readonly root: string
  readonly device: string
  readonly readOnly: boolean
}

/** The mount through which an existing path is reached. */
export async function mountOf(path: string): Promise<Mount | undefined> {
  const real = await realpath(path)
  const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
  let best: Mount | undefined
  for (const mount of mounts) {
    // Of two at the same place the later one covers the earlier.
    const longer = mount.mountPoint.length >= (best?.mountPoint.length ?? 0)
    if (longer && pathBelow(mount.mountPoint, real) !== undefined) best = mount
  }
  return best
}

/** `path` relative to `folder`, '' for itself; undefined when it does not lie below. */
export function pathBelow(folder: string, path: string): string | undefined {
  if (path === folder) return ''
  const start = folder.endsWith('/') ? folder : `${folder}/`
  return path.startsWith(start) ? path.slice(start.length) : undefined
}

/** The table of proc_pid_mountinfo(5). */
export function parseMounts(table: string): readonly Mount[] {
  const mounts: Mount[] = []
  for (const line of table.split('\n')) {
    const [mounted, filesystem] = line.split(' - ')
    const fields = mounted?.split(' ') ?? []
    const [root, mountPoint, options] = fields.slice(3, 6)
    const [, device, superOptions] = filesystem?.split(' ') ?? []
    if (root === undefined || mountPoint === undefined || device === undefined) continue
    mounts.push({
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      device: unescapeOctal(device),
      readOnly: [options, superOptions].some(list => list?.split(',').includes('ro')),
    })
  }
  return mounts
}

/** The active swap files of the subvolume whose root directory `source` is. */
export async function activeSwapFiles(source: string): Promise<readonly string[]> {
  const device = (await stat(source)).dev
  const files: string[] = []
  for (const line of (await readFile('/proc/swaps', 'utf8')).split('\n').slice(1)) {
    const match = /^(\S+)\s+file\s/.exec(line)
    if (match === null) continue
    const path = unescapeOctal(match[1] as string)
    // Each subvolume has a device number of its own.
    if ((await deviceOf(path)) === device) files.push(path)
  }
  return files
}

async function deviceOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).dev
  } catch {
    return undefined
  }
}

/** The kernel writes blanks and line feeds in these tables as `\040`, `\012`. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  )
}
