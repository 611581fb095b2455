// What a manifest says instead of an epoch's name: computed, so that it needs no state (L8), and from
// a secret, so that nobody who sees the bucket can try names (L10).

import { createHmac } from 'node:crypto'
import type { EpochId, SeriesId } from '../model/ids.ts'

/** `secret` is seriesSecretOf(signing key). */
export function epochIdOf(secret: Uint8Array, series: SeriesId, epoch: string): EpochId {
  const mac = createHmac('sha256', secret).update(`epoch\0${series}\0${epoch}`).digest()
  return mac.subarray(0, 16).toString('hex') as EpochId
}
