// What makes a directory a target: a target file. Without it a mount point whose disk is not
// there looks like an empty repository.

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { readTextIfPresent, syncFolder, writeFileAtomic } from '../../base/atomic-file.ts'
import { Failure, systemCodeOf } from '../../base/failure.ts'
import { directoryFailure } from './failures.ts'

/** `<target>/.btrvault-target`, JSON: the fields below. */
export const targetFileName = '.btrvault-target'

const targetFormat = 1

export interface DirectoryTarget {
  readonly format: number
  /** Random; tells one disk from another. */
  readonly id: string
  readonly created: string
  /** For people with several disks. Nothing is decided by it. */
  readonly filesystem: { readonly type: string; readonly uuid: string | null }
}

/**
 * Makes the directory (not its parents: they may be a mount point without its disk) and its
 * target file, or returns what is there already. Refuses a directory with other things in it.
 */
export async function initDirectoryTarget(path: string): Promise<DirectoryTarget> {
  try {
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'EEXIST') throw error
    })
    const present = await readDirectoryTarget(path)
    if (present !== undefined) return present
    await refuseForeign(path)
    const target: DirectoryTarget = {
      format: targetFormat,
      id: randomUUID(),
      created: new Date().toISOString(),
      filesystem: await describeFilesystem(path),
    }
    await writeFileAtomic(join(path, targetFileName), `${JSON.stringify(target, null, 2)}\n`)
    await syncFolder(join(path, '..'))
    return target
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT' && systemCodeOf(error) !== 'ENOTDIR') {
      throw directoryFailure(`make ${path} a target`, error)
    }
    throw new Failure(
      'repository-missing',
      `cannot make ${path} a target: its parent is no directory`,
      {
        hint: 'mount the disk, or make the parent directory first',
        cause: error,
      },
    )
  }
}

/** The identity, or undefined when there is none. A file that cannot be understood is refused. */
export async function readDirectoryTarget(path: string): Promise<DirectoryTarget | undefined> {
  const text = await readTextIfPresent(join(path, targetFileName))
  return text === undefined ? undefined : parseTarget(path, text)
}

function parseTarget(path: string, text: string): DirectoryTarget {
  const parsed = parseJsonObject(text)
  if (typeof parsed['format'] === 'number' && parsed['format'] > targetFormat) {
    throw new Failure('refused', `cannot use ${path}: a newer version of the program made it`, {
      hint: 'use that version or a newer one',
    })
  }
  const { format, id, created, filesystem } = parsed
  if (format !== targetFormat || typeof id !== 'string' || typeof created !== 'string') {
    throw new Failure('refused', `cannot use ${path}: its ${targetFileName} is damaged`, {
      hint: 'see what is on that disk; a fresh directory needs init',
    })
  }
  return { format, id, created, filesystem: parseFilesystem(filesystem) }
}

function parseJsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}

function parseFilesystem(value: unknown): DirectoryTarget['filesystem'] {
  if (typeof value !== 'object' || value === null) return { type: 'unknown', uuid: null }
  const type = 'type' in value && typeof value.type === 'string' ? value.type : 'unknown'
  return { type, uuid: 'uuid' in value && typeof value.uuid === 'string' ? value.uuid : null }
}

async function refuseForeign(path: string): Promise<void> {
  const names = (await readdir(path)).filter(name => name !== 'lost+found')
  if (names.length === 0) return
  throw new Failure('refused', `cannot make ${path} a target: it has other things in it`, {
    hint: 'give an empty directory or one that does not exist yet',
  })
}

/** No device path and no server name: those would tell strangers about the network (L10). */
async function describeFilesystem(path: string): Promise<DirectoryTarget['filesystem']> {
  const { type, source } = await findMount(await realpath(path))
  try {
    return { type, uuid: await uuidOfDevice(source) }
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
    return { type, uuid: null }
  }
}

/** The last mount of the longest mount point that covers the path: the one that is seen. */
async function findMount(
  path: string,
): Promise<{ readonly type: string; readonly source: string }> {
  let best = { type: 'unknown', source: '', length: -1 }
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    // proc(5): id, parent, major:minor, root, mount point, options, tags…, "-", type, source, …
    const [before = '', after = ''] = line.split(' - ')
    const point = (before.split(' ')[4] ?? '').replace(/\\(\d{3})/g, unescapeOctal)
    const covers = point === '/' || path === point || (point !== '' && path.startsWith(`${point}/`))
    if (!covers || point.length < best.length) continue
    const [type = 'unknown', source = ''] = after.split(' ')
    best = { type, source, length: point.length }
  }
  return best
}

function unescapeOctal(_: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 8))
}

async function uuidOfDevice(device: string): Promise<string | null> {
  if (!device.startsWith('/dev/')) return null
  const folder = '/dev/disk/by-uuid'
  const wanted = await realpath(device)
  for (const uuid of await readdir(folder)) {
    if (join(folder, await readlink(join(folder, uuid))) === wanted) return uuid
  }
  return null
}
