// When snapshots and backups were made, and which of two was first.

import type { Backup } from '../model/backup.ts'
import type { Uuid } from '../model/ids.ts'
import type { Subvolume } from '../model/subvolume.ts'

/** What is known of the making of a snapshot. */
export interface Making {
  readonly timeMs: number
  /** Comparable only within one filesystem, and so within one source. */
  readonly generation: number
  readonly sourceUuid: Uuid | null
  /** Decides between equals, so that the order of a list never does. */
  readonly tie: string
}

export interface Moment<Item> extends Making {
  readonly item: Item
}

export function momentOf({ manifest }: Backup): Making {
  const { createdAt, generation, sourceUuid } = manifest.snapshot
  const tie = String(manifest.seq).padStart(12, '0')
  return { timeMs: createdAt.getTime(), generation, sourceUuid, tie }
}

export function snapshotMoment(snapshot: Subvolume): Making {
  const { createdAt, creationGeneration: generation, sourceUuid, uuid } = snapshot
  return { timeMs: createdAt.getTime(), generation, sourceUuid, tie: uuid }
}

/**
 * The one whose snapshot was made last, which need not be the one that was sent last; of the
 * subvolume that the last one is of. `backups`: of one series, by seq.
 */
export function newestOf(backups: readonly Backup[]): Backup | undefined {
  const sourceUuid = backups.at(-1)?.manifest.snapshot.sourceUuid
  return backups
    .filter(({ manifest }) => manifest.snapshot.sourceUuid === sourceUuid)
    .reduce<Backup | undefined>(
      (newest, one) =>
        newest && newest.manifest.snapshot.generation > one.manifest.snapshot.generation
          ? newest
          : one,
      undefined,
    )
}

/**
 * By generation, as clocks are set wrong; what was made of different subvolumes, group by group in
 * the order of each group's earliest time.
 */
export function inOrderOfMaking<Item>(
  items: readonly Item[],
  makingOf: (item: Item) => Making,
): Moment<Item>[] {
  const moments = items.map(item => ({ item, ...makingOf(item) }))
  const begun = new Map<Uuid | null, number>()
  for (const { sourceUuid, timeMs } of moments) {
    begun.set(sourceUuid, Math.min(timeMs, begun.get(sourceUuid) ?? Infinity))
  }
  return moments.sort(
    (a, b) =>
      (begun.get(a.sourceUuid) ?? 0) - (begun.get(b.sourceUuid) ?? 0) ||
      compareTexts(a.sourceUuid ?? '', b.sourceUuid ?? '') ||
      a.generation - b.generation ||
      a.timeMs - b.timeMs ||
      compareTexts(a.tie, b.tie),
  )
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
