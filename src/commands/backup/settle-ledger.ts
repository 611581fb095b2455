// Before a write-only remote is planned for: a ledger that can be relied on, with nothing in it of
// which nobody knows whether it was stored. Under the source's lock.

import { beginLedger, type LedgerPlace, readLedger } from '../../catalog/ledger.ts'
import type { SourceConfig } from '../../config/config.ts'
import { decodeManifest } from '../../format/manifest.ts'
import { nowOf, randomHex } from '../shared/context.ts'
import type { OpenedRemote } from '../shared/remotes.ts'
import { isLedgerLost, ledgerPlace } from './remote-view.ts'
import type { LookSession } from './send.ts'
import { storeUnseen, trustedMs } from './store-unseen.ts'

interface Here {
  readonly source: SourceConfig
  readonly opened: OpenedRemote
}

/** Afterwards there is a ledger, and its last backup was stored. Throws when the store does not take it. */
export async function settleLedger(session: LookSession, here: Here): Promise<void> {
  const place = ledgerPlace(session, here.source, here.opened)
  const found = await readLedger(place)
  if (found === undefined) return await begin(session, here, place)
  if ('unusable' in found) return await begin(session, here, { ...place, why: found.unusable })
  const { unsettled } = found
  if (unsettled === undefined) return
  const { createdAt } = decodeManifest(unsettled.manifest, `of the unfinished run ${unsettled.seq}`)
  if (Math.abs(nowOf(session.context).getTime() - createdAt.getTime()) > trustedMs) {
    const why = `nobody can know any more whether backup ${unsettled.seq} was stored whole`
    return await begin(session, here, { ...place, why })
  }
  const { signal } = session.context
  await storeUnseen(here.opened, { ledger: found, signed: unsettled, again: true }, signal)
}

async function begin(
  session: LookSession,
  { source, opened }: Here,
  place: LedgerPlace & { readonly why?: string },
): Promise<void> {
  const { context } = session
  const why =
    place.why ?? ((await isLedgerLost(session, source, opened)) ? 'it is gone' : undefined)
  await beginLedger(place, randomHex(context, 16))
  const where = `${source.name} on ${opened.config.name}`
  if (why === undefined) {
    const text = `a ledger of ${where} begins, for this machine does not read what is there`
    context.emit({ kind: 'step', source: source.name, text })
    return
  }
  context.emit({
    kind: 'warning',
    source: source.name,
    text: `the ledger of ${where} can not be used, ${why}: a new series begins, with a full backup`,
    hint: 'older backups stay where they are and can be restored: btrvault list, with credentials that may read, shows both series',
  })
}
