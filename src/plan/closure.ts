// L3: nothing that a staying backup needs may go. Two checks that share no code: one follows the
// hashes from each staying backup up to its full, the other goes by numbers, from the newest down.
// They must agree before anything is deleted.

import { Failure } from '../base/failure.ts'
import type { Backup } from '../model/backup.ts'
import type { Sha256 } from '../model/ids.ts'

/**
 * Those of `going` that a backup which stays needs. Failure 'refused' when the two checks differ, or
 * when a staying backup's ancestor is not among `backups`, which are all of one series.
 */
export function neededOf(backups: readonly Backup[], going: ReadonlySet<Backup>): Set<Backup> {
  const walked = neededByAncestry(backups, going)
  const counted = neededByNumbers(backups, going)
  if (walked.size === counted.size && walked.isSubsetOf(counted)) return walked
  throw doubt('the two checks of what is still needed differ')
}

/** From each staying backup up, by the hash of its parent's manifest. */
export function neededByAncestry(
  backups: readonly Backup[],
  going: ReadonlySet<Backup>,
): Set<Backup> {
  const byHash = new Map<Sha256, Backup>(backups.map(backup => [backup.manifestSha256, backup]))
  const needed = new Set<Backup>()
  const visited = new Set<Backup>()
  for (const start of backups) {
    if (going.has(start)) continue
    let backup: Backup = start
    while (backup.manifest.parent !== null && !visited.has(backup)) {
      visited.add(backup)
      const parent = byHash.get(backup.manifest.parent.manifest)
      if (parent === undefined) throw doubt(`backup ${backup.manifest.seq} lacks its parent`)
      if (going.has(parent)) needed.add(parent)
      backup = parent
    }
  }
  return needed
}

/** Numbers whose backup must stay, from the newest down: a child's number is higher than its parent's. */
export function neededByNumbers(
  backups: readonly Backup[],
  going: ReadonlySet<Backup>,
): Set<Backup> {
  const sorted = [...backups].sort((a, b) => b.manifest.seq - a.manifest.seq)
  const wanted = new Set<number>()
  const needed: Backup[] = []
  for (const backup of sorted) {
    const { seq, parent } = backup.manifest
    const isWanted = wanted.delete(seq)
    if (isWanted && going.has(backup)) needed.push(backup)
    if (parent !== null && (isWanted || !going.has(backup))) wanted.add(parent.seq)
  }
  const [absent] = wanted
  if (absent !== undefined) throw doubt(`backup ${absent}, which others need, is not there`)
  return new Set(needed)
}

function doubt(why: string): Failure {
  return new Failure('refused', `cannot delete any backup: ${why}`, {
    hint: 'run btrvault verify; nothing was changed',
  })
}
