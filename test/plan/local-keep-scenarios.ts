// Situations with `snapshots.keep`: what stays on this machine besides what later backups need.

import { keepEverything, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import type { SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { remoteOf, situationOf, snapshotOf } from './situations.ts'

const oldSource = uuidOf(0xeee)

/** Number n, made on a day of November 2026. */
function onDay(n: number, day: number, time = '02:00'): ReturnType<typeof snapshotOf> {
  const date = String(day).padStart(2, '0')
  return snapshotOf(n, { createdAt: new Date(`2026-11-${date}T${time}:00Z`) })
}

function daily(remote: string, held: readonly number[]): ReturnType<typeof remoteOf> {
  const one = remoteOf(remote, held)
  const keep = parseKeepRule('30d')
  if (keep === undefined) throw new Error('not a rule')
  return { ...one, ruleSets: [soleRuleSet({ ...keepEverything, keep, shape: 'tree' })] }
}

const week = [14, 15, 16, 17, 18, 19, 20, 21].map((day, index) => onDay(index + 1, day))
const held = [1, 2, 3, 4, 5, 6, 7, 8]

export const localKeepScenarios: Readonly<Record<string, SourceSituation>> = {
  'snapshots kept a week': situationOf({
    snapshots: week,
    remotes: [remoteOf('nas', held)],
    localKeep: '7d',
  }),
  'snapshots kept a week, changed': situationOf({
    snapshots: week,
    remotes: [remoteOf('nas', held)],
    localKeep: '7d',
    generation: 99,
  }),
  'snapshots kept, the newest three': situationOf({
    snapshots: week,
    remotes: [remoteOf('nas', held)],
    localKeep: 'last 3',
    generation: 99,
  }),
  'snapshots kept, all of them': situationOf({
    snapshots: week,
    remotes: [remoteOf('nas', held)],
    localKeep: '*',
  }),
  'snapshots kept, none but what is needed': situationOf({
    snapshots: week,
    remotes: [remoteOf('nas', held), remoteOf('aws', [1, 2, 3])],
    localKeep: '0d',
  }),
  'snapshots kept, two of a day': situationOf({
    snapshots: [onDay(1, 21), onDay(2, 21, '14:00'), onDay(3, 22), onDay(4, 22, '08:00')],
    remotes: [remoteOf('nas', [1, 2, 3, 4])],
    localKeep: '2d',
  }),
  'snapshots kept by a shorter rule than the remote has': situationOf({
    snapshots: [onDay(1, 20), onDay(2, 21), onDay(3, 22)],
    remotes: [daily('nas', [1, 2, 3])],
    localKeep: '1h',
  }),
  'snapshots kept, of which one was made writable': situationOf({
    snapshots: [
      onDay(1, 20),
      { ...onDay(2, 21), readOnly: false },
      onDay(3, 21, '03:00'),
      onDay(4, 22),
    ],
    remotes: [remoteOf('nas', [1, 2, 3, 4])],
    localKeep: '2d',
  }),
  'snapshots kept, dated in the future': situationOf({
    snapshots: [
      onDay(1, 20),
      snapshotOf(2, { createdAt: new Date('2099-01-01') }),
      onDay(3, 21),
      onDay(4, 22),
    ],
    remotes: [remoteOf('nas', [1, 2, 3, 4])],
    localKeep: '1d',
  }),
  'snapshots kept, also of what stood there before': situationOf({
    snapshots: [
      { ...onDay(1, 20), sourceUuid: oldSource },
      { ...onDay(2, 20, '03:00'), sourceUuid: oldSource },
      onDay(3, 21),
    ],
    remotes: [remoteOf('nas', [1, 2, 3])],
    localKeep: '7d',
  }),
  'snapshots kept, a run was cut': situationOf({
    snapshots: [onDay(1, 10), onDay(2, 11), onDay(3, 22)],
    remotes: [remoteOf('nas', [1], uuidOf(2))],
    localKeep: '1d',
  }),
}
