// The story of du: what a remote holds, and how much of it is live, hidden, or nobody's.

import { isFailure, throwIfAborted } from '../base/failure.ts'
import type { Config } from '../config/config.ts'
import { type SeriesUsage, usageOf } from '../plan/prune.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import type { Context } from './shared/context.ts'
import { Lookup } from './shared/find-backup.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'
import { storedSeries } from './shared/stored-runs.ts'

export interface DuOptions {
  readonly config: Config
  /** Names; empty: all. */
  readonly remotes: readonly string[]
  /** Path of an identity file: tells the names of other machines' sources. */
  readonly identity?: string | undefined
  readonly passphrase?: (() => Promise<string>) | undefined
}

export interface DuReport {
  readonly remotes: readonly RemoteUsage[]
  readonly exitStatus: number
}

export interface RemoteUsage {
  readonly remote: string
  readonly series: readonly SeriesUsageReport[]
  /** Of all segments and indexes of its series. */
  readonly bytes: number
  readonly failure: FailureReport | null
}

export interface SeriesUsageReport extends SeriesUsage {
  readonly series: string
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  /** Manifests that are not believed: their objects are counted as nobody's. */
  readonly problemCount: number
}

export async function du(context: Context, options: DuOptions): Promise<DuReport> {
  await using lookup = await Lookup.open(context, options)
  const remotes: RemoteUsage[] = []
  for (const { name } of chooseRemotes(options.config, options.remotes)) {
    throwIfAborted(context.signal)
    remotes.push(await measure(context, { lookup, options, remote: name }))
  }
  const failures = remotes.flatMap(({ failure }) => failure ?? [])
  return { remotes, exitStatus: combinedStatus(failures, remotes.length - failures.length) }
}

async function measure(
  { signal }: Context,
  { lookup, options, remote }: { lookup: Lookup; options: DuOptions; remote: string },
): Promise<RemoteUsage> {
  try {
    const opened = await lookup.open(remote)
    const all = await storedSeries(lookup, opened, { config: options.config, signal })
    const series = all.map(stored => ({
      series: stored.series,
      source: stored.source,
      ...usageOf(stored),
      problemCount: stored.problems.length,
    }))
    const bytes = series.reduce(
      (sum, { live, hidden, orphans }) => sum + live.bytes + hidden.bytes + orphans.bytes,
      0,
    )
    return { remote, series, bytes, failure: null }
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return { remote, series: [], bytes: 0, failure: reportFailure(error) }
  }
}
