// Which series a source's backups belong to: computed, so that it needs no state (L8), and from a
// secret, so that nobody who sees the bucket can try names of sources (L10).

import { createHmac } from 'node:crypto'
import type { RepositoryId, SeriesId, SourceName } from '../model/ids.ts'

/** `secret` is seriesSecretOf(signing key). */
export function seriesIdOf(
  secret: Uint8Array,
  repository: RepositoryId,
  source: SourceName,
): SeriesId {
  const mac = createHmac('sha256', secret).update(`${repository}\0${source}`).digest()
  return mac.subarray(0, 16).toString('hex') as SeriesId
}
