// What a remote holds, series by series, down to each object: what prune decides on and du shows.

import type { Catalog, CatalogProblem } from '../../catalog/catalog.ts'
import { namedObjects } from '../../catalog/commit.ts'
import { loadJournal } from '../../catalog/journal.ts'
import { journalPath } from '../../catalog/local-state.ts'
import type { Repository } from '../../catalog/repository.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'
import { parseObjectKey, roleFolders } from '../../format/object-key.ts'
import type { RunId, SeriesId } from '../../model/ids.ts'
import { longestRunMs, type RunObject, type SeriesSituation } from '../../plan/prune.ts'
import { chooseSeries } from './choose-series.ts'
import type { Lookup, OpenedRepository } from './find-backup.ts'

export interface StoredSeries
  extends Pick<SeriesSituation, 'live' | 'hidden' | 'tombstones' | 'objects' | 'named'> {
  readonly series: SeriesId
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  readonly problems: readonly CatalogProblem[]
}

/** L9: an error while listing throws. Those with a name first, by name. */
export async function storedSeries(
  lookup: Lookup,
  opened: OpenedRepository,
  { config, signal }: { readonly config: Config; readonly signal: AbortSignal },
): Promise<StoredSeries[]> {
  const { catalog, repository } = opened
  const objects = await objectsBySeries(repository, undefined, signal)
  const { chosen } = await chooseSeries(lookup, opened, { config, sources: [] })
  const ids = new Set([
    ...chosen.map(({ series }) => series),
    ...catalog.series.keys(),
    ...catalog.problems.map(({ series }) => series),
    ...catalog.tombstones.map(({ series }) => series),
    ...objects.keys(),
  ])
  return [...ids].map(series => {
    const source = chosen.find(one => one.series === series)?.source ?? null
    return inCatalog(catalog, { series, source, objects: objects.get(series) ?? [] })
  })
}

/** One series alone; `catalog` need not know of others. L9: an error while listing throws. */
export async function storedSeriesOf(
  { repository, catalog }: Pick<OpenedRepository, 'repository' | 'catalog'>,
  { series, source }: Pick<StoredSeries, 'series' | 'source'>,
  signal: AbortSignal,
): Promise<StoredSeries> {
  const objects = await objectsBySeries(repository, series, signal)
  return inCatalog(catalog, { series, source, objects: objects.get(series) ?? [] })
}

function inCatalog(
  catalog: Catalog,
  { series, source, objects }: Pick<StoredSeries, 'series' | 'source' | 'objects'>,
): StoredSeries {
  const live = catalog.series.get(series) ?? []
  const hidden = catalog.hidden.get(series) ?? []
  const manifests = [...live, ...hidden.map(({ backup }) => backup)]
  return {
    series,
    source,
    problems: catalog.problems.filter(problem => problem.series === series),
    live,
    hidden,
    tombstones: catalog.tombstones.filter(tombstone => tombstone.series === series),
    objects,
    named: new Set(
      manifests.flatMap(({ manifest }) => [...namedObjects(manifest)].map(({ key }) => key)),
    ),
  }
}

/** By when prune judges what is old, besides what is stored. */
export async function pruneTimes(
  config: Config,
  { name, graceMs }: RemoteConfig,
  now: Date,
): Promise<Pick<SeriesSituation, 'unfinished' | 'nowMs' | 'orphanAgeMs'>> {
  const unfinished = await unfinishedRuns(config, name)
  return { unfinished, nowMs: now.getTime(), orphanAgeMs: Math.max(graceMs, longestRunMs) }
}

/** Runs of this machine that the next backup may go on with. */
async function unfinishedRuns(config: Config, remote: string): Promise<Set<RunId>> {
  const runs = new Set<RunId>()
  for (const { name } of config.sources) {
    const journal = await loadJournal(journalPath(config.state, name, remote))
    if (journal !== undefined) runs.add(journal.run.run)
  }
  return runs
}

/** Objects under other names are not ours, and not counted. */
async function objectsBySeries(
  { store }: Repository,
  only: SeriesId | undefined,
  signal: AbortSignal,
): Promise<Map<SeriesId, RunObject[]>> {
  const found = new Map<SeriesId, RunObject[]>()
  for (const folder of roleFolders) {
    const prefix = only === undefined ? `${folder}/` : `${folder}/${only}/`
    for await (const { key, bytes, modifiedAt } of store.list(prefix, { signal })) {
      const place = parseObjectKey(key)
      if (place === undefined) continue
      const objects = found.get(place.series) ?? []
      found.set(place.series, objects)
      objects.push({ key, bytes, run: place.run, modifiedAt })
    }
  }
  return found
}
