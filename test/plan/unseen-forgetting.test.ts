// A machine that only writes knows every backup that it made, and none that was forgotten. It builds
// only on what its own rule keeps; whoever forgets by that rule must have kept it (L3).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import { soleRuleSet } from '../../src/model/policy.ts'
import { keepBackups, keepByRules } from '../../src/plan/keep.ts'
import { anyHistory, backupAt } from './histories.ts'
import { epochIdFor, namesIn } from './simulator.ts'

const hourMs = 3_600_000

test('L3: what the rule keeps of all backups ever made, whoever forgot by it still has', () => {
  let builtCount = 0
  let forgottenCount = 0
  const picks = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 90 }), fc.nat({ max: 20 }), fc.boolean()),
    {
      minLength: 2,
      maxLength: 30,
    },
  )
  const property = fc.property(anyHistory, picks, ({ policy, at: { timeZone } }, events) => {
    const ever: Backup[] = []
    let live: Backup[] = []
    let nowMs = Date.UTC(2024, 9, 20)
    for (const [hours, pick, forgets] of events) {
      nowMs += hours * hourMs
      const at = { now: new Date(nowMs), timeZone }
      const isKept = (backups: readonly Backup[]) =>
        keepBackups(backups, policy, at).filter(({ reasons }) => reasons.length > 0)
      if (forgets) {
        const stays = isKept(live).map(({ backup }) => backup)
        forgottenCount += live.length - stays.length
        live = stays
      }
      const parents = isKept(ever).map(({ backup }) => backup)
      for (const backup of parents) assert.ok(live.includes(backup), 'a parent was forgotten')
      const parent = parents[pick % (parents.length + 1)]?.manifest.seq ?? 0
      builtCount += parent === 0 ? 0 : 1
      const made = backupAt(ever.length + 1, [at.now.toISOString(), parent])
      ever.push(made)
      live.push(made)
    }
  })
  fc.assert(property, { numRuns: 3000 })
  assert.ok(builtCount > 1000 && forgottenCount > 1000, `${builtCount} ${forgottenCount}`)
})

test('L3: the same with epochs, each with a rule of its own and one that branches from another', () => {
  let fromAbove = 0
  let forgottenCount = 0
  const picks = fc.array(
    fc.tuple(
      fc.integer({ min: 1, max: 90 }),
      fc.nat({ max: 20 }),
      fc.constantFrom('monthly', 'daily', 'apart'),
      fc.boolean(),
    ),
    { minLength: 2, maxLength: 30 },
  )
  const rules = fc.tuple(anyHistory, anyHistory, anyHistory)
  const property = fc.property(rules, picks, ([monthly, daily, apart], events) => {
    const { timeZone } = monthly.at
    const ruleSets = [
      { ...soleRuleSet(monthly.policy), epoch: 'monthly' },
      { ...soleRuleSet(daily.policy), epoch: 'daily', branchFrom: 'monthly' },
      { ...soleRuleSet(apart.policy), epoch: 'apart' },
    ]
    const epochNames = namesIn(ruleSets)
    const ever: Backup[] = []
    let live: Backup[] = []
    let nowMs = Date.UTC(2024, 9, 20)
    for (const [hours, pick, epoch, forgets] of events) {
      nowMs += hours * hourMs
      const at = { now: new Date(nowMs), timeZone }
      const isKept = (backups: readonly Backup[]) =>
        keepByRules({ backups, ruleSets, epochNames }, at).flatMap(({ backup, reasons }) =>
          reasons.length > 0 ? [backup] : [],
        )
      if (forgets) {
        const stays = isKept(live)
        forgottenCount += live.length - stays.length
        live = stays
      }
      const known = isKept(ever)
      for (const backup of known) assert.ok(live.includes(backup), 'a parent was forgotten')
      const line = epoch === 'daily' ? ['monthly', 'daily'] : [epoch]
      const ids = new Set(line.map(epochIdFor))
      const parents = known.filter(({ manifest }) => ids.has(manifest.epoch ?? epochIdFor('')))
      const parent = parents[pick % (parents.length + 1)]
      fromAbove += Number(parent !== undefined && parent.manifest.epoch !== epochIdFor(epoch))
      const made = backupAt(ever.length + 1, [at.now.toISOString(), parent?.manifest.seq ?? 0])
      const named = { ...made, manifest: { ...made.manifest, epoch: epochIdFor(epoch) } }
      ever.push(named)
      live.push(named)
    }
  })
  fc.assert(property, { numRuns: 2000 })
  assert.ok(fromAbove > 500 && forgottenCount > 1000, `${fromAbove} ${forgottenCount}`)
})
