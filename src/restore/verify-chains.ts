// All chains of a series, each stream read once: ancestors before descendants, and one branch after
// the other, so that no more is kept than one branch needs.

import type { Repository } from '../catalog/repository.ts'
import { SymlinkNames } from '../stream/symlink-names.ts'
import type { BackupLedger, SeriesLedger } from './verify-ledger.ts'
import { failureOf, placesIn, verifyBytes } from './verify-objects.ts'
import type { TrialReceiver } from './verify-receive.ts'
import { StreamProof, type VerifyIndexOptions, verifyIndex } from './verify-stream.ts'

export interface VerifyChainsTask extends VerifyIndexOptions {
  readonly repository: Repository
  readonly ledger: SeriesLedger
  readonly onOpened: (rawBytes: number) => void
  /** For the level receives. */
  readonly receiver?: TrialReceiver | undefined
}

export async function verifyChains(task: VerifyChainsTask): Promise<void> {
  const children = childrenOf(task.ledger)
  const branches: Branch[] = (children.get(null) ?? []).map(one => ({ one }))
  for (let branch = branches.shift(); branch !== undefined; branch = branches.shift()) {
    const { one } = branch
    const below = children.get(one.backup.manifest.seq) ?? []
    const symlinks = branch.symlinks?.clone() ?? new SymlinkNames()
    await verifyBackup(task, { one, symlinks, childCount: below.length })
    branches.unshift(...below.map(child => ({ one: child, symlinks })))
  }
}

interface Branch {
  readonly one: BackupLedger
  /** Of the parent, as its stream left them. */
  readonly symlinks?: SymlinkNames
}

interface Turn {
  readonly one: BackupLedger
  readonly symlinks: SymlinkNames
  readonly childCount: number
}

async function verifyBackup(task: VerifyChainsTask, turn: Turn): Promise<void> {
  const { repository, ledger, receiver } = task
  const { one, symlinks } = turn
  const parent = ledger.parentOf(one)?.backup
  const index = await verifyIndex(repository, one, task)
  if (index === undefined) {
    await receiver?.skip(one.backup)
    return await verifyBytes(repository, [...placesIn(one, 'segment')], task)
  }
  const facts = parent?.manifest.stream ?? null
  await using proof = new StreamProof({ ...task, one, index, symlinks, parent: facts })
  if (receiver === undefined) return await proof.rest()
  try {
    const { childCount } = turn
    const pieces = proof.pieces()
    const outcome = await receiver.receive({ backup: one.backup, parent, pieces, childCount })
    if (outcome === 'received') one.prove('receives')
  } catch (error) {
    const failure = failureOf(error)
    // What is wrong with the stream itself has its finding.
    if (failure !== proof.failure) one.enter('receives', failure)
  }
  await proof.rest()
}

/** By the parent's seq; null: full backups. */
function childrenOf(ledger: SeriesLedger): Map<number | null, BackupLedger[]> {
  const children = new Map<number | null, BackupLedger[]>()
  for (const one of ledger.backups) {
    const seq = one.backup.manifest.parent?.seq ?? null
    const siblings = children.get(seq) ?? []
    siblings.push(one)
    children.set(seq, siblings)
  }
  return children
}
