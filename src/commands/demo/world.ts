// Where a demonstration takes place: a folder of its own with two btrfs filesystems in files, which
// is gone afterwards however the demonstration ends.

import { constants } from 'node:fs'
import {
  access,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { Failure, isFailure } from '../../base/failure.ts'
import { collectProgram, runProgram, startProgram } from '../../base/process.ts'
import { formatBytes } from '../../base/units.ts'
import { parseMounts, pathBelow } from '../../btrfs/mounts.ts'
import type { Context } from '../shared/context.ts'

const prefix = 'btrvault-demo-'
const imageBytes = 1024 ** 3
/** Both images as far as they fill, and the repository. */
const neededBytes = 1.5 * 1024 ** 3
const ownerFile = '.owner'
/** Of a folder whose owner is not known: it may have been made this moment. */
const youngMs = 60_000

/** Failure 'refused' that says what is missing here, and how to get it. */
export async function checkDemoCanRun(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Failure(
      'refused',
      'cannot run the demonstration: it mounts filesystems, as root may',
      {
        hint: 'run: sudo npm run demo (or sudo btrvault demo)',
      },
    )
  }
  for (const [program, holder] of Object.entries(programs)) {
    const { outcome } = await collectProgram({ program, args: ['--version'] }).catch(
      (error: unknown) => {
        if (isFailure(error, 'failed')) return { outcome: undefined }
        throw error
      },
    )
    if (outcome !== undefined) continue
    throw new Failure('refused', `cannot run the demonstration: ${program} is not installed`, {
      hint: `install what it uses: apt-get install ${[...new Set(Object.values(programs)), holder].filter((name, n, all) => all.indexOf(name) === n).join(' ')}`,
    })
  }
  await checkLoopDevices()
  const { bavail, bsize } = await statfs(tmpdir())
  if (bavail * bsize < neededBytes) {
    const free = formatBytes(bavail * bsize)
    throw new Failure(
      'no-space',
      `cannot run the demonstration: ${tmpdir()} has only ${free} free`,
      {
        hint: `name a folder with ${formatBytes(neededBytes)} free: TMPDIR=/var/tmp btrvault demo`,
      },
    )
  }
}

const programs = {
  'mkfs.btrfs': 'btrfs-progs',
  btrfs: 'btrfs-progs',
  flock: 'util-linux',
  mount: 'util-linux',
  setfattr: 'attr',
  getfattr: 'attr',
  setfacl: 'acl',
  setcap: 'libcap2-bin',
  find: 'findutils',
  bash: 'bash',
} as const

async function checkLoopDevices(): Promise<void> {
  try {
    await access('/dev/loop-control', constants.R_OK | constants.W_OK)
  } catch (cause) {
    throw new Failure('refused', 'cannot run the demonstration: there are no loop devices here', {
      hint: 'run: modprobe loop; a container needs --privileged for it',
      cause,
    })
  }
}

/** Removes what demonstrations left whose process was killed. Kept ones are left alone. */
export async function sweepDemos(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name)
    if (name.startsWith(prefix) && (await isAbandoned(folder))) await takeDown(folder)
  }
}

async function isAbandoned(folder: string): Promise<boolean> {
  const facts = await lstat(folder).catch(() => undefined)
  // Anybody may make such a name in a folder like /tmp.
  if (facts === undefined || !facts.isDirectory() || facts.uid !== process.getuid?.()) return false
  const owner = await readFile(join(folder, ownerFile), 'utf8').catch(() => undefined)
  if (owner === undefined) return Date.now() - facts.mtimeMs > youngMs
  if (owner === 'kept') return false
  const pid = Number(owner.split(' ')[1])
  return owner !== (await ownerText(pid))
}

/** Boot, process and its start: a number alone may be another process by now. */
async function ownerText(pid: number): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${boot.trim()} ${pid} ${start}`
  } catch {
    return undefined
  }
}

export class DemoWorld {
  readonly folder: string
  readonly #guard: Writable | null
  #kept = false

  /** Makes the folder and both filesystems, mounted at `source` and `target` in it. */
  static async make({ signal }: Context): Promise<DemoWorld> {
    const folder = await mkdtemp(join(tmpdir(), prefix))
    await writeFile(join(folder, ownerFile), (await ownerText(process.pid)) ?? '')
    const world = new DemoWorld(folder)
    try {
      for (const name of ['source', 'target']) await world.#addFilesystem(name, signal)
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(folder: string) {
    this.folder = folder
    this.#guard = startGuard(folder)
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** It stays when this ends, and no later demonstration removes it. */
  async keep(): Promise<void> {
    await writeFile(this.path(ownerFile), 'kept')
    this.#kept = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#kept) await takeDown(this.folder)
    this.#guard?.end('done\n')
  }

  async #addFilesystem(name: string, signal: AbortSignal): Promise<void> {
    const image = await open(this.path(`${name}.img`), 'wx', 0o600)
    await image.truncate(imageBytes)
    await image.close()
    await mkdir(this.path(name))
    await runProgram({ program: 'mkfs.btrfs', args: ['-q', this.path(`${name}.img`)], signal })
    const options = ['-t', 'btrfs', '-o', 'loop,noatime', this.path(`${name}.img`)]
    await runProgram({ program: 'mount', args: [...options, this.path(name)], signal })
  }
}

/**
 * A program that outlives us: when this process is gone without a word, even by SIGKILL, its stdin
 * ends, and it takes the folder down.
 */
function startGuard(folder: string): Writable | null {
  const { stdin } = startProgram({
    program: 'sh',
    args: ['-c', guardScript, 'sh', folder],
    stdin: 'pipe',
  })
  return stdin
}

const guardScript = `
read -r word && [ "$word" = done ] && exit 0
umount -l "$1/source" "$1/target" 2>/dev/null
for again in 1 2 3 4 5; do
  rm -rf --one-file-system "$1" && exit 0
  sleep 1
done`

/** Unmounts everything in the folder, then removes it. May be called for what is gone. */
async function takeDown(folder: string): Promise<void> {
  for (const mountPoint of await mountPointsIn(folder)) await unmount(mountPoint)
  const left = await mountPointsIn(folder)
  if (left.length > 0) {
    throw new Failure('failed', `cannot remove ${folder}: ${left[0]} is still mounted`, {
      hint: `leave that folder in every shell, then run: umount ${left.join(' ')}; rm -r ${folder}`,
    })
  }
  await rm(folder, { recursive: true, force: true })
}

async function unmount(mountPoint: string): Promise<void> {
  // A program that was just stopped may hold it for a moment.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const { outcome } = await collectProgram({ program: 'umount', args: [mountPoint] })
    if (outcome.kind === 'exited' && outcome.status === 0) return
    await new Promise(resolve => {
      setTimeout(resolve, 100)
    })
  }
  // Somebody looks around in it: gone for everybody else, and for good when they leave.
  await collectProgram({ program: 'umount', args: ['-l', mountPoint] })
}

/** Latest first, so that they can be unmounted in this order. */
async function mountPointsIn(folder: string): Promise<string[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
    .map(({ mountPoint }) => mountPoint)
    .filter(mountPoint => pathBelow(folder, mountPoint))
    .toReversed()
}
