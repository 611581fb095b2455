// The story of a list: what backups there are, as their manifests tell it. Nothing but manifests is
// read; only what a trusted key signed is shown as a backup.

import { isFailure, throwIfAborted } from '../base/failure.ts'
import { type CatalogProblem, chainOf, type HiddenBackup } from '../catalog/catalog.ts'
import { type Backup, type BackupKind, storedBytes } from '../model/backup.ts'
import type { EpochId, SeriesId } from '../model/ids.ts'
import { kindOf } from '../plan/parents.ts'
import { timesToGo } from '../plan/prune.ts'
import {
  type ChosenSeries,
  chooseSeries,
  refuseUnknown,
  remotesToLookAt,
} from './shared/choose-series.ts'
import type { Context } from './shared/context.ts'
import { type EpochLabel, epochLabel } from './shared/epoch-names.ts'
import { type LookIn, Lookup } from './shared/find-backup.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'

export interface ListOptions extends Omit<LookIn, 'remote' | 'reread'> {
  /** Names of sources, or beginnings of series ids; empty: all. */
  readonly sources: readonly string[]
  /** Names of remotes; empty: all. */
  readonly remotes: readonly string[]
  /** Forgotten ones too. */
  readonly hidden?: boolean
}

export interface ListReport {
  /** IANA name: of the configuration, or UTC without one. For showing times. */
  readonly timezone: string
  readonly remotes: readonly RemoteListing[]
  readonly exitStatus: number
}

export interface RemoteListing {
  /** Its name, or the address that was given. */
  readonly remote: string
  /** Series with a known source first, by name. */
  readonly series: readonly SeriesListing[]
  /** Sources that the configuration sends here and of which nothing is here. */
  readonly absent: readonly string[]
  /** Series that are signed by keys nobody here trusts, and are not of our sources. */
  readonly foreignCount: number
  readonly backupCount: number
  /** Of all backups that are listed. */
  readonly storedBytes: number
  /** Why nothing could be listed; null when it could. */
  readonly failure: FailureReport | null
}

export interface SeriesListing {
  readonly series: SeriesId
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  /** Oldest first. */
  readonly backups: readonly ListedBackup[]
  /** Forgotten, and not yet deleted; only when asked for. */
  readonly hidden: readonly ListedHidden[]
  /** What is no backup, though it looks like one, or is wrong about one. */
  readonly problems: readonly Omit<CatalogProblem, 'series'>[]
  readonly storedBytes: number
}

export interface ListedBackup {
  /** What restore takes as --backup; unique within the series. */
  readonly id: number
  readonly snapshotTime: Date
  /** When it was committed. */
  readonly createdAt: Date
  readonly kind: BackupKind
  /** Null where it is of none that has a name. */
  readonly epoch: EpochLabel | null
  /** Id of the backup that it is a difference from; null for a full one. */
  readonly parent: number | null
  /** Bytes of its send stream. */
  readonly readBytes: number
  /** Bytes of its objects. */
  readonly storedBytes: number
  /** Backups that must be read to restore it, itself included. */
  readonly chainLength: number
  /** Bytes of their objects. */
  readonly chainStoredBytes: number
  /** Fingerprint of the key that signed it. */
  readonly signer: string
}

export interface ListedHidden extends ListedBackup {
  /** From then on prune may delete it: with the last of those that are built on it. */
  readonly notBefore: Date
}

export async function list(context: Context, options: ListOptions): Promise<ListReport> {
  await using lookup = await Lookup.open(context, options)
  const remotes: RemoteListing[] = []
  for (const remote of remotesToLookAt(lookup, options)) {
    throwIfAborted(context.signal)
    remotes.push(await listRemote(lookup, remote, options))
  }
  const failures = remotes.flatMap(({ failure }) => failure ?? [])
  if (failures.length === 0) refuseUnknown('list', options.sources, remotes)
  return {
    timezone: options.config?.timezone ?? 'UTC',
    remotes,
    exitStatus: combinedStatus(failures, remotes.length - failures.length),
  }
}

async function listRemote(
  lookup: Lookup,
  remote: string,
  options: ListOptions,
): Promise<RemoteListing> {
  try {
    const opened = await lookup.open(remote)
    const { chosen, absent, foreignCount } = await chooseSeries(lookup, opened, options)
    const series: SeriesListing[] = []
    for (const one of chosen) {
      const source = options.config?.sources.find(({ name }) => name === one.source)
      const epochNames = await lookup.epochNames(opened, one.series, source)
      const hidden = options.hidden ? opened.catalog.hidden.get(one.series) : []
      series.push(listSeries({ ...one, epochNames }, hidden))
    }
    const backupCount = series.reduce((sum, { backups }) => sum + backups.length, 0)
    const stored = series.reduce((sum, one) => sum + one.storedBytes, 0)
    const sums = { backupCount, storedBytes: stored }
    return { remote, series, absent, foreignCount, ...sums, failure: null }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    const sums = { backupCount: 0, storedBytes: 0 }
    const failure = reportFailure(error)
    return { remote, series: [], absent: [], foreignCount: 0, ...sums, failure }
  }
}

interface NamedSeries extends ChosenSeries {
  readonly epochNames: ReadonlyMap<EpochId, string>
}

function listSeries(
  { series, source, backups, problems, epochNames }: NamedSeries,
  hidden: readonly HiddenBackup[] = [],
): SeriesListing {
  const all = [...backups, ...hidden.map(({ backup }) => backup)]
  const goes = timesToGo(hidden)
  return {
    series,
    source,
    backups: backups.map(backup => listBackup(backup, { backups, epochNames })),
    hidden: hidden.map(({ backup, tombstone }) => ({
      ...listBackup(backup, { backups: all, epochNames }),
      notBefore: goes.get(backup) ?? tombstone.notBefore,
    })),
    problems: problems.map(({ kind, seq, text }) => ({ kind, seq, text })),
    storedBytes: backups.reduce((sum, { manifest }) => sum + storedBytes(manifest), 0),
  }
}

function listBackup(
  backup: Backup,
  { backups, epochNames }: Pick<NamedSeries, 'backups' | 'epochNames'>,
): ListedBackup {
  const { manifest, signer } = backup
  const chain = chainOf(backup, backups)
  return {
    id: manifest.seq,
    snapshotTime: manifest.snapshot.createdAt,
    createdAt: manifest.createdAt,
    kind: kindOf(chain.at(-2)),
    epoch: epochLabel(manifest, epochNames),
    parent: manifest.parent?.seq ?? null,
    readBytes: manifest.stream.bytes,
    storedBytes: storedBytes(manifest),
    chainLength: chain.length,
    chainStoredBytes: chain.reduce((sum, one) => sum + storedBytes(one.manifest), 0),
    signer,
  }
}
