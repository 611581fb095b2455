// Which series a source's backups belong to: computed, so that it needs no state (L8), and from a
// secret, so that nobody who sees the bucket can try names of sources (L10). A writer that may not
// look needs one ledger's series never to be another's, so that no number is ever taken twice.

import { createHmac } from 'node:crypto'
import type { RepositoryId, SeriesId, SourceName } from '../model/ids.ts'

export interface SeriesOwner {
  readonly repository: RepositoryId
  readonly source: SourceName
  /** 32 hexadecimal digits: of the ledger that numbers the series. */
  readonly ledger: string
}

/** `secret` is seriesSecretOf(signing key). */
export function seriesIdOf(
  secret: Uint8Array,
  repository: RepositoryId,
  source: SourceName,
): SeriesId {
  return idFrom(secret, `${repository}\0${source}`)
}

/** Another one for each ledger. */
export function ledgerSeriesOf(
  secret: Uint8Array,
  { repository, source, ledger }: SeriesOwner,
): SeriesId {
  return idFrom(secret, `${repository}\0${source}\0${ledger}`)
}

function idFrom(secret: Uint8Array, text: string): SeriesId {
  const mac = createHmac('sha256', secret).update(text).digest()
  return mac.subarray(0, 16).toString('hex') as SeriesId
}
