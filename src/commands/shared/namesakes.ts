// A source may have several series: after a change of its signing key, or after the ledger of a
// machine that only writes was lost. Others' of the same name must not be mixed up with it.

import { Failure } from '../../base/failure.ts'
import type { Backup } from '../../model/backup.ts'
import type { SeriesId } from '../../model/ids.ts'
import type { Context } from './context.ts'

export interface Wanted {
  readonly source: string
  /** The last backup whose snapshot was made at or before this time. */
  readonly at?: Date | undefined
  /** The seq. */
  readonly id?: number | undefined
}

/** One of the series of sources with the same name. */
export interface Namesake {
  readonly id: SeriesId
  /** By seq, ascending. */
  readonly backups: readonly Backup[]
  /** Host and path: what tells two sources apart. */
  readonly place: string
}

/** The one with the newest backup that is wanted; the others are told. Failure 'usage' in doubt. */
export function chooseNamesake(
  context: Pick<Context, 'emit'>,
  same: readonly Namesake[],
  { source, at, id }: Wanted,
): SeriesId | undefined {
  const timeOf = ({ backups }: Namesake) => newestTime(backups, at)
  const sorted = same.toSorted((a, b) => timeOf(b) - timeOf(a) || (a.id < b.id ? -1 : 1))
  const [newest, ...rest] = sorted
  if (newest === undefined || rest.length === 0) return newest?.id
  const ids = sorted.map(one => one.id).join(', ')
  if (!rest.every(({ place }) => place === newest.place)) {
    throw new Failure(
      'usage',
      `cannot choose ${source}: several machines or places have that name`,
      { hint: `give the series id in place of the name, as btrvault list shows it: ${ids}` },
    )
  }
  const having = sorted.filter(({ backups }) => backups.some(({ manifest }) => manifest.seq === id))
  if (having.length > 1) {
    throw new Failure('usage', `cannot choose backup ${id} of ${source}: several series have one`, {
      hint: `give the series id in place of the name, as btrvault list shows it: ${ids}`,
    })
  }
  const chosen = having[0] ?? newest
  const others = sorted.filter(one => one !== chosen).map(one => one.id)
  const why =
    having.length > 0 ? `backup ${id}` : `the newest backup${at ? ' from before then' : ''}`
  context.emit({
    kind: 'warning',
    text: `${source} has several series, begun with another key or after a ledger was lost: taking ${chosen.id}, which has ${why}`,
    hint: `for other backups give the series id in place of the name: ${others.join(', ')}`,
  })
  return chosen.id
}

/** -Infinity: it has none from before then. */
function newestTime(backups: readonly Backup[], at: Date | undefined): number {
  const times = backups.map(({ manifest }) => manifest.snapshot.createdAt.getTime())
  return Math.max(...times.filter(time => at === undefined || time <= at.getTime()))
}
