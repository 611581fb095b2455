// A machine that only writes knows every backup that it made, and none that was forgotten. It builds
// only on what its own rule keeps; whoever forgets by that rule must have kept it (L3).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import { keepBackups } from '../../src/plan/keep.ts'
import { anyHistory, backupAt } from './histories.ts'

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
