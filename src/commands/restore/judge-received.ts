// Whether what `btrfs receive` made has the metadata of what was backed up.

import { Failure } from '../../base/failure.ts'
import { plural } from '../../base/units.ts'
import type { Subvolume } from '../../model/subvolume.ts'
import { compareTrees } from '../../stream/compare.ts'
import type { Tree } from '../../stream/tree.ts'
import type { Context } from '../shared/context.ts'
import { actualTree } from './actual-tree.ts'

/** Why it has not, as a Failure; it counts kinds of differences and names no file (L10). */
export function judgeReceived(context: Context) {
  return async ({ path }: Subvolume, expected: Tree): Promise<Failure | undefined> => {
    const actual = await actualTree(context, path)
    const kinds = new Set<string>()
    let count = 0
    for (const { what } of compareTrees(expected, actual)) {
      kinds.add(what)
      count += 1
    }
    if (count === 0) return undefined
    const differences = `${plural(count, 'difference')} (${[...kinds].join(', ')})`
    return new Failure(
      'receive-failed',
      `cannot vouch for a restore: what btrfs receive made has ${differences} to what was backed up`,
      { hint: 'restore it and see: restore lists each difference' },
    )
  }
}
