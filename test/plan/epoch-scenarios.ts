// Situations with epochs: monthly backups, and daily ones that branch from them. The plans are made
// on the morning of 22 November 2026.

import type { Uuid } from '../../src/model/ids.ts'
import {
  keepEverything,
  type Policy,
  parseKeepRule,
  type RuleSet,
  soleRuleSet,
} from '../../src/model/policy.ts'
import type { RemoteSituation, SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { epochIdFor, namesIn } from './simulator.ts'
import { backupOf, situationOf, snapshotOf } from './situations.ts'

/** `monthly *m`, `daily<monthly 30d`, `<monthly 30d`: epoch, what it branches from, keep rule. */
export function rulesOf(text: string, changes: Partial<Policy> = {}): RuleSet {
  const [names = '', ...words] = text.split(' ')
  const [epoch = '', branchFrom] = names.split('<')
  const keep = parseKeepRule(words.join(' '))
  if (keep === undefined) throw new Error(`no rule: ${text}`)
  return {
    ...soleRuleSet({ ...keepEverything, keep, shape: 'chain', ...changes }),
    epoch: epoch === '' ? null : epoch,
    branchFrom: branchFrom ?? null,
  }
}

/** Snapshot n, made on a day: `11-21`, or `11-21T14:00`. */
function on(n: number, day: string) {
  const time = day.includes('T') ? day : `${day}T02:00`
  return snapshotOf(n, { createdAt: new Date(`2026-${time}:00Z`) })
}

type Held = readonly [epoch: string, snapshot: ReturnType<typeof on>, parent: number]

/** Backups 1, 2, 3, … of these epochs, snapshots and parents; 0: full. */
function remoteWith(ruleSets: readonly RuleSet[], held: readonly Held[]): RemoteSituation {
  const backups = held.map(([epoch, { uuid, createdAt, creationGeneration }, parent], index) => {
    const made = backupOf(index + 1, uuid, parent === 0 ? null : parent)
    const snapshot = { ...made.manifest.snapshot, createdAt, generation: creationGeneration }
    const named = epoch === '' ? {} : { epoch: epochIdFor(epoch) }
    return { ...made, manifest: { ...made.manifest, ...named, snapshot } }
  })
  return { remote: 'aws', backups, unfinished: undefined, ruleSets, epochNames: namesIn(ruleSets) }
}

function cut(remote: RemoteSituation, snapshot: Uuid, epoch: string): RemoteSituation {
  return { ...remote, unfinished: snapshot, unfinishedEpoch: epochIdFor(epoch) }
}

function situated(
  here: readonly ReturnType<typeof on>[],
  remote: RemoteSituation,
  changed = true,
): SourceSituation {
  return situationOf({ snapshots: here, remotes: [remote], ...(changed && { generation: 999 }) })
}

const both = [rulesOf('monthly *m'), rulesOf('daily<monthly 30d')]
const [october, first, second, third] = [
  on(1, '10-01'),
  on(2, '11-01'),
  on(3, '11-20'),
  on(4, '11-21'),
]
const today = on(5, '11-22')
const inNovember: readonly Held[] = [
  ['monthly', october, 0],
  ['monthly', first, 1],
  ['daily', second, 2],
  ['daily', third, 3],
]

export const epochScenarios: Readonly<Record<string, SourceSituation>> = {
  'epochs: the first backup is the monthly one': situated([], remoteWith(both, [])),
  'epochs: the first daily one is a difference from the monthly one': situated(
    [third],
    remoteWith(both, [['monthly', third, 0]]),
  ),
  'epochs: the daily chain goes on': situated([first, third], remoteWith(both, inNovember)),
  'epochs: the month turned': situated(
    [on(1, '10-01'), on(2, '10-31')],
    remoteWith(both, [
      ['monthly', on(1, '10-01'), 0],
      ['daily', on(2, '10-31'), 1],
    ]),
  ),
  'epochs: the month turned, and nothing changed': situated(
    [on(1, '10-01'), on(2, '10-31')],
    remoteWith(both, [
      ['monthly', on(1, '10-01'), 0],
      ['daily', on(2, '10-31'), 1],
    ]),
    false,
  ),
  'epochs: the daily chain begins anew with the month': situated(
    [on(2, '10-31'), on(3, '11-01')],
    remoteWith(both, [
      ['monthly', october, 0],
      ['daily', on(2, '10-31'), 1],
      ['monthly', on(3, '11-01'), 1],
    ]),
  ),
  'epochs: nothing is due, the monthly one was made today': situated(
    [today],
    remoteWith(both, [['monthly', today, 0]]),
  ),
  'epochs: the snapshots of the monthly ones are gone': situated(
    [on(2, '10-31')],
    remoteWith(both, [
      ['monthly', on(1, '10-01'), 0],
      ['daily', on(2, '10-31'), 1],
    ]),
  ),
  'epochs: a monthly one beside daily ones that have no epoch': situated(
    [second, third],
    remoteWith(
      [rulesOf('monthly *m'), rulesOf('<monthly 30d')],
      [
        ['', second, 0],
        ['', third, 1],
      ],
    ),
  ),
  'epochs: another name': situated(
    [third],
    remoteWith([rulesOf('2027 30d')], [['2026', third, 0]]),
  ),
  'epochs: another name, and nothing changed': situated(
    [today],
    remoteWith([rulesOf('2027 30d')], [['2026', today, 0]]),
    false,
  ),
  'epochs: another name that branches from the former one': situated(
    [second, third],
    remoteWith(
      [rulesOf('2027<2026 30d')],
      [
        ['2026', second, 0],
        ['2026', third, 1],
      ],
    ),
  ),
  'epochs: no backup of what it is to branch from': situated(
    [third],
    remoteWith([rulesOf('2027<2025 30d', { allowFullBytes: 5 })], [['2026', third, 0]]),
  ),
  'epochs: three in a line, of which two are due': situated(
    [on(1, '11-16'), on(2, '11-21'), on(3, '11-21T20:00')],
    remoteWith(
      [rulesOf('hourly<daily 24h'), rulesOf('daily<weekly 30d'), rulesOf('weekly 8w')],
      [
        ['weekly', on(1, '11-16'), 0],
        ['daily', on(2, '11-21'), 1],
        ['hourly', on(3, '11-21T20:00'), 2],
      ],
    ),
  ),
  'epochs: two that know nothing of each other': situated(
    [second],
    remoteWith([rulesOf('monthly *m'), rulesOf('daily 30d')], [['daily', on(3, '10-20'), 0]]),
  ),
  'epochs: a tree of daily ones below each monthly one': situated(
    [first, third],
    remoteWith(
      [rulesOf('monthly *m'), rulesOf('daily<monthly 30d', { shape: 'tree' })],
      inNovember,
    ),
  ),
  'epochs: the daily chain is as long as it may be': situated(
    [first, third],
    remoteWith([rulesOf('monthly *m'), rulesOf('daily<monthly 30d', { maxChain: 4 })], inNovember),
  ),
  'epochs: both chains are as long as they may be': situated(
    [first, third],
    remoteWith([rulesOf('monthly *m'), rulesOf('daily<monthly 30d', { maxChain: 2 })], inNovember),
  ),
  'epochs: a monthly run was cut': situated(
    [october, first, second],
    cut(
      remoteWith(both, [
        ['monthly', october, 0],
        ['daily', second, 1],
      ]),
      uuidOf(2),
      'monthly',
    ),
  ),
  'epochs: a run was cut, of an epoch that is no more': situated(
    [third, today],
    cut(remoteWith([rulesOf('2027 30d')], [['2026', third, 0]]), today.uuid, '2026'),
    false,
  ),
  'epochs: backups that no rules speak of': situated(
    [today],
    remoteWith(both, [
      ['weekly', on(1, '03-01'), 0],
      ['', on(2, '03-02'), 1],
      ['daily', on(3, '03-03'), 2],
      ['monthly', on(4, '08-01'), 0],
      ['monthly', today, 4],
    ]),
  ),
}
