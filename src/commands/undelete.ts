// The story of undeleting: tombstones are removed, and the backups are shown again.

import { Failure, isFailure, throwIfAborted } from '../base/failure.ts'
import { chainOf, type HiddenBackup } from '../catalog/catalog.ts'
import { removeTombstone } from '../catalog/tombstones.ts'
import { type Config, findRemote } from '../config/config.ts'
import { manifestKey } from '../format/object-key.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import { type ChosenSeries, chooseSeries, refuseUnknown } from './shared/choose-series.ts'
import type { Context } from './shared/context.ts'
import { refuseNoDelete } from './shared/deletion.ts'
import { Lookup, type OpenedRepository } from './shared/find-backup.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'

export interface UndeleteOptions {
  readonly config: Config
  /** Name of a source, or the beginning of a series id. */
  readonly source: string
  /** Ids of forgotten backups; 'all' of them. */
  readonly ids: readonly number[] | 'all'
  /** Names; empty: all. */
  readonly remotes: readonly string[]
  /** Path of an identity file: tells the sources of series that another machine's key signed. */
  readonly identity?: string | undefined
  readonly passphrase?: (() => Promise<string>) | undefined
  readonly dryRun: boolean
}

export interface UndeleteReport {
  readonly dryRun: boolean
  readonly source: string
  readonly remotes: readonly RemoteUndeletion[]
  readonly exitStatus: number
}

export interface RemoteUndeletion {
  readonly remote: string
  /** Ids of backups that are, or would be, shown again: those asked for and what they need. */
  readonly undeleted: readonly number[]
  readonly failure: FailureReport | null
}

export async function undelete(
  context: Context,
  options: UndeleteOptions,
): Promise<UndeleteReport> {
  const { config, source, identity, passphrase, dryRun } = options
  await using lookup = await Lookup.open(context, { config, identity, passphrase })
  const remotes: RemoteUndeletion[] = []
  for (const { name } of chooseRemotes(config, options.remotes)) {
    throwIfAborted(context.signal)
    remotes.push(await undeleteOn({ context, options, lookup }, name))
  }
  const failures = remotes.flatMap(({ failure }) => failure ?? [])
  const exitStatus = combinedStatus(failures, remotes.length - failures.length)
  return { dryRun, source, remotes, exitStatus }
}

interface Session {
  readonly context: Context
  readonly options: UndeleteOptions
  readonly lookup: Lookup
}

async function undeleteOn(session: Session, remote: string): Promise<RemoteUndeletion> {
  const { lookup, options } = session
  const undeleted: number[] = []
  try {
    const config = findRemote(options.config, remote)
    if (config) refuseNoDelete(config, 'undelete')
    const opened = await lookup.open(remote)
    const wish = { config: options.config, sources: [options.source] }
    const { chosen, absent } = await chooseSeries(lookup, opened, wish)
    refuseUnknown('undelete', [options.source], [{ series: chosen, absent }])
    for (const hidden of chosen.flatMap(one => wantedOf(one, { opened, options }))) {
      if (!options.dryRun) await bringBack(session, opened, hidden)
      undeleted.push(hidden.backup.manifest.seq)
    }
    return { remote, undeleted, failure: null }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return { remote, undeleted, failure: reportFailure(error) }
  }
}

/** Parents first: cut anywhere, what is shown is whole. */
function wantedOf(
  { series, source, backups }: ChosenSeries,
  { opened, options }: { opened: OpenedRepository; options: UndeleteOptions },
): HiddenBackup[] {
  const { ids } = options
  const hidden = opened.catalog.hidden.get(series) ?? []
  if (ids === 'all') return [...hidden]
  const all = [...backups, ...hidden.map(({ backup }) => backup)]
  const wanted = new Set(
    ids.flatMap(id => {
      const found = hidden.find(({ backup }) => backup.manifest.seq === id)
      if (found === undefined) throw notForgotten(id, source ?? series, opened.remote)
      return chainOf(found.backup, all)
    }),
  )
  return hidden.filter(({ backup }) => wanted.has(backup))
}

async function bringBack(
  { context }: Session,
  { repository }: OpenedRepository,
  { backup }: HiddenBackup,
): Promise<void> {
  const { series, seq } = backup.manifest
  const { signal } = context
  await removeTombstone(repository, { series, seq }, signal)
  // Had prune begun with it, the manifest would be gone by now.
  try {
    await repository.store.size(manifestKey(series, seq), { signal })
  } catch (cause) {
    if (!isFailure(cause, 'object-missing')) throw cause
    throw new Failure('object-missing', `cannot undelete backup ${seq}: prune just deleted it`, {
      cause,
    })
  }
}

function notForgotten(id: number, source: string, remote: string): Failure {
  return new Failure(
    'object-missing',
    `cannot undelete backup ${id} of ${source} on ${remote}: it is not among the forgotten ones`,
    { hint: 'run btrvault list --hidden to see which are' },
  )
}
