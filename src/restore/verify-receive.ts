// Receiving for trial: into a private staging directory, where nothing is ever published and from
// which everything goes again, each snapshot as soon as nothing more is built on it.

import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Backup } from '../model/backup.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { SymlinkNames } from '../stream/symlink-names.ts'
import type { Tree } from '../stream/tree.ts'
import { receiveStream } from './receive.ts'

export interface TrialOptions {
  readonly btrfs: Btrfs
  /** Ours, empty, on a btrfs; it stays the caller's to remove. */
  readonly staging: string
  readonly signal: AbortSignal
  /** Why what was received is not what it must be; undefined when it is. */
  readonly judge: (received: Subvolume, expected: Tree) => Promise<Failure | undefined>
}

export interface TrialTask {
  readonly backup: Backup
  readonly parent: Backup | undefined
  readonly pieces: AsyncIterable<Uint8Array<ArrayBuffer>>
  /** Backups that are built on this one directly. */
  readonly childCount: number
}

interface Received {
  readonly snapshot: Subvolume
  readonly tree: Tree
  readonly symlinks: SymlinkNames
  childrenLeft: number
}

export class TrialReceiver {
  readonly #options: TrialOptions
  /** By seq; those on which something is still to be built. */
  readonly #kept = new Map<number, Received>()
  /** By seq; one each, for two snapshots may have the same name. */
  readonly #folders = new Map<number, string>()

  constructor(options: TrialOptions) {
    this.#options = options
  }

  /** `no-parent` when the parent could not be received; rejects when this one could not be. */
  async receive(task: TrialTask): Promise<'received' | 'no-parent'> {
    const { backup, parent, childCount } = task
    const above = parent && this.#kept.get(parent.manifest.seq)
    if (parent !== undefined && above === undefined) return 'no-parent'
    try {
      if (parent && above) await this.#checkAlone(parent, above.snapshot)
      const received = await this.#receive(task, above)
      if (childCount > 0) this.#kept.set(backup.manifest.seq, received)
      return 'received'
    } finally {
      if (parent) this.#letGo(parent)
      await this.#tidy()
    }
  }

  /** Instead of receive(), for a backup of which there is nothing to receive. */
  async skip({ manifest }: Backup): Promise<void> {
    if (manifest.parent) this.#letGo({ manifest: { seq: manifest.parent.seq } })
    await this.#tidy()
  }

  async #receive(task: TrialTask, above: Received | undefined): Promise<Received> {
    const { btrfs, staging, signal, judge } = this.#options
    const { backup, parent, pieces, childCount } = task
    // The last one that is built on it may have the parent's tree and change it.
    const isLast = above?.childrenLeft === 1
    const parentTree = isLast ? above.tree : above?.tree.clone()
    const symlinks = above?.symlinks.clone() ?? new SymlinkNames()
    const folder = join(staging, String(backup.manifest.seq))
    await btrfs.makeStaging(folder)
    this.#folders.set(backup.manifest.seq, folder)
    const { snapshot, tree } = await receiveStream({
      btrfs,
      staging: folder,
      backup,
      parent: parent?.manifest.stream ?? null,
      stream: pieces,
      sha256: undefined,
      symlinks,
      mend: { tree: parentTree },
      signal,
    })
    if (tree === undefined) throw new Error('a mended stream makes a tree')
    const failure = await judge(snapshot, tree)
    if (failure !== undefined) throw failure
    return { snapshot, tree, symlinks, childrenLeft: childCount }
  }

  /** Receive would choose itself among several: then nothing would be proven of ours. */
  async #checkAlone(parent: Backup, ours: Subvolume): Promise<void> {
    const { btrfs, staging, signal } = this.#options
    const { seq, stream } = parent.manifest
    const { usable, inTheWay } = await btrfs.findReceived(staging, stream.uuid, { signal })
    const others = usable.filter(({ id, receivedUuid }) => receivedUuid !== null && id !== ours.id)
    if (others.length === 0 && inTheWay.length === 0) return
    throw new Failure(
      'refused',
      `cannot receive for trial: the filesystem at ${staging} holds backup ${seq} already`,
      { hint: 'use a scratch folder on another btrfs filesystem' },
    )
  }

  #letGo({ manifest }: { readonly manifest: Pick<Backup['manifest'], 'seq'> }): void {
    const kept = this.#kept.get(manifest.seq)
    if (kept === undefined) return
    kept.childrenLeft -= 1
    if (kept.childrenLeft === 0) this.#kept.delete(manifest.seq)
  }

  /** Also what a receive that failed has left. */
  async #tidy(): Promise<void> {
    for (const [seq, folder] of this.#folders) {
      if (this.#kept.has(seq)) continue
      await this.#options.btrfs.removeStaging(folder)
      this.#folders.delete(seq)
    }
  }

  async close(): Promise<void> {
    this.#kept.clear()
    await this.#tidy()
  }
}
