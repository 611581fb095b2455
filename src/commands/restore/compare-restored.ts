// After a restore: is what arrived what was backed up? `btrfs receive` itself loses some things
// without saying so (suid bits, the root's time, inherited ACLs); here they are found and told.

import { join } from 'node:path'
import { forEachLimited } from '../../base/concurrency.ts'
import { systemCodeOf, throwIfAborted } from '../../base/failure.ts'
import { sameContents } from '../../base/same-contents.ts'
import type { Repository } from '../../catalog/repository.ts'
import type { SnapshotsConfig } from '../../config/config.ts'
import type { Backup } from '../../model/backup.ts'
import type { Identity } from '../../pack/identities.ts'
import { expectedTree } from '../../restore/expected-tree.ts'
import { compareTrees, type TreeDifference } from '../../stream/compare.ts'
import type { Tree } from '../../stream/tree.ts'
import { snapshotsAt } from '../backup/snapshots.ts'
import type { Context } from '../shared/context.ts'
import { actualTree } from './actual-tree.ts'

export type HowMuch = 'full' | 'sample' | 'none'

export interface Comparison {
  /** Names whose type, mode, owner, size, times, xattrs, links and targets were compared. */
  readonly namesCompared: number
  /** Files whose contents were compared with the source snapshot. */
  readonly filesCompared: number
  /** The source snapshot, where it is still on this machine; else contents rest on the hashes. */
  readonly source: string | null
  readonly differenceCount: number
  /** The first of them. */
  readonly differences: readonly TreeDifference[]
  /** Files whose contents differ. */
  readonly contentDifferences: readonly string[]
}

export interface CompareTask {
  /** A read-only snapshot. */
  readonly restored: string
  readonly howMuch: Exclude<HowMuch, 'none'>
  /** What it must look like, where that is known already. */
  readonly tree: Tree | undefined
  readonly chain: readonly Backup[]
  readonly repository: Repository
  readonly identities: readonly Identity[]
  /** Where the source snapshot may still be. */
  readonly places: readonly SnapshotsConfig[]
}

const differencesTold = 20
const filesInSample = 200
/** Small files are a matter of round trips. */
const filesAtOnce = 8

export async function compareRestored(context: Context, task: CompareTask): Promise<Comparison> {
  const { signal } = context
  const { repository, chain, identities, restored } = task
  context.emit({ kind: 'step', text: `comparing ${restored} with what was backed up` })
  const expected = task.tree ?? (await expectedTree(repository, chain, { identities, signal }))
  const actual = await actualTree(context, restored)
  const differences: TreeDifference[] = []
  let differenceCount = 0
  for (const difference of compareTrees(expected, actual)) {
    differenceCount += 1
    if (differences.length < differencesTold) differences.push(difference)
  }
  const source = await sourceSnapshot(context, task)
  const files = source === null ? [] : chosenFiles(expected, task.howMuch)
  const contentDifferences: string[] = []
  await forEachLimited(files, filesAtOnce, async path => {
    throwIfAborted(signal)
    const isSame = await sameOrGone(pathIn(source as string, path), pathIn(restored, path))
    if (!isSame) contentDifferences.push(path)
  })
  return {
    namesCompared: count(expected.walk()),
    filesCompared: files.length,
    source,
    differenceCount: differenceCount + contentDifferences.length,
    differences,
    contentDifferences: contentDifferences.slice(0, differencesTold),
  }
}

async function sourceSnapshot(context: Context, task: CompareTask): Promise<string | null> {
  const uuid = task.chain.at(-1)?.manifest.snapshot.uuid
  for (const place of task.places) {
    const present = await snapshotsAt(context, place).catch(() => [])
    const found = present.find(one => one.uuid === uuid && one.readOnly)
    if (found !== undefined) return found.path
  }
  return null
}

/** All files, or some spread evenly over the tree. */
function chosenFiles(tree: Tree, howMuch: 'full' | 'sample'): string[] {
  const files: string[] = []
  for (const { path, node } of tree.walk()) if (node.kind === 'file') files.push(path)
  if (howMuch === 'full' || files.length <= filesInSample) return files
  const stride = files.length / filesInSample
  return Array.from({ length: filesInSample }, (_, n) => files[Math.floor(n * stride)] as string)
}

/** A file that is not there, or is something else, was told by the trees; its contents differ too. */
async function sameOrGone(left: Buffer, right: Buffer): Promise<boolean> {
  try {
    return await sameContents(left, right)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO'].includes(systemCodeOf(error) ?? ''))
      return false
    throw error
  }
}

/** Paths of a tree have one character a byte. */
function pathIn(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(join(folder, '/')), Buffer.from(path, 'latin1')])
}

function count(items: Iterable<unknown>): number {
  let total = 0
  for (const _ of items) total += 1
  return total
}
