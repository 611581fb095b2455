// Names of epochs, which manifests don't have: by the configuration and the signing key.

import { epochIdOf } from '../../catalog/epoch-id.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { EpochId, SeriesId } from '../../model/ids.ts'

/** `secret` is seriesSecretOf(signing key): with another series' key nothing is named. */
export function epochNamesOf(
  { remotes }: Pick<SourceConfig, 'remotes'>,
  { secret, series }: { readonly secret: Uint8Array; readonly series: SeriesId },
): ReadonlyMap<EpochId, string> {
  const names = remotes
    .flatMap(({ ruleSets }) => ruleSets)
    .flatMap(({ epoch, branchFrom }) => [epoch, branchFrom])
    .filter(name => name !== null)
  return new Map(names.map(name => [epochIdOf(secret, series, name), name]))
}
