// Which series of a repository a command speaks of, by the names that people give their sources.

import { Failure, isFailure } from '../../base/failure.ts'
import type { CatalogProblem } from '../../catalog/catalog.ts'
import type { Config } from '../../config/config.ts'
import type { Backup } from '../../model/backup.ts'
import type { SeriesId } from '../../model/ids.ts'
import { chooseRemotes } from './choose-remotes.ts'
import type { Lookup, OpenedRepository } from './find-backup.ts'

export interface ChosenSeries {
  readonly series: SeriesId
  /** Null when neither the configuration nor an identity tells it. */
  readonly source: string | null
  /** By seq, ascending; may be empty where there are only problems. */
  readonly backups: readonly Backup[]
  readonly problems: readonly CatalogProblem[]
}

export interface Choice {
  /** Those with a name first, by name. */
  readonly chosen: readonly ChosenSeries[]
  /** Sources that should have backups here and have nothing, not even a problem. */
  readonly absent: readonly string[]
  /** Series of keys that nobody here trusts, and that are none of the configuration's sources. */
  readonly foreignCount: number
}

export interface Wish {
  readonly config?: Config | undefined
  /** Names of sources, or beginnings of series ids; empty: all. */
  readonly sources: readonly string[]
}

export async function chooseSeries(
  lookup: Lookup,
  opened: OpenedRepository,
  { config, sources }: Wish,
): Promise<Choice> {
  const { catalog, remote } = opened
  const ours = await seriesOfConfig(lookup, opened, config)
  const ids = new Set([...catalog.series.keys(), ...catalog.problems.map(one => one.series)])
  const isForeign = (id: SeriesId) => ours.size > 0 && !ours.has(id) && !catalog.series.has(id)
  const all: ChosenSeries[] = []
  for (const series of ids) {
    const backups = catalog.series.get(series) ?? []
    if (isForeign(series)) continue
    const source = ours.get(series) ?? (await nameIn(lookup, opened, backups)) ?? null
    const problems = catalog.problems.filter(problem => problem.series === series)
    all.push({ series, source, backups, problems })
  }
  const chosen = all.filter(one => sources.length === 0 || sources.some(text => isMeant(one, text)))
  const expected = (config?.sources ?? [])
    .filter(source => source.remotes.some(place => place.remote === remote))
    .filter(({ name }) => sources.length === 0 || sources.includes(name))
  return {
    chosen: chosen.toSorted(byName),
    absent: expected.map(({ name }) => name).filter(name => !all.some(one => one.source === name)),
    foreignCount: sources.length === 0 ? [...ids].filter(isForeign).length : 0,
  }
}

/** The remotes that a command looks at; Failure 'usage' for a name that is none. */
export function remotesToLookAt(
  lookup: Lookup,
  wish: { readonly config?: Config | undefined; readonly remotes: readonly string[] },
): readonly string[] {
  const { config, remotes } = wish
  if (remotes.length === 0) return lookup.remoteNames()
  if (config !== undefined) return chooseRemotes(config, remotes).map(({ name }) => name)
  throw new Failure('usage', `cannot use remote ${remotes[0]}: there is no configuration`, {
    hint: 'give --from ADDRESS or --remote NAME, not both',
  })
}

export interface FoundThere {
  readonly series: readonly Pick<ChosenSeries, 'series' | 'source'>[]
  readonly absent: readonly string[]
}

/** Failure 'object-missing' for a name that is met nowhere: it may be a slip of the pen. */
export function refuseUnknown(
  verb: string,
  sources: readonly string[],
  found: readonly FoundThere[],
): void {
  for (const text of sources) {
    const isKnown = found.some(
      ({ series, absent }) => absent.includes(text) || series.some(one => isMeant(one, text)),
    )
    if (isKnown) continue
    throw new Failure('object-missing', `cannot ${verb} ${text}: there is no backup of it`, {
      hint: 'run btrvault list without a name; --identity FILE tells the names of other machines’ sources',
    })
  }
}

function isMeant({ series, source }: Pick<ChosenSeries, 'series' | 'source'>, text: string) {
  return source === text || (text.length >= 8 && series.startsWith(text))
}

async function seriesOfConfig(
  lookup: Lookup,
  { repository }: OpenedRepository,
  config: Config | undefined,
): Promise<ReadonlyMap<SeriesId, string>> {
  const names = new Map<SeriesId, string>()
  for (const { name } of config?.sources ?? []) {
    for (const series of await lookup.ownSeries(repository, name)) names.set(series, name)
  }
  return names
}

/** A damaged index must not take the name with it: some of the older ones are asked too. */
async function nameIn(
  lookup: Lookup,
  opened: OpenedRepository,
  backups: readonly Backup[],
): Promise<string | undefined> {
  for (const backup of backups.slice(-indexesAsked).toReversed()) {
    try {
      return await lookup.sourceOf(opened, [backup])
    } catch (error) {
      if (!isFailure(error) || error.code === 'interrupted') throw error
    }
  }
  return undefined
}

const indexesAsked = 3

function byName(one: ChosenSeries, other: ChosenSeries): number {
  if (one.source === null || other.source === null) {
    if (one.source !== other.source) return one.source === null ? 1 : -1
    return one.series < other.series ? -1 : 1
  }
  return one.source < other.source ? -1 : 1
}
