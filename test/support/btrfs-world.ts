// A real btrfs, made for one test: sparse images in a temporary folder, loop-mounted, and taken
// down again whatever happens. What a killed test process left is removed by the next one.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface FilesystemOptions {
  /** Of the sparse image. Default 1 GiB; btrfs wants 112 MiB at least. */
  readonly sizeMiB?: number
  /** `compress=zstd`, `noatime`, … */
  readonly mountOptions?: string
  readonly mkfsArgs?: readonly string[]
}

export interface WorldOptions extends FilesystemOptions {
  /** A second filesystem beside the first, at `second`. */
  readonly second?: FilesystemOptions | true
}

export interface ShellResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export async function makeBtrfsWorld(options: WorldOptions = {}): Promise<BtrfsWorld> {
  sweepLeftovers()
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${ownerName(process.pid)}-`))
  const world = new BtrfsWorld(folder)
  try {
    world.addFilesystem('first', options)
    if (options.second !== undefined) {
      world.addFilesystem('second', options.second === true ? {} : options.second)
    }
    return world
  } catch (error) {
    await world.destroy()
    throw error
  }
}

export class BtrfsWorld {
  /** Holds images, mount points and whatever else a test puts there; not on btrfs itself. */
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** A path on the first filesystem. */
  path(...parts: string[]): string {
    return join(this.folder, 'first', ...parts)
  }

  /** A path on the second filesystem. */
  secondPath(...parts: string[]): string {
    return join(this.folder, 'second', ...parts)
  }

  /** A path beside the filesystems. */
  outside(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  /** Makes and mounts a filesystem at `<folder>/<name>`; returns its mount point. */
  addFilesystem(name: string, options: FilesystemOptions = {}): string {
    const image = join(this.folder, `${name}.img`)
    const mountPoint = join(this.folder, name)
    writeFileSync(image, '')
    truncateSync(image, (options.sizeMiB ?? 1024) * 1024 * 1024)
    execFileSync('mkfs.btrfs', ['-q', ...(options.mkfsArgs ?? []), image], { stdio: 'ignore' })
    mkdirSync(mountPoint)
    this.mountImage(name, mountPoint, options.mountOptions)
    return mountPoint
  }

  /** Mounts the image of a filesystem (again), e.g. elsewhere with `subvol=…`. */
  mountImage(name: string, mountPoint: string, mountOptions = ''): void {
    const image = join(this.folder, `${name}.img`)
    const options = ['loop', mountOptions].filter(option => option !== '').join(',')
    mkdirSync(mountPoint, { recursive: true })
    const device = loopDevicesOf(image)[0]
    const args =
      device === undefined
        ? ['-o', options, image, mountPoint]
        : [...(mountOptions === '' ? [] : ['-o', mountOptions]), device, mountPoint]
    execFileSync('mount', ['-t', 'btrfs', ...args], { stdio: 'pipe' })
  }

  /** The first filesystem's loop device. */
  device(name = 'first'): string {
    const device = loopDevicesOf(join(this.folder, `${name}.img`))[0]
    if (device === undefined) throw new Error(`${name} is not mounted`)
    return device
  }

  /** Runs a shell script with `$1` … in the first filesystem; throws when it fails. */
  sh(script: string, ...args: string[]): string {
    return outputOf(script, this.trySh(script, ...args))
  }

  trySh(script: string, ...args: string[]): ShellResult {
    return runShell(this.path(), script, args)
  }

  /** Like sh(), but beside the filesystems, where the images `first.img` … lie. */
  shOutside(script: string, ...args: string[]): string {
    return outputOf(script, runShell(this.folder, script, args))
  }

  /** Unmounts one mount point, waiting while it is busy. */
  async umount(mountPoint: string): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const result = spawnSync('umount', [mountPoint], { encoding: 'utf8' })
      if (result.status === 0 || !mountPointsBelow(mountPoint).includes(mountPoint)) return
      if (attempt >= 100) throw new Error(`cannot unmount ${mountPoint}: ${result.stderr}`)
      await delay(20 + attempt)
    }
  }

  async destroy(): Promise<void> {
    for (const mountPoint of mountPointsBelow(this.folder)) await this.umount(mountPoint)
    for (const image of imagesIn(this.folder)) {
      for (const device of loopDevicesOf(image)) spawnSync('losetup', ['-d', device])
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy()
  }
}

function runShell(cwd: string, script: string, args: readonly string[]): ShellResult {
  const result = spawnSync('/bin/bash', ['-euc', script, 'sh', ...args], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: 120_000,
  })
  return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr }
}

function outputOf(script: string, result: ShellResult): string {
  if (result.status === 0) return result.stdout
  throw new Error(`script failed with ${result.status}: ${script}\n${result.stderr}`)
}

const prefix = 'btrvault-world-'

/** Says which process of which boot a folder belongs to; start times tell reused pids apart. */
function ownerName(pid: number): string {
  return `${bootId()}-${pid}-${startTimeOf(pid) ?? 0}`
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function sweepLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^btrvault-world-([0-9a-f]{8}-(\d+)-\d+)-/.exec(name)
    if (owner === null || owner[1] === ownerName(Number(owner[2]))) continue
    removeLeftover(join(tmpdir(), name))
  }
}

/** Lazily unmounted, for nobody is left to wait for; the sweep must not fail another test. */
function removeLeftover(folder: string): void {
  const swaps = readFileSync('/proc/swaps', 'utf8').split('\n')
  for (const line of swaps) {
    const file = unescapeOctal(line.split(' ')[0] as string)
    if (file.startsWith(`${folder}/`)) spawnSync('swapoff', [file])
  }
  for (const mountPoint of mountPointsBelow(folder)) spawnSync('umount', ['-l', mountPoint])
  for (const image of imagesIn(folder)) {
    for (const device of loopDevicesOf(image)) spawnSync('losetup', ['-d', device])
  }
  if (mountPointsBelow(folder).length === 0) rmSync(folder, { recursive: true, force: true })
}

/** Deepest and newest first, so that they can be unmounted in this order. */
function mountPointsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter(mountPoint => mountPoint === folder || mountPoint.startsWith(`${folder}/`))
    .toReversed()
}

function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  )
}

function imagesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => name.endsWith('.img'))
    .map(name => join(folder, name))
}

/** Read from /sys, because starting losetup for each costs more than the rest together. */
function loopDevicesOf(image: string): string[] {
  if (!existsSync(image) || !statSync(image).isFile()) return []
  return readdirSync('/sys/block')
    .filter(name => name.startsWith('loop'))
    .filter(name => {
      const file = `/sys/block/${name}/loop/backing_file`
      return existsSync(file) && readFileSync(file, 'utf8').trim() === image
    })
    .map(name => `/dev/${name}`)
}
