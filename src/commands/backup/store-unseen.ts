// The puts that make a backup exist where nobody may look at the remote.

import { putManifestUnseen } from '../../catalog/commit.ts'
import type { Ledger } from '../../catalog/ledger.ts'
import type { SignedManifest } from '../../catalog/manifest-cache.ts'
import { longestRunMs } from '../../plan/prune.ts'
import type { OpenedRemote } from '../shared/remotes.ts'

/** What a run stored and never named is pruned later than that, and nobody could see it. */
export const trustedMs = longestRunMs / 2

/** The puts of a backup that the ledger has as begun. Failure 'refused' when its number was taken. */
export async function storeUnseen(
  { repository, cache }: OpenedRemote,
  what: { readonly ledger: Ledger; readonly signed: SignedManifest; readonly again: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { ledger, signed, again } = what
  await putManifestUnseen(repository, signed, { again, signal })
  await ledger.settle(signed.seq)
  await cache.store(signed)
}
