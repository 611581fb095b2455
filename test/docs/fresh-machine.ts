// A machine to follow the documentation on: this system's root under an overlay of its own, so that
// commands run letter by letter with the paths that they show (/home, /etc/btrvault, /dev/sdb1) and
// nothing of it reaches the real system. Each run has a mount namespace of its own: files stay from
// run to run, mounts do not.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { BtrfsWorld } from '../support/btrfs-world.ts'
import { checkout } from './markdown.ts'

const runLimitMs = 240_000

export interface MachineOptions {
  /** Names the folder of this machine's own files. */
  readonly name: string
  /** Name below /dev → the loop device that it stands for. */
  readonly disks?: Readonly<Record<string, string>>
  /** Folder of the machine → folder of the test's. */
  readonly folders?: Readonly<Record<string, string>>
  /** Shell commands that begin every run: what fstab would do. */
  readonly mounts?: string
  readonly env?: Readonly<Record<string, string>>
}

export class FreshMachine {
  readonly #folder: string
  readonly #options: MachineOptions

  /** Its own files lie on a filesystem of the world. One of the same name is the same machine, mounted anew. */
  constructor(world: BtrfsWorld, options: MachineOptions) {
    const system = join(world.folder, 'system')
    if (statSync(system, { throwIfNoEntry: false }) === undefined) {
      world.addFilesystem('system', { sizeMiB: 512 })
    }
    this.#folder = join(system, options.name)
    this.#options = options
    for (const part of ['upper', 'work', 'root', 'dev-upper', 'dev-work']) {
      mkdirSync(join(this.#folder, part), { recursive: true })
    }
    for (const folder of Object.values(options.folders ?? {}))
      mkdirSync(folder, { recursive: true })
    const program = join(this.#folder, 'upper/usr/local/bin/btrvault')
    mkdirSync(dirname(program), { recursive: true })
    if (lstatSync(program, { throwIfNoEntry: false }) === undefined) {
      symlinkSync(join(checkout, 'bin/btrvault'), program)
    }
  }

  /** Runs a script as root in /root. Throws with everything it said unless every command ends well. */
  async run(script: string): Promise<string> {
    const { mounts = '', env = {} } = this.#options
    const inside = ['cd /root', mounts, script].join('\n')
    const assemble = ['/bin/bash', '-euc', this.#assembly(), 'sh', this.#folder, checkout, inside]
    const child = spawn('unshare', ['-m', '--propagation', 'private', ...assemble], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: runLimitMs,
      env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...env },
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const [status] = (await once(child, 'close')) as [number | null]
    if (status === 0) return said
    throw new Error(`the commands ended with ${status}:\n${script}\n--- and said ---\n${said}`)
  }

  /** `$1`: this machine's folder, `$2`: the checkout, `$3`: the script. */
  #assembly(): string {
    const { disks = {}, folders = {} } = this.#options
    // Links, because the kernel knows a loop device under its own name only.
    const links = Object.entries(disks).map(
      ([name, device]) => `ln -sf ${basename(device)} "$root/dev/${name}"`,
    )
    const binds = Object.entries(folders).map(
      ([inside, outside]) => `mkdir -p "$root${inside}"; mount --bind ${outside} "$root${inside}"`,
    )
    return `
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/mnt"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t overlay overlay -o "lowerdir=/dev,upperdir=$1/dev-upper,workdir=$1/dev-work" "$root/dev"
${[...links, ...binds].join('\n')}
mkdir -p "$root$2"
mount --bind "$2" "$root$2"
exec chroot "$root" /bin/bash -euo pipefail -c "$3"
`
  }
}
