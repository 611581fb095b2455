// What of a chain the target holds already: only the rest is fetched.

import { Failure } from '../base/failure.ts'
import type { Btrfs } from '../btrfs/btrfs.ts'
import type { Backup } from '../model/backup.ts'
import type { ReceivedMatches, Subvolume } from '../model/subvolume.ts'

export interface MissingLinks {
  /** To be received, oldest first; empty when the wanted backup is there. */
  readonly missing: readonly Backup[]
  /** The newest of the chain that is there. */
  readonly present: { readonly backup: Backup; readonly snapshot: Subvolume } | null
}

/**
 * `chain` is full first. By identity only: received under the stream's uuid and ctransid. Failure
 * 'receive-failed' when something on the target passes for a parent and is not it: `btrfs receive`
 * would build on that instead, and say nothing.
 */
export async function missingLinks(
  btrfs: Btrfs,
  target: string,
  { chain, signal }: { readonly chain: readonly Backup[]; readonly signal: AbortSignal },
): Promise<MissingLinks> {
  for (let index = chain.length - 1; index >= 0; index -= 1) {
    const backup = chain[index] as Backup
    const matches = await btrfs.findReceived(target, backup.manifest.stream.uuid, { signal })
    const impostors = impostorsOf(backup, matches)
    const [snapshot] = matches.usable
    if (snapshot !== undefined && impostors.length === 0) {
      return { missing: chain.slice(index + 1), present: { backup, snapshot } }
    }
    const isParent = index < chain.length - 1
    if (isParent && impostors.length > 0) throw passesFor(backup, impostors, target)
  }
  return { missing: chain, present: null }
}

/** Ids of what receive may take for the backup's snapshot, for it compares uuids alone. */
function impostorsOf(backup: Backup, { usable, inTheWay }: ReceivedMatches): readonly number[] {
  const { ctransid } = backup.manifest.stream
  const isReal = (one: Subvolume) => one.receivedUuid === null || one.sendTransid === ctransid
  return [...inTheWay, ...usable.filter(one => !isReal(one)).map(({ id }) => id)]
}

function passesFor({ manifest }: Backup, ids: readonly number[], target: string): Failure {
  return new Failure(
    'receive-failed',
    `cannot restore to ${target}: subvolume ${ids.join(', ')} of that filesystem passes for backup ${manifest.seq}, but is writable, was altered or lies outside what is mounted`,
    {
      hint: 'restore to another filesystem, mount the top level (-o subvolid=5), or delete that subvolume',
    },
  )
}
