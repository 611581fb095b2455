// What a snapshot must look like: its chain's skeletons replayed, without a byte of file data.

import type { Repository } from '../catalog/repository.ts'
import type { Backup } from '../model/backup.ts'
import type { Identity } from '../pack/identities.ts'
import { TreeReplay } from '../stream/replay.ts'
import type { Tree } from '../stream/tree.ts'
import { readIndex } from './read-index.ts'

/** `chain` is full first and ends with the snapshot wanted. Needs about 250 bytes an inode. */
export async function expectedTree(
  repository: Repository,
  chain: readonly Backup[],
  options: { readonly identities: readonly Identity[]; readonly signal: AbortSignal },
): Promise<Tree> {
  let tree: Tree | undefined
  for (const backup of chain) {
    const replay = new TreeReplay({ tree, payload: 'left-out' })
    const onSkeleton = (piece: Uint8Array) => replay.write(piece)
    await readIndex(repository, backup, { ...options, onSkeleton })
    tree = replay.finish()
  }
  if (tree === undefined) throw new Error('a chain has at least one backup')
  return tree
}
