// The filesystem around a path, and what this machine's kernel and btrfs-progs can do.

import { readdir, readFile, realpath, statfs } from 'node:fs/promises'
import { release } from 'node:os'
import { basename, join } from 'node:path'
import { Failure, systemCodeOf } from '../base/failure.ts'
import { asUuid, type Uuid } from '../model/ids.ts'
import { type Mount, mountOf } from './mounts.ts'
import { type BtrfsOptions, btrfsFailure, runBtrfs, succeeded } from './run.ts'
import type { SendProtocol } from './send.ts'

const kernelFolder = '/sys/fs/btrfs'

export interface Filesystem {
  readonly uuid: Uuid
  readonly mountPoint: string
  readonly readOnly: boolean
  readonly totalBytes: number
  /** What an ordinary user may still write, as far as btrfs can tell. */
  readonly freeBytes: number
  /** Read, write, flush, corruption and generation errors of all its devices since last reset. */
  readonly deviceErrorCount: number
  readonly quotas: 'off' | 'simple' | 'full'
  /** `none`, `balance`, `device replace`, …: a balance makes send fail or start anew. */
  readonly exclusiveOperation: string
}

export interface BtrfsVersions {
  /** `6.2`. */
  readonly progs: string
  readonly kernel: string
  /** The best version of the send stream that both can make. */
  readonly protocol: SendProtocol
}

export async function filesystemOf(path: string): Promise<Filesystem> {
  const mount = await mountAt(path)
  const uuid = await uuidOf(path, mount)
  const folder = join(kernelFolder, uuid)
  const space = await statfs(path)
  return {
    uuid,
    mountPoint: mount.mountPoint,
    readOnly: mount.readOnly,
    totalBytes: space.blocks * space.bsize,
    freeBytes: space.bavail * space.bsize,
    deviceErrorCount: await deviceErrors(join(folder, 'devinfo')),
    quotas: await quotasOf(folder),
    exclusiveOperation: (await textOf(join(folder, 'exclusive_operation'))) ?? 'unknown',
  }
}

/**
 * Commits what is in memory. Without it a subvolume's generation does not yet tell of changes made
 * in the last half minute.
 */
export async function syncFilesystem(path: string, options: BtrfsOptions = {}): Promise<void> {
  const { outcome } = await runBtrfs(['filesystem', 'sync', path], options)
  if (!succeeded(outcome)) throw btrfsFailure(`sync the filesystem at ${path}`, outcome)
}

export async function versions(options: BtrfsOptions = {}): Promise<BtrfsVersions> {
  const { outcome, stdout } = await runBtrfs(['--version'], options)
  const match = /btrfs-progs v?(\d+\.\d+(?:\.\d+)?)/.exec(stdout.toString())
  if (match === null) throw btrfsFailure('read the version of btrfs-progs', outcome)
  const progs = match[1] as string
  const stream = Number((await textOf(join(kernelFolder, 'features/send_stream_version'))) ?? '1')
  return { progs, kernel: release(), protocol: protocolFor(progs, stream) }
}

/** Version 2 needs btrfs-progs 5.19, and a kernel (6.0) that says that it can. */
export function protocolFor(progs: string, kernelStreamVersion: number): SendProtocol {
  const [major = 0, minor = 0] = progs.split('.').map(Number)
  const progsKnow = major > 5 || (major === 5 && minor >= 19)
  return progsKnow && kernelStreamVersion >= 2 ? 2 : 1
}

async function mountAt(path: string): Promise<Mount> {
  try {
    const mount = await mountOf(path)
    if (mount !== undefined) return mount
  } catch (error) {
    throw new Failure('btrfs-failed', `cannot read the filesystem at ${path}: no such path`, {
      cause: error,
    })
  }
  throw new Failure('btrfs-failed', `cannot read the filesystem at ${path}: it is not mounted`)
}

/** The kernel's folder of each mounted btrfs is named by its uuid and lists its devices. */
async function uuidOf(path: string, mount: Mount): Promise<Uuid> {
  const device = basename(await realpath(mount.device).catch(() => mount.device))
  for (const name of await namesIn(kernelFolder)) {
    const uuid = asUuid(name)
    if (uuid === undefined) continue
    if ((await namesIn(join(kernelFolder, name, 'devices'))).includes(device)) return uuid
  }
  throw new Failure('btrfs-failed', `cannot read the filesystem at ${path}: it is not btrfs`, {
    hint: 'check that the btrfs filesystem is mounted there',
  })
}

async function deviceErrors(folder: string): Promise<number> {
  let count = 0
  for (const name of await namesIn(folder)) {
    for (const line of ((await textOf(join(folder, name, 'error_stats'))) ?? '').split('\n')) {
      count += Number(line.split(' ')[1] ?? 0) || 0
    }
  }
  return count
}

async function quotasOf(folder: string): Promise<Filesystem['quotas']> {
  const mode = await textOf(join(folder, 'qgroups/mode'))
  if (mode === undefined) return 'off'
  return mode === 'squota' ? 'simple' : 'full'
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw error
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(systemCodeOf(error) ?? '')) return undefined
    throw error
  }
}
