// A chain, full first, onto a btrfs: received in a private staging directory, published at the
// end. Whatever fails, the target shows nothing of it.

import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Repository } from '../catalog/repository.ts'
import type { Backup } from '../model/backup.ts'
import type { Subvolume } from '../model/subvolume.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import { SymlinkNames } from '../stream/symlink-names.ts'
import type { Tree } from '../stream/tree.ts'
import type { BackupIndex } from './read-index.ts'
import { readFrames } from './read-stream.ts'
import { receiveStream } from './receive.ts'

export interface Link {
  readonly backup: Backup
  readonly index: BackupIndex
}

export interface ChainTask {
  readonly btrfs: Btrfs
  readonly repository: Repository
  readonly pool: WorkerPool
  /** A folder on the target filesystem. */
  readonly target: string
  /** Its name there; a new one of this run. */
  readonly stagingName: string
  /** What the target does not hold yet, oldest first. */
  readonly links: readonly Link[]
  /** The backup that the first link is a difference from, when the target holds it. */
  readonly base: Backup | null
  /** Publish only the last; drop each ancestor as soon as it is no longer needed. */
  readonly latestOnly: boolean
  /** Put in what receive would lose; needs the tree of `base` where there is one. */
  readonly mend: { readonly baseTree: Tree | undefined } | undefined
  readonly signal: AbortSignal
  readonly onFetched?: (bytes: number) => void
  readonly onReceived?: (bytes: number) => void
  readonly onLink?: (link: Link) => void
}

export interface RestoredChain {
  /** In the order of the links. */
  readonly published: readonly Subvolume[]
  /** What the last one must look like; undefined when nothing was mended. */
  readonly tree: Tree | undefined
}

export async function restoreChain(task: ChainTask): Promise<RestoredChain> {
  const staging = new Staging(task)
  try {
    const { staged, tree } = await receiveLinks(task, staging)
    return { published: await publish(task, staged), tree }
  } finally {
    await staging.remove()
  }
}

/** Private folders: one, unless snapshots of the chain have the same name. */
class Staging {
  readonly #task: ChainTask
  readonly #folders: { readonly path: string; readonly names: Set<string> }[] = []

  constructor(task: ChainTask) {
    this.#task = task
  }

  async folderFor({ index }: Link): Promise<string> {
    const { snapshotName } = index.begin
    const free = this.#folders.find(({ names }) => !names.has(snapshotName))
    const folder = free ?? (await this.#add())
    folder.names.add(snapshotName)
    return folder.path
  }

  async #add() {
    const { btrfs, target, stagingName } = this.#task
    const count = this.#folders.length
    const path = join(target, count === 0 ? stagingName : `${stagingName}.${count + 1}`)
    await btrfs.makeStaging(path)
    const folder = { path, names: new Set<string>() }
    this.#folders.push(folder)
    return folder
  }

  async remove(): Promise<void> {
    for (const { path } of this.#folders) await this.#task.btrfs.removeStaging(path)
  }
}

async function receiveLinks(task: ChainTask, staging: Staging) {
  const { btrfs, repository, pool, signal, onFetched } = task
  const symlinks = new SymlinkNames()
  const staged: Subvolume[] = []
  let parent = task.base
  let tree = task.mend?.baseTree
  for (const link of task.links) {
    task.onLink?.(link)
    const { backup } = link
    const received = await receiveStream({
      btrfs,
      staging: await staging.folderFor(link),
      backup,
      parent: backup.manifest.parent === null ? null : (parent?.manifest.stream ?? null),
      stream: readFrames(repository, link, { pool, signal, onFetched }),
      sha256: link.index.end.streamSha256,
      symlinks,
      mend: task.mend && { tree },
      signal,
      ...(task.onReceived && { onBytes: task.onReceived }),
    })
    if (task.latestOnly)
      for (const ancestor of staged.splice(0)) await btrfs.discardStaged(ancestor)
    staged.push(received.snapshot)
    parent = backup
    tree = received.tree
  }
  return { staged, tree }
}

/**
 * A received subvolume can't be moved to another directory; a read-only snapshot of it can be made
 * anywhere, in one step, and keeps the marks that later incrementals need.
 */
async function publish(task: ChainTask, staged: readonly Subvolume[]): Promise<Subvolume[]> {
  const published: Subvolume[] = []
  const names = new Set<string>()
  try {
    for (const { path, name } of staged) {
      const own = freeName(name, names)
      names.add(own)
      published.push(await task.btrfs.snapshot(path, join(task.target, own)))
    }
    return published
  } catch (cause) {
    for (const { path, uuid } of published) await task.btrfs.deleteSnapshot(path, uuid)
    throw new Failure('receive-failed', `cannot publish the restored snapshots in ${task.target}`, {
      hint: 'a snapshot of that name may be there already: choose another folder',
      cause,
    })
  }
}

/** Who made the snapshots may have given two of them the same name, one after the other. */
function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let again = 1; ; again += 1) {
    const candidate = again === 1 ? name : `${name}.${again}`
    if (!taken.has(candidate)) return candidate
  }
}
