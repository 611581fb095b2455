// What a remote holds, series by series, down to each object: what prune decides on and du shows.

import type { CatalogProblem } from '../../catalog/catalog.ts'
import { namedObjects } from '../../catalog/commit.ts'
import { loadJournal } from '../../catalog/journal.ts'
import { journalPath } from '../../catalog/local-state.ts'
import type { Repository } from '../../catalog/repository.ts'
import type { Config } from '../../config/config.ts'
import { parseObjectKey, roleFolders } from '../../format/object-key.ts'
import type { RunId, SeriesId } from '../../model/ids.ts'
import type { RunObject, SeriesSituation } from '../../plan/prune.ts'
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
  const objects = await objectsBySeries(repository, signal)
  const { chosen } = await chooseSeries(lookup, opened, { config, sources: [] })
  const ids = new Set([
    ...chosen.map(({ series }) => series),
    ...catalog.series.keys(),
    ...catalog.problems.map(({ series }) => series),
    ...catalog.tombstones.map(({ series }) => series),
    ...objects.keys(),
  ])
  return [...ids].map(series => {
    const live = catalog.series.get(series) ?? []
    const hidden = catalog.hidden.get(series) ?? []
    const manifests = [...live, ...hidden.map(({ backup }) => backup)]
    return {
      series,
      source: chosen.find(one => one.series === series)?.source ?? null,
      problems: catalog.problems.filter(problem => problem.series === series),
      live,
      hidden,
      tombstones: catalog.tombstones.filter(tombstone => tombstone.series === series),
      objects: objects.get(series) ?? [],
      named: new Set(
        manifests.flatMap(({ manifest }) => [...namedObjects(manifest)].map(({ key }) => key)),
      ),
    }
  })
}

/** Runs of this machine that the next backup may go on with. */
export async function unfinishedRuns(config: Config, remote: string): Promise<Set<RunId>> {
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
  signal: AbortSignal,
): Promise<Map<SeriesId, RunObject[]>> {
  const found = new Map<SeriesId, RunObject[]>()
  for (const folder of roleFolders) {
    for await (const { key, bytes, modifiedAt } of store.list(`${folder}/`, { signal })) {
      const place = parseObjectKey(key)
      if (place === undefined) continue
      const objects = found.get(place.series) ?? []
      found.set(place.series, objects)
      objects.push({ key, bytes, run: place.run, modifiedAt })
    }
  }
  return found
}
