// Situations in which others make the snapshots (`snapshots: { existing: … }`): what is sent of
// them, from which parent, and that nothing is made or deleted.

import { keepEverything, type Policy, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import type { Subvolume } from '../../src/model/subvolume.ts'
import type { RemoteSituation, SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { sha256Of } from '../format/samples.ts'
import { remoteOf, situationOf, snapshotOf, sourceUuid } from './situations.ts'

const oldSource = uuidOf(0xeee)

/** Number n, made on a day of November 2026. */
function onDay(n: number, day: number, time = '02:00'): Subvolume {
  const date = String(day).padStart(2, '0')
  return snapshotOf(n, { createdAt: new Date(`2026-11-${date}T${time}:00Z`) })
}

/** A remote with a rule that has backups of these snapshots, each as old as its snapshot. */
function ruled(
  keep: string,
  held: readonly Subvolume[],
  more: Partial<Policy> & { readonly unfinished?: RemoteSituation['unfinished'] } = {},
): RemoteSituation {
  const { unfinished, ...changes } = more
  const numbers = held.map(({ id }) => id - 256)
  const plain = remoteOf('nas', numbers, unfinished)
  const rule = parseKeepRule(keep)
  if (rule === undefined) throw new Error(`not a rule: ${keep}`)
  const shape = rule.spans.length > 0 ? 'tree' : 'chain'
  const backups = plain.backups.map((backup, index) => {
    const { createdAt, generation, sourceUuid: of } = held[index] as Subvolume
    const snapshot = { ...backup.manifest.snapshot, createdAt, generation, sourceUuid: of }
    const manifestSha256 = sha256Of((index % 16).toString(16))
    return { ...backup, manifest: { ...backup.manifest, snapshot }, manifestSha256 }
  })
  const policy: Policy = { ...keepEverything, keep: rule, shape, ...changes }
  return { ...plain, backups, ruleSets: [soleRuleSet(policy)] }
}

const days = [18, 19, 20, 21, 22].map((day, index) => onDay(index + 1, day))
const [first, second, third, fourth, fifth] = days as [
  Subvolume,
  Subvolume,
  Subvolume,
  Subvolume,
  Subvolume,
]
const none = { skipped: [], generation: 999 } as const

export const adoptedScenarios: Readonly<Record<string, SourceSituation>> = {
  'adopted, all are sent, oldest first': situationOf({
    ...none,
    snapshots: [third, first, second],
  }),
  'adopted, some are there already': situationOf({
    ...none,
    snapshots: days,
    remotes: [ruled('*', [first, second])],
  }),
  'adopted, nothing is lacking, though the source changed': situationOf({
    ...none,
    snapshots: days,
    remotes: [ruled('*', days)],
  }),
  'adopted, the first of each day': situationOf({
    ...none,
    snapshots: [
      onDay(1, 20, '01:00'),
      onDay(2, 20, '13:00'),
      onDay(3, 21, '01:00'),
      onDay(4, 21, '02:00'),
      onDay(5, 22, '08:00'),
      onDay(6, 22, '09:00'),
    ],
    remotes: [ruled('2d', [])],
  }),
  'adopted, a tree of weeks and days': situationOf({
    ...none,
    snapshots: [onDay(1, 16), onDay(2, 17), onDay(3, 18), onDay(4, 22)],
    remotes: [ruled('4w 7d', [])],
  }),
  'adopted, the newest two': situationOf({
    ...none,
    snapshots: days,
    remotes: [ruled('last 2', [])],
  }),
  'adopted, the newest only': situationOf({ ...none, snapshots: days, remotes: [ruled('', [])] }),
  'adopted, one comes back that was not wanted before': situationOf({
    ...none,
    snapshots: days,
    remotes: [ruled('*', [third, fifth])],
  }),
  'adopted, two remotes with rules of their own': situationOf({
    ...none,
    snapshots: days,
    remotes: [
      { ...ruled('*', [first]), remote: 'aws' },
      ruled('2d', [fourth]),
      { ...ruled('last 1', []), remote: 'usb' },
    ],
  }),
  'adopted, the parent was cleaned up': situationOf({
    ...none,
    snapshots: [first, second, fourth],
    remotes: [ruled('*', [first, second, third])],
  }),
  'adopted, the first of the month was cleaned up': situationOf({
    ...none,
    snapshots: [second, third, fifth],
    remotes: [ruled('3m 30d', [first, second, third])],
  }),
  'adopted, every parent was cleaned up': situationOf({
    ...none,
    snapshots: [fifth],
    remotes: [ruled('*', [first, second], { allowFullBytes: 1000 })],
  }),
  'adopted, one was forgotten and is hidden': situationOf({
    ...none,
    snapshots: days,
    remotes: [{ ...ruled('*', [first, third]), forgotten: new Set([second.uuid, fifth.uuid]) }],
  }),
  'adopted, the newest was cleaned up, and the rule has enough without an older one': situationOf({
    ...none,
    snapshots: [first, second, third],
    remotes: [ruled('last 2', [third, fourth])],
  }),
  'adopted, the first of the day was cleaned up': situationOf({
    ...none,
    snapshots: [onDay(5, 21, '13:00'), onDay(6, 22)],
    remotes: [ruled('30d', [fourth])],
  }),
  'adopted, a run was cut': situationOf({
    ...none,
    snapshots: days,
    remotes: [ruled('*', [first], { unfinished: third.uuid })],
  }),
  'adopted, a run was cut and its snapshot was cleaned up': situationOf({
    ...none,
    snapshots: [first, fourth],
    remotes: [ruled('*', [first], { unfinished: third.uuid })],
  }),
  'adopted, there is none yet': situationOf({ ...none, snapshots: [] }),
  'adopted, none can be sent': situationOf({
    generation: 999,
    snapshots: [],
    skipped: [
      { path: '/home/.snapshots/1/snapshot', reason: 'writable' },
      { path: '/home/.snapshots/2/snapshot', reason: 'unfinished' },
      { path: '/home/.snapshots/3/snapshot', reason: 'received' },
    ],
  }),
  'adopted, some can not be sent': situationOf({
    generation: 999,
    snapshots: [first],
    skipped: [{ path: '/home/.snapshots/2/snapshot', reason: 'other-source' }],
  }),
  'adopted, another subvolume took the place of the source': situationOf({
    ...none,
    snapshots: [fourth, fifth],
    remotes: [
      ruled('*', [
        { ...first, sourceUuid: oldSource },
        { ...second, sourceUuid: oldSource },
      ]),
    ],
  }),
  'adopted, dated in the future': situationOf({
    ...none,
    snapshots: [first, snapshotOf(2, { createdAt: new Date('2099-01-01') }), third],
    remotes: [ruled('30d', [])],
  }),
  'adopted, only one, dated in the future': situationOf({
    ...none,
    snapshots: [snapshotOf(2, { createdAt: new Date('2099-01-01') })],
    remotes: [ruled('30d', [])],
  }),
  'adopted, made while the clock was set back': situationOf({
    ...none,
    snapshots: [first, { ...third, createdAt: new Date('2026-11-17T00:00Z') }, second],
  }),
  'adopted, a subvolume inside that nobody mentioned': situationOf({
    ...none,
    snapshots: days,
    nested: ['docker'],
  }),
  'adopted, the source was itself received': situationOf({
    ...none,
    snapshots: [],
    subvolume: { uuid: sourceUuid, receivedUuid: uuidOf(77) },
  }),
  'adopted, a full every week': situationOf({
    ...none,
    snapshots: [onDay(1, 12), onDay(2, 14), onDay(3, 16), onDay(4, 18)],
    remotes: [ruled('*', [], { fullEvery: { unit: 'w', count: 1 } })],
  }),
}
