// What doctor asks of the machine: the runtime, the rights, btrfs and its known bad versions, and the
// folder of the program's state.

import { constants } from 'node:fs'
import { access, readFile, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCodeOf } from '../../base/failure.ts'
import { runProgram } from '../../base/process.ts'
import { formatBytes } from '../../base/units.ts'
import type { BtrfsVersions } from '../../btrfs/filesystem.ts'
import type { Config } from '../../config/config.ts'
import { type Context, nowOf } from '../shared/context.ts'
import { Area, bad, type Check, type Finding, ok, warn } from './checks.ts'

const leastNodeMajor = 26
const oldTimezonesYears = 2
/** linux/capability.h: CAP_SYS_ADMIN. */
const sysAdminBit = 21n
const leastStateBytes = 256 * 1024 ** 2

export async function checkMachine(context: Context): Promise<readonly Check[]> {
  const area = new Area('this machine')
  await area.check('Node', () => nodeFinding(process.versions.node))
  await area.check('time zones', () => timezonesFinding(process.versions['tz'], nowOf(context)))
  await area.check('rights', rightsFinding)
  await area.check('flock', async () => {
    await runProgram({ program: 'flock', args: ['--version'], signal: context.signal })
    return ok('locks can be taken')
  })
  const { signal } = context
  const versions = await area.obtain('btrfs-progs', () => context.btrfs.versions({ signal }))
  if (versions === undefined) return area.checks
  area.add('btrfs-progs', progsFinding(versions))
  area.add('kernel', kernelFinding(versions.kernel))
  return area.checks
}

export async function checkState({ state }: Config): Promise<readonly Check[]> {
  const area = new Area('this machine')
  await area.check('state', async () => {
    const folder = await nearestFolder(state)
    await access(folder, constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(folder)
    const free = formatBytes(bavail * bsize)
    if (bavail * bsize < leastStateBytes) {
      return warn(`${state} has only ${free} free`, 'free some: the journal of a run is kept there')
    }
    return ok(`${state} can be written, ${free} free`)
  })
  return area.checks
}

export function nodeFinding(version: string): Finding {
  const [major = 0] = version.split('.').map(Number)
  if (major >= leastNodeMajor) return ok(version)
  return bad(
    `${version} is older than ${leastNodeMajor}`,
    `install Node ${leastNodeMajor} or newer`,
  )
}

/** `tz` is like 2026a; undefined where Node was built without. */
export function timezonesFinding(tz: string | undefined, now: Date): Finding {
  const year = Number(tz?.slice(0, 4))
  if (tz === undefined || Number.isNaN(year)) {
    return warn('Node does not say how old its time zone rules are')
  }
  const isOld = now.getUTCFullYear() - year >= oldTimezonesYears
  if (!isOld) return ok(`rules of ${tz}`)
  return warn(`the rules are of ${tz}; some may have changed since`, 'update Node')
}

interface BadRange {
  /** Half open: from, up to. */
  readonly from: string
  readonly to: string
  readonly outcome: 'warn' | 'bad'
  readonly words: string
}

/** First match counts. Sources: kernel commit 518837e65068, and the release notes of the fixes. */
const badKernels: readonly BadRange[] = [
  { from: '5.2', to: '5.2.15', outcome: 'bad', words: 'can lose metadata that it wrote' },
  {
    from: '0',
    to: '5.10.11',
    outcome: 'bad',
    words: 'can send differences that no btrfs receive accepts (fixed in 5.10.11)',
  },
  { from: '0', to: '6.0', outcome: 'warn', words: 'knows only version 1 of the send stream' },
]

export function kernelFinding(release: string): Finding {
  const version = /^\d+(\.\d+)*/.exec(release)?.[0] ?? '0'
  const range = badKernels.find(
    ({ from, to }) => compareVersions(version, from) >= 0 && compareVersions(version, to) < 0,
  )
  if (range === undefined) return ok(release)
  const words = `${release} ${range.words}`
  return range.outcome === 'bad'
    ? bad(words, 'update the kernel before you rely on backups')
    : warn(words, 'it works; a newer kernel sends holes for nothing')
}

export function progsFinding({ progs, protocol }: BtrfsVersions): Finding {
  if (compareVersions(progs, '5.4') < 0) {
    return bad(`${progs} answers in a way that is not known`, 'install btrfs-progs 5.4 or newer')
  }
  if (compareVersions(progs, '5.14.2') < 0) {
    return warn(
      `${progs} lets a received snapshot be made writable and keep its identity`,
      'install 5.14.2 or newer, and never make a snapshot writable; copy it instead',
    )
  }
  return ok(`${progs}, send stream version ${protocol}`)
}

/** As numbers, part by part; a part that is missing is 0. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map(text => text.split('.').map(Number))
  for (let n = 0; n < Math.max(a?.length ?? 0, b?.length ?? 0); n += 1) {
    const difference = (a?.[n] ?? 0) - (b?.[n] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

async function rightsFinding(): Promise<Finding> {
  if (process.getuid?.() === 0) return ok('running as root')
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'latin1'))
  const bits = BigInt(`0x${effective?.[1] ?? '0'}`)
  if ((bits >> sysAdminBit) & 1n) {
    return warn('not root, but with CAP_SYS_ADMIN', 'files of others may be out of reach')
  }
  return bad('not root: no snapshot can be made, sent or received', 'run as root')
}

/** The path itself, or what of it exists. */
export async function nearestFolder(path: string): Promise<string> {
  try {
    await access(path, constants.F_OK)
    return path
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return await nearestFolder(dirname(path))
  }
}
