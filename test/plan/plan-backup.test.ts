import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { keepReasonInWords, snapshotReasonInWords } from '../../src/commands/shared/words.ts'
import type { Uuid } from '../../src/model/ids.ts'
import type { Plan } from '../../src/model/plan.ts'
import { keepEverything, type RuleSet, soleRuleSet, unlimited } from '../../src/model/policy.ts'
import { keepByRules } from '../../src/plan/keep.ts'
import { parentCandidates } from '../../src/plan/parents.ts'
import {
  hasChanged,
  newestSnapshot,
  planBackup,
  releasableSnapshots,
  snapshotName,
} from '../../src/plan/plan-backup.ts'
import { expectedReleases, expectedSnapshots } from '../../src/plan/releases.ts'
import type { SourceSituation } from '../../src/plan/situation.ts'
import { uuidOf } from '../catalog/sample-series.ts'
import { adoptedScenarios } from './adopted-scenarios.ts'
import { epochScenarios } from './epoch-scenarios.ts'
import { localKeepScenarios } from './local-keep-scenarios.ts'
import { scenarios as usual } from './scenarios.ts'
import { backupOf, executed, situationOf, snapshotOf, sourceUuid } from './situations.ts'

const now = new Date('2026-11-22T09:30:00.000Z')
const scenarios = { ...usual, ...localKeepScenarios, ...adoptedScenarios, ...epochScenarios }
const folder = fileURLToPath(new URL('scenarios/', import.meta.url))

/** Numbers of snapshots instead of their UUIDs, one line a step. */
function shown(situation: SourceSituation): string {
  const plan = planBackup(situation, now)
  const releases = expectedReleases(situation, { steps: plan.steps, now })
  const value = {
    situation: {
      source: { generation: situation.subvolume.generation },
      snapshots: situation.snapshots.map(
        ({ uuid, name, creationGeneration, readOnly, sourceUuid: of }) => ({
          uuid,
          name,
          creationGeneration,
          ...(!readOnly && { readOnly }),
          ...(of !== sourceUuid && { of }),
        }),
      ),
      remotes: situation.remotes.map(({ remote, backups, unfinished, ...rules }) => ({
        remote,
        ...(rules.epochNames.size > 0 && { ruleSets: rules.ruleSets.map(ruleWords) }),
        backups: backups.map(({ manifest }) => ({
          seq: manifest.seq,
          ...(manifest.epoch && { epoch: rules.epochNames.get(manifest.epoch) ?? 'not known' }),
          snapshot: manifest.snapshot.uuid,
          parent: manifest.parent?.seq ?? null,
        })),
        ...(unfinished && { unfinished }),
      })),
    },
    steps: plan.steps,
    problems: plan.problems,
    ...(situation.remotes.some(({ epochNames }) => epochNames.size > 0) && {
      rules: situation.remotes.flatMap(one =>
        keepByRules(one, { now, timeZone: 'UTC' }).map(({ backup, reasons }) => {
          const words = reasons.map(reason => keepReasonInWords(reason, 'UTC'))
          const { seq, snapshot } = backup.manifest
          return `${seq}, ${snapshot.createdAt.toISOString()}: ${words.join('; ') || 'not kept'}`
        }),
      ),
    }),
    released: releases.map(({ snapshot }) => snapshot),
    ...(situation.localKeep !== null && {
      kept: expectedSnapshots(situation, { steps: plan.steps, now })
        .filter(({ reasons }) => reasons.length > 0)
        .map(({ snapshot, reasons }) => {
          const words = reasons.map(reason => snapshotReasonInWords(reason, situation.timeZone))
          return `${snapshot.name}, ${snapshot.createdAt.toISOString()}: ${words.join('; ')}`
        }),
    }),
  }
  return `${JSON.stringify(value, null, 1).replaceAll(/00000000-0000-0000-0000-0+/g, '#')}\n`
}

function ruleWords({ epoch, branchFrom, policy }: RuleSet): string {
  const spans = policy.keep.spans.map(({ unit, count }) =>
    count === unlimited ? `*${unit}` : `${count}${unit}`,
  )
  const from = branchFrom === null ? '' : ` from ${branchFrom}`
  const most = policy.maxChain === null ? '' : `, at most ${policy.maxChain}`
  return `${epoch ?? '(no epoch)'}${from}: ${spans.join(' ')}, ${policy.shape}${most}`
}

describe('planBackup(), situation by situation', () => {
  const isUpdating = process.env['UPDATE_GOLDEN'] === '1'
  const files = new Set(Object.keys(scenarios).map(fileOf))

  for (const [name, situation] of Object.entries(scenarios)) {
    const file = fileOf(name)
    it(name, () => {
      const text = shown(situation)
      if (isUpdating) {
        mkdirSync(folder, { recursive: true })
        writeFileSync(`${folder}${file}`, text)
      }
      assert.ok(
        existsSync(`${folder}${file}`),
        'run the test with UPDATE_GOLDEN=1, and read what it wrote',
      )
      assert.equal(text, readFileSync(`${folder}${file}`, 'utf8'))
    })
  }

  it('reads every file that is kept', () => {
    const stale = readdirSync(folder).filter(file => !files.has(file))
    if (isUpdating) for (const file of stale) rmSync(`${folder}${file}`)
    else assert.deepEqual(stale, [])
  })
})

const snapshotNumber = fc.integer({ min: 1, max: 8 })

const anySituation: fc.Arbitrary<SourceSituation> = fc
  .record({
    snapshots: fc.uniqueArray(snapshotNumber, { maxLength: 6 }),
    writable: fc.constantFrom(0, 0, 0, 1, 2),
    foreign: fc.constantFrom(0, 0, 0, 3, 4),
    remotes: fc.array(
      fc.record({
        held: fc.uniqueArray(snapshotNumber, { maxLength: 5 }),
        unfinished: fc.option(snapshotNumber),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    isChanged: fc.boolean(),
    localKeep: fc.constantFrom(undefined, undefined, '3h', '2d 4h', 'last 2', '*', ''),
  })
  .map(({ snapshots, writable, foreign, remotes, isChanged, localKeep }) =>
    situationOf({
      snapshots: snapshots.map(n =>
        snapshotOf(n, {
          readOnly: n !== writable,
          sourceUuid: n === foreign ? uuidOf(0xeee) : sourceUuid,
        }),
      ),
      remotes: remotes.map(({ held, unfinished }, index) => ({
        remote: `remote-${index}`,
        backups: held.map((n, at) => backupOf(at + 1, uuidOf(n))),
        unfinished: unfinished === null ? undefined : uuidOf(unfinished),
        ruleSets: [soleRuleSet(keepEverything)],
        epochNames: new Map(),
      })),
      ...(isChanged && { generation: 99 }),
      ...(localKeep !== undefined && { localKeep }),
    }),
  )

describe('planBackup(), whatever the situation', () => {
  it('does not depend on the order in which anything is told', () => {
    const shuffle = fc.array(fc.nat(), { minLength: 12, maxLength: 12 })
    fc.assert(
      fc.property(anySituation, shuffle, (situation, keys) => {
        const other = {
          ...situation,
          snapshots: shuffled(situation.snapshots, keys),
          remotes: shuffled(situation.remotes, keys).map(remote => ({
            ...remote,
            backups: shuffled(remote.backups, keys),
          })),
        }
        assert.deepEqual(asSet(planBackup(other, now)), asSet(planBackup(situation, now)))
        const released = (one: SourceSituation) =>
          releasableSnapshots(one, now)
            .map(({ uuid }) => uuid)
            .sort()
        assert.deepEqual(released(other), released(situation))
      }),
      { numRuns: 300 },
    )
  })

  it('has nothing left to do once it was carried out', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const after = executed(situation, planBackup(situation, now))
        // An unfinished run whose snapshot is gone is nothing that a plan could finish.
        assert.deepEqual(planBackup(after, now).steps, [])
        assert.deepEqual(releasableSnapshots(after, now), [])
      }),
      { numRuns: 300 },
    )
  })

  it('L3: names only parents that the remote has committed, or commits before in the same run', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const { steps } = planBackup(situation, now)
        for (const [index, step] of steps.entries()) {
          if (step.kind !== 'send') continue
          const backups =
            situation.remotes.find(({ remote }) => remote === step.remote)?.backups ?? []
          const committed = new Map(
            backups.map(({ manifest }) => [manifest.seq, manifest.snapshot.uuid]),
          )
          const sent = steps
            .slice(0, index)
            .flatMap(one =>
              one.kind === 'send' && one.remote === step.remote ? [one.snapshot] : [],
            )
          for (const { seq, snapshot } of step.parents) {
            assert.ok(committed.get(seq) === snapshot || sent.includes(snapshot), `${seq}`)
            assert.notEqual(snapshot, step.snapshot)
            assert.ok(situation.snapshots.some(one => one.uuid === snapshot && one.readOnly))
          }
          assert.equal(step.makes === 'full', step.parents.length === 0)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('L7: releases no snapshot that a later send needs', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const released = new Set<Uuid | undefined>(
          releasableSnapshots(situation, now).map(({ uuid }) => uuid),
        )
        assert.ok(!released.has(newestSnapshot(situation)?.uuid))
        for (const { backups, unfinished } of situation.remotes) {
          const [parent] = parentCandidates(backups, situation.snapshots, sourceUuid)
          assert.ok(!released.has(parent?.snapshot.uuid))
          assert.ok(!released.has(unfinished))
        }
        for (const uuid of released) {
          assert.ok(situation.snapshots.some(one => one.uuid === uuid && one.readOnly))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('releases with a rule for snapshots only what it also releases without', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const without = { ...situation, localKeep: null }
        const more = new Set(releasableSnapshots(without, now))
        for (const one of releasableSnapshots(situation, now)) assert.ok(more.has(one))
      }),
      { numRuns: 300 },
    )
  })

  it('foretells what is released when all goes well', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const plan = planBackup(situation, now)
        const expected = expectedReleases(situation, { steps: plan.steps, now }).map(
          ({ snapshot }) => snapshot,
        )
        const after = new Set(executed(situation, plan).snapshots.map(({ uuid }) => uuid))
        const gone = situation.snapshots.map(({ uuid }) => uuid).filter(uuid => !after.has(uuid))
        assert.deepEqual(expected.sort(), gone.sort())
      }),
      { numRuns: 300 },
    )
  })

  it('does nothing at all about a source with a problem', () => {
    fc.assert(
      fc.property(anySituation, situation => {
        const nested = { ...situation, nested: ['inside'] }
        assert.deepEqual(planBackup(nested, now).steps, [])
        assert.deepEqual(planBackup(nested, now).problems, [
          { kind: 'nested', source: 'home', names: ['inside'] },
        ])
      }),
      { numRuns: 30 },
    )
  })
})

describe('hasChanged()', () => {
  it('goes by generation alone: a clock that was set back changes nothing', () => {
    const newest = snapshotOf(3, { createdAt: new Date('2099-01-01') })
    assert.ok(!hasChanged(snapshotOf(0, { generation: 30 }), newest))
    assert.ok(hasChanged(snapshotOf(0, { generation: 31 }), newest))
  })
})

describe('snapshotName()', () => {
  it('is never one that is taken', () => {
    let situation = situationOf({})
    const names = Array.from({ length: 5 }, () => {
      const name = snapshotName(situation, now)
      situation = { ...situation, snapshots: [...situation.snapshots, snapshotOf(1, { name })] }
      return name
    })
    assert.deepEqual(names, [
      'home.20261122T093000Z',
      'home.20261122T093000Z.2',
      'home.20261122T093000Z.3',
      'home.20261122T093000Z.4',
      'home.20261122T093000Z.5',
    ])
  })
})

function fileOf(scenario: string): string {
  return `${scenario.replaceAll(/[ ,:]+/g, '-')}.json`
}

function shuffled<T>(items: readonly T[], keys: readonly number[]): T[] {
  return items
    .map((item, at) => ({ item, key: keys[at] ?? 0 }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

/** Remotes are served in the order in which they are named; nothing else has an order of its own. */
function asSet({ steps, problems }: Plan): unknown {
  return { steps: steps.map(step => JSON.stringify(step)).sort(), problems }
}
