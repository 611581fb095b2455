// What a remote has of one source: as the remote itself says, or, where this machine only writes,
// as its ledger does.

import type { CatalogProblem, HiddenBackup } from '../../catalog/catalog.ts'
import {
  backupsIn,
  type Ledger,
  type LedgerPlace,
  readLedger,
  type UnusableLedger,
} from '../../catalog/ledger.ts'
import { loadMadeSnapshots } from '../../catalog/local-state.ts'
import { seriesSecretOf } from '../../catalog/signing.ts'
import type { RemoteConfig, SourceConfig } from '../../config/config.ts'
import type { Backup } from '../../model/backup.ts'
import type { SeriesId, Sha256 } from '../../model/ids.ts'
import type { Tombstone } from '../../model/tombstone.ts'
import { keepByRules } from '../../plan/keep.ts'
import { nowOf } from '../shared/context.ts'
import { epochNamesOf } from '../shared/epoch-names.ts'
import type { OpenedRemote } from '../shared/remotes.ts'
import { type LookSession, seriesOf } from './send.ts'

export interface RemoteView {
  readonly opened: OpenedRemote
  /** Where there is no ledger yet, one that has nothing and never will. */
  readonly series: SeriesId
  /** By seq, ascending. Of a ledger, those that the keep rule keeps: the others may be gone by now. */
  readonly backups: readonly Backup[]
  readonly highestSeq: number
  /** SHA-256 of the series' newest manifest. */
  readonly newest: Sha256 | null
  /** What is forgotten of it, by seq. */
  readonly hidden: readonly HiddenBackup[]
  /** All trusted ones of the series. */
  readonly tombstones: readonly Tombstone[]
  /** Of the series. */
  readonly problems: readonly CatalogProblem[]
  /** Where nobody looks at the remote. */
  readonly ledger?: Ledger
}

export interface Place {
  readonly source: SourceConfig
  readonly remote: string
}

/** Changes nothing. Asks the store anew when `fresh`; a ledger is always read anew. */
export async function remoteView(
  session: LookSession,
  { source, remote, fresh }: Place & { readonly fresh: boolean },
): Promise<RemoteView> {
  const opened = await session.remotes.open(remote)
  if (opened.isWriteOnly) {
    const found = await readLedger(ledgerPlace(session, source, opened))
    const isLost = found === undefined && (await isLedgerLost(session, source, opened))
    return ledgerView(session, { source, opened }, isLost ? { unusable: 'it is gone' } : found)
  }
  const catalog = await session.remotes.catalog(remote, session.signers, fresh)
  const series = seriesOf(session, source, opened)
  const backups = catalog.series.get(series) ?? []
  return {
    opened,
    series,
    backups,
    highestSeq: catalog.highestSeqs.get(series) ?? 0,
    newest: backups.at(-1)?.manifestSha256 ?? null,
    hidden: catalog.hidden.get(series) ?? [],
    tombstones: catalog.tombstones.filter(tombstone => tombstone.series === series),
    problems: catalog.problems.filter(problem => problem.series === series),
  }
}

function ledgerView(
  session: LookSession,
  { source, opened }: { readonly source: SourceConfig; readonly opened: OpenedRemote },
  ledger: Ledger | UnusableLedger | undefined,
): RemoteView {
  const unseen = { opened, hidden: [], tombstones: [] }
  if (ledger === undefined || 'unusable' in ledger) {
    const series = seriesOf(session, source, opened)
    const text = `its ledger can not be used, ${ledger?.unusable}: the next backup begins a new series, in full`
    const problems = ledger && [{ kind: 'unreadable', series, seq: 0, text } as const]
    return { ...unseen, series, backups: [], highestSeq: 0, newest: null, problems: problems ?? [] }
  }
  const { backups, problems } = backupsIn(ledger, opened.repository, session.signers)
  const { series, highestSeq, newest } = ledger
  const kept = keptOf(session, backups, { source, remote: opened.config, series })
  return { ...unseen, series, backups: kept, highestSeq, newest, problems, ledger }
}

/** The source was backed up, and here lie manifests of a series that no ledger has. */
export async function isLedgerLost(
  session: LookSession,
  source: SourceConfig,
  opened: OpenedRemote,
): Promise<boolean> {
  const { config } = session
  const written = new Set((await opened.cache.list()).map(({ series }) => series))
  for (const one of config.sources) {
    const ledger = await readLedger(ledgerPlace(session, one, opened))
    if (ledger !== undefined && !('unusable' in ledger)) written.delete(ledger.series)
  }
  return written.size > 0 && (await loadMadeSnapshots(config.state, source.name)).size > 0
}

/**
 * L3: whoever forgets there goes by the same rule, so what it keeps now is not forgotten, and what it
 * kept a moment ago is not deleted before its grace is over.
 */
function keptOf(
  { context, config, signingKey }: LookSession,
  backups: readonly Backup[],
  place: {
    readonly source: SourceConfig
    readonly remote: RemoteConfig
    readonly series: SeriesId
  },
): readonly Backup[] {
  const { source, remote, series } = place
  const ruleSets = source.remotes.find(one => one.remote === remote.name)?.ruleSets
  if (ruleSets === undefined) return backups
  const epochNames = epochNamesOf(source, { secret: seriesSecretOf(signingKey), series })
  const at = { now: nowOf(context), timeZone: config.timezone }
  const judged = keepByRules({ backups, ruleSets, epochNames }, at)
  return judged.filter(({ reasons }) => reasons.length > 0).map(({ backup }) => backup)
}

export function ledgerPlace(
  { config, signingKey }: Pick<LookSession, 'config' | 'signingKey'>,
  source: SourceConfig,
  { repository }: Pick<OpenedRemote, 'repository'>,
): LedgerPlace {
  const secret = seriesSecretOf(signingKey)
  return { state: config.state, repository: repository.id, source: source.name, secret }
}
