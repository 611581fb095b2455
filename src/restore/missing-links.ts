// What of a chain the target holds already: only the rest is fetched.

import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Backup } from '../model/backup.ts'
import type { Subvolume } from '../model/subvolume.ts'

export interface MissingLinks {
  /** To be received, oldest first; empty when the wanted backup is there. */
  readonly missing: readonly Backup[]
  /** The newest of the chain that is there. */
  readonly present: { readonly backup: Backup; readonly snapshot: Subvolume } | null
}

/** `chain` is full first. By identity only: received under the stream's uuid and ctransid. */
export async function missingLinks(
  btrfs: Btrfs,
  target: string,
  { chain, signal }: { readonly chain: readonly Backup[]; readonly signal: AbortSignal },
): Promise<MissingLinks> {
  for (let index = chain.length - 1; index >= 0; index -= 1) {
    const backup = chain[index] as Backup
    const { uuid, ctransid } = backup.manifest.stream
    const { usable, inTheWay } = await btrfs.findReceived(target, uuid, { signal })
    // Receive would pick one of several itself: all of them must be the real one.
    const isReal = (one: Subvolume) => one.receivedUuid === null || one.sendTransid === ctransid
    const [snapshot] = usable
    if (snapshot === undefined || inTheWay.length > 0 || !usable.every(isReal)) continue
    return { missing: chain.slice(index + 1), present: { backup, snapshot } }
  }
  return { missing: chain, present: null }
}
