// Snapshots that others made, by where they lie. Nothing is changed.

import { join } from 'node:path'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure, systemCodeOf } from '../base/failure.ts'
import { isWild, matchesPart, patternFolder } from '../model/snapshot-pattern.ts'
import type { Subvolume } from '../model/subvolume.ts'
import type { BtrfsOptions } from './run.ts'
import { folderNames, showsAtOnce, subvolumeIfAny } from './subvolume.ts'

export interface MatchedFolder {
  readonly path: string
  /** Null: a folder like any other, or one whose name is not UTF-8 and can't be passed on. */
  readonly subvolume: Subvolume | null
}

/**
 * The folders that match, by path. Failure when the pattern's own folder can't be listed (L9); what
 * is deleted meanwhile is left out.
 */
export async function listMatching(
  pattern: string,
  options: BtrfsOptions = {},
): Promise<readonly MatchedFolder[]> {
  const top = patternFolder(pattern)
  const parts = pattern
    .slice(top.length)
    .split('/')
    .filter(part => part !== '')
  let paths = [top]
  for (const [depth, part] of parts.entries()) {
    const next: string[] = []
    for (const path of paths) next.push(...(await below(path, part, depth === 0)))
    paths = next
  }
  const found: MatchedFolder[] = []
  const shown = mapInOrder(paths.sort(), showsAtOnce, async path => {
    if (path.includes('\uFFFD')) return { path, subvolume: null }
    const subvolume = await subvolumeIfAny(path, options)
    return subvolume === undefined ? undefined : { path, subvolume }
  })
  for await (const match of shown) if (match !== undefined) found.push(match)
  return found
}

async function below(folder: string, part: string, isTop: boolean): Promise<string[]> {
  if (!isWild(part)) return [join(folder, part)]
  try {
    const names = await folderNames(folder)
    return names.filter(name => matchesPart(part, name)).map(name => join(folder, name))
  } catch (error) {
    const code = error instanceof Failure ? systemCodeOf(error.cause) : undefined
    if (!isTop && (code === 'ENOENT' || code === 'ENOTDIR')) return []
    throw error
  }
}
