// Waits for what an upload that is to be cut has written down. A put that fails ends those beside it,
// also one that the store has taken and the journal does not have yet.

import { setTimeout as delay } from 'node:timers/promises'
import { loadJournal } from '../../src/catalog/journal.ts'
import { journalPath } from '../../src/catalog/local-state.ts'
import type { SourceName } from '../../src/model/ids.ts'
import type { Vault } from './vault.ts'

const deadlineMs = 10_000

/** Of `home` on `disk`. */
export async function untilJournaled({ config }: Vault, segmentCount: number): Promise<void> {
  const path = journalPath(config.state, 'home' as SourceName, 'disk')
  const until = Date.now() + deadlineMs
  while (Date.now() < until) {
    const journal = await loadJournal(path)
    if ((journal?.segments.size ?? 0) >= segmentCount) return
    await delay(10)
  }
  throw new Error(`the journal does not get to ${segmentCount} segments`)
}
