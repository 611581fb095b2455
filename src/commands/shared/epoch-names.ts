// Names of epochs, which manifests don't have: by the configuration and the signing key.

import { epochIdOf } from '../../catalog/epoch-id.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { Manifest } from '../../model/backup.ts'
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

/** The epoch of a backup, for reports. */
export interface EpochLabel {
  readonly id: EpochId
  /** Null when neither the configuration nor an identity tells it. */
  readonly name: string | null
}

/** Null: of no epoch. */
export function epochLabel(
  { epoch: id }: Manifest,
  names: ReadonlyMap<EpochId, string>,
): EpochLabel | null {
  return id === undefined ? null : { id, name: names.get(id) ?? null }
}
