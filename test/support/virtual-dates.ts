// Snapshots are dated by btrfs. On a virtual clock they have the clock's time instead, or what a test
// says.

import type { FakeClock } from '../../src/base/clock.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import type { Uuid } from '../../src/model/ids.ts'
import type { Subvolume } from '../../src/model/subvolume.ts'

export type Dates = Map<Uuid, Date>

/** `dates` gets those of the snapshots that are made here, and says those of all. */
export function onClock(context: Context, clock: FakeClock, dates: Dates): Context {
  const dated = (one: Subvolume): Subvolume => {
    const createdAt = dates.get(one.uuid)
    return createdAt === undefined ? one : { ...one, createdAt }
  }
  const { btrfs } = context
  return {
    ...context,
    clock,
    btrfs: {
      ...btrfs,
      snapshot: async (...args) => {
        const one = await btrfs.snapshot(...args)
        dates.set(one.uuid, new Date(clock.now()))
        return dated(one)
      },
      listIn: async (...args) => (await btrfs.listIn(...args)).map(dated),
      listMatching: async (...args) =>
        (await btrfs.listMatching(...args)).map(({ path, subvolume }) => ({
          path,
          subvolume: subvolume && dated(subvolume),
        })),
      show: async (...args) => dated(await btrfs.show(...args)),
    },
  }
}
