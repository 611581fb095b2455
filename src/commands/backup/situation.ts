// What there is before a backup is planned: the source, our snapshots of it, and each remote.

import { isFailure } from '../../base/failure.ts'
import { loadJournal } from '../../catalog/journal.ts'
import { journalPath, loadMadeSnapshots } from '../../catalog/local-state.ts'
import { seriesSecretOf } from '../../catalog/signing.ts'
import type { NestedRule, SourceConfig, SourceRemote } from '../../config/config.ts'
import type { Uuid } from '../../model/ids.ts'
import type { RemoteSituation, SourceSituation } from '../../plan/situation.ts'
import { epochNamesOf } from '../shared/epoch-names.ts'
import { type FailureReport, reportFailure } from '../shared/report.ts'
import { type Place, type RemoteView, remoteView } from './remote-view.ts'
import { type LookSession, unfinishedOf } from './send.ts'
import { settleLedger } from './settle-ledger.ts'
import { lookForSnapshots } from './snapshots.ts'

export interface Situation extends SourceSituation {
  readonly views: ReadonlyMap<string, RemoteView>
  /** Remotes that can't be used now; the others are. */
  readonly unusable: readonly { readonly remote: string; readonly failure: FailureReport }[]
}

/**
 * Throws a Failure when the source itself can't be looked at. Asks the stores anew when `fresh`.
 * Changes nothing unless the session settles, so that plan tells what backup would do.
 */
export async function lookAt(
  session: LookSession,
  source: SourceConfig,
  fresh = false,
): Promise<Situation> {
  const { context, config } = session
  const { signal } = context
  await context.btrfs.sync(source.path, { signal })
  const subvolume = await context.btrfs.show(source.path, { signal })
  const nested = await context.btrfs.nested(source.path, { signal })
  const views = new Map<string, RemoteView>()
  const unusable = []
  for (const { remote } of source.remotes) {
    try {
      const view = await viewOf(session, { source, remote, fresh })
      views.set(remote, view)
      if (!fresh) warnOfProblems(session, source, { ...view, remote })
    } catch (error) {
      if (isFailure(error, 'interrupted')) throw error
      unusable.push({ remote, failure: reportFailure(error) })
    }
  }
  const made = await loadMadeSnapshots(config.state, source.name)
  const backedUp = new Set<Uuid>()
  for (const { backups } of views.values()) {
    for (const { manifest } of backups) backedUp.add(manifest.snapshot.uuid)
  }
  const known = { source, subvolume, made, backedUp }
  const { isApart, ...snapshots } = await lookForSnapshots(context, known)
  const remotes = source.remotes.flatMap(({ remote, ruleSets }) => {
    const view = views.get(remote)
    return view === undefined ? [] : [remoteSituation(session, source, { ...view, ruleSets })]
  })
  const { snapshots: place } = source
  const inside = nested.filter(one => !isApart(one))
  return {
    name: source.name,
    subvolume,
    nested: unmentioned(inside, source.nested),
    ...snapshots,
    remotes: await Promise.all(remotes),
    timeZone: config.timezone,
    localKeep: place.kind === 'own' ? place.keep : null,
    views,
    unusable,
  }
}

/** The remote's part of the situation; asks the store anew when `fresh`. */
export async function viewOf(
  session: LookSession,
  place: Place & { readonly fresh: boolean },
): Promise<RemoteView> {
  const { source, remote } = place
  if (session.settles) {
    const opened = await session.remotes.open(remote)
    if (opened.isWriteOnly) await settleLedger(session, { source, opened })
  }
  return await remoteView(session, place)
}

async function remoteSituation(
  { config, signingKey }: LookSession,
  source: SourceConfig,
  view: RemoteView & Pick<SourceRemote, 'ruleSets'>,
): Promise<RemoteSituation> {
  const { opened, series, backups, highestSeq, hidden, ruleSets } = view
  const remote = opened.config.name
  const journal = await loadJournal(journalPath(config.state, source.name, remote))
  const run = unfinishedOf(journal, backups)?.run
  const epochNames = epochNamesOf(source, { secret: seriesSecretOf(signingKey), series })
  const unfinished = { unfinished: run?.snapshot, unfinishedEpoch: run?.epoch }
  const forgotten = new Set(hidden.map(({ backup }) => backup.manifest.snapshot.uuid))
  const held = { remote, backups, highestSeq, forgotten }
  return { ...held, ...unfinished, ruleSets, epochNames }
}

export function unmentioned(
  nested: readonly { readonly path: string }[],
  rule: NestedRule,
): string[] {
  const names = nested.map(({ path }) => path)
  switch (rule.kind) {
    case 'ignore':
      return []
    case 'refuse':
      return names
    case 'ignore-listed':
      return names.filter(name => !rule.paths.includes(name))
  }
}

function warnOfProblems(
  { context }: LookSession,
  source: SourceConfig,
  { problems, remote, opened }: Pick<RemoteView, 'problems' | 'opened'> & Pick<Place, 'remote'>,
): void {
  const hint = opened.isWriteOnly
    ? 'run btrvault verify on a machine that may read there'
    : 'run btrvault verify'
  for (const problem of problems) {
    if (problem.kind === 'signature-missing') continue
    const text = `remote ${remote}: ${problem.text}`
    context.emit({ kind: 'warning', source: source.name, text, hint })
  }
}
