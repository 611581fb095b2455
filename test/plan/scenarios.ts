// The situations whose plans are kept, each in a file of test/plan/scenarios, for people to read
// and judge: is that what should happen, and is it for that reason?

import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import type { SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { backupOf, remoteOf, situationOf, snapshotOf, sourceUuid } from './situations.ts'

const oldSource = uuidOf(0xeee)

export const scenarios: Readonly<Record<string, SourceSituation>> = {
  'first run': situationOf({}),
  'first run, two remotes': situationOf({ remotes: [remoteOf('nas', []), remoteOf('aws', [])] }),
  'nothing changed': situationOf({ snapshots: [1], remotes: [remoteOf('nas', [1])] }),
  changed: situationOf({ snapshots: [1], remotes: [remoteOf('nas', [1])], generation: 11 }),
  'changed, third in a chain': situationOf({
    snapshots: [2],
    remotes: [remoteOf('nas', [1, 2])],
    generation: 25,
  }),
  'changed before the first backup was made': situationOf({ snapshots: [1], generation: 30 }),
  'a new remote beside one that has all': situationOf({
    snapshots: [3],
    remotes: [remoteOf('nas', [1, 2, 3]), remoteOf('aws', [])],
  }),
  'one remote is behind, nothing changed': situationOf({
    snapshots: [1, 2],
    remotes: [remoteOf('nas', [1, 2]), remoteOf('aws', [1])],
  }),
  'one remote is behind, changed': situationOf({
    snapshots: [1, 2],
    remotes: [remoteOf('nas', [1, 2]), remoteOf('aws', [1])],
    generation: 33,
  }),
  'two remotes with different histories': situationOf({
    snapshots: [2, 3, 5],
    remotes: [remoteOf('nas', [1, 3, 5]), remoteOf('aws', [2, 4])],
    generation: 60,
  }),
  'the parent is gone from this machine': situationOf({
    snapshots: [3],
    remotes: [remoteOf('nas', [1, 2])],
  }),
  'all snapshots are gone': situationOf({ remotes: [remoteOf('nas', [1, 2])] }),
  'a parent was made writable': situationOf({
    snapshots: [1, snapshotOf(2, { readOnly: false })],
    remotes: [remoteOf('nas', [1, 2])],
    generation: 40,
  }),
  'a run was cut, nothing changed since': situationOf({
    snapshots: [1, 2],
    remotes: [remoteOf('nas', [1], uuidOf(2))],
  }),
  'a run was cut, changed since': situationOf({
    snapshots: [1, 2],
    remotes: [remoteOf('nas', [1], uuidOf(2))],
    generation: 40,
  }),
  'the first run was cut, changed since': situationOf({
    snapshots: [1],
    remotes: [remoteOf('nas', [], uuidOf(1))],
    generation: 40,
  }),
  'a run was cut, and the other remote went on': situationOf({
    snapshots: [1, 2, 3],
    remotes: [remoteOf('nas', [1], uuidOf(2)), remoteOf('aws', [1, 2, 3])],
  }),
  'a run was cut behind its commit': situationOf({
    snapshots: [1, 2],
    remotes: [remoteOf('nas', [1, 2], uuidOf(2))],
  }),
  'a run was cut, and its snapshot is gone': situationOf({
    snapshots: [1],
    remotes: [remoteOf('nas', [1], uuidOf(2))],
  }),
  'a subvolume inside that nobody mentioned': situationOf({
    nested: ['docker', 'vm/images'],
    generation: 40,
  }),
  'the source was itself received': situationOf({ subvolume: { receivedUuid: uuidOf(77) } }),
  'received and nested': situationOf({
    nested: ['inside'],
    subvolume: { receivedUuid: uuidOf(77) },
  }),
  'another subvolume took the place of the source': situationOf({
    snapshots: [snapshotOf(1, { sourceUuid: oldSource }), snapshotOf(2, { sourceUuid: oldSource })],
    remotes: [remoteOf('nas', [1, 2])],
    generation: 8,
  }),
  'another took its place while a run was cut': situationOf({
    snapshots: [snapshotOf(1, { sourceUuid: oldSource }), snapshotOf(2, { sourceUuid: oldSource })],
    remotes: [remoteOf('nas', [1], uuidOf(2))],
    generation: 8,
  }),
  'snapshots dated in the future, and out of order': situationOf({
    snapshots: [
      snapshotOf(1, { createdAt: new Date('2099-01-01') }),
      snapshotOf(3, { createdAt: new Date('1999-01-01') }),
      2,
    ],
    remotes: [remoteOf('nas', [1, 2])],
    generation: 50,
  }),
  'many parents to choose from': situationOf({
    snapshots: [4, 1, 3, 2, 7],
    remotes: [
      {
        remote: 'nas',
        backups: [
          backupOf(9, uuidOf(3)),
          backupOf(2, uuidOf(4), null),
          backupOf(12, uuidOf(1)),
          backupOf(4, uuidOf(8)),
        ],
        ruleSets: [soleRuleSet(keepEverything)],
        epochNames: new Map(),
        unfinished: undefined,
      },
    ],
    generation: 99,
  }),
  'the name of this second is taken': situationOf({
    snapshots: [
      snapshotOf(1, { name: 'home.20261122T093000Z' }),
      snapshotOf(2, { name: 'home.20261122T093000Z.2' }),
    ],
    remotes: [remoteOf('nas', [2])],
    generation: 99,
  }),
  'snapshots of other subvolumes in our folder': situationOf({
    snapshots: [1, snapshotOf(2, { sourceUuid: uuidOf(0xabc) })],
    remotes: [remoteOf('nas', [1])],
    subvolume: { uuid: sourceUuid, generation: 10 },
  }),
}
