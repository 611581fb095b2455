// What people read of plans: on wide terminals and narrow ones, with and without colour.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import type { PlannedStep, PlanReport } from '../../src/commands/plan.ts'
import { assertFits, at, coloured, doubt, home, narrow, wide, wordsOf } from './showing.ts'

function forgets(count: number): PlannedStep[] {
  return Array.from({ length: count }, (_, n) => ({
    kind: 'forget',
    source: home,
    remote: 'aws',
    seq: n + 1,
    snapshotTime: at(1 + n),
    notBefore: at(28),
    reason: 'not-kept',
    drops: [],
    because: `first of day 2026-11-0${n + 1} is backup 99; made before the last 24 hours (from 2026-11-20 10:00)`,
  }))
}

function planned(count: number): PlanReport {
  const backups = Array.from({ length: count + 3 }, (_, n) => ({
    seq: n + 1,
    createdAt: at(1 + n),
    epoch: null,
    makes: n === 0 ? ('full' as const) : ('differential' as const),
    reasons: n < count + 1 ? [] : ['first of day 2026-11-21', 'the newest'],
  }))
  const hidden = [
    { seq: 90, snapshotTime: at(1), hiddenAt: at(12), notBefore: at(19) },
    { seq: 91, snapshotTime: at(2), hiddenAt: at(18), notBefore: at(25) },
  ]
  const prune: PlannedStep = {
    kind: 'prune',
    source: home,
    remote: 'aws',
    seq: 90,
    hiddenAt: at(12),
    notBefore: at(19),
    reason: 'grace-over',
    because: 'it was forgotten 2026-11-12 09:30, and its grace ended 2026-11-19 09:30',
  }
  const steps: PlannedStep[] = [
    {
      kind: 'snapshot',
      source: home,
      name: 'home.1',
      reason: 'changed',
      because: 'the source changed',
    },
    ...forgets(count),
    prune,
  ]
  return {
    timezone: 'UTC',
    hash: '0f3c9a-77d0e2-1b2c3d-9e8f70',
    exitStatus: 0,
    sources: [
      {
        source: home,
        path: '/home',
        steps,
        remotes: [
          { remote: 'aws', backups, hidden, doubt: null },
          { remote: 'nas', backups: [], hidden: [], doubt },
          { remote: 'new', backups: [], hidden: [], doubt: null },
        ],
        skipped: [],
        snapshots: [],
        forecast: null,
        problems: [],
        failures: [],
      },
    ],
  }
}

describe('plan', () => {
  test('tells of each remote what stays, what goes and why, and what is hidden', () => {
    assert.deepEqual(planReportLines(planned(2), wide), [
      'home  /home',
      '├─ take snapshot home.1',
      '│  because the source changed',
      '├─ on aws: 2 kept; 2 to forget, hidden until 2026-11-28 09:30; 1 more that no rule keeps; 1 to',
      '│  prune; 1 hidden already (the first goes 2026-11-25 09:30)',
      '│    ✗ forget backup 1  2026-11-01 09:30',
      '│      first of day 2026-11-01 is backup 99; made before the last 24 hours (from 2026-11-20 10:00)',
      '│    ✗ forget backup 2  2026-11-02 09:30',
      '│      first of day 2026-11-02 is backup 99; made before the last 24 hours (from 2026-11-20 10:00)',
      '│    ✗ prune backup 90',
      '│      it was forgotten 2026-11-12 09:30, and its grace ended 2026-11-19 09:30',
      '└─ on nas: 0 kept',
      '     ✗ cannot forget backups of home on nas: backup 4 was there before and is gone\\x1b[2J',
      '       hint: nothing is deleted where anything is in doubt; btrvault verify tells more',
      '',
      'to hold a backup to this, with the same sources and flags: --plan 0f3c9a-77d0e2-1b2c3d-9e8f70',
    ])
  })

  test('shows the first few that go, and all with --rules', () => {
    const few = planReportLines(planned(20), wide).join('\n')
    assert.match(few, /… and 13 more, which --rules shows/)
    assert.doesNotMatch(few, /forget backup 20/)
    const all = planReportLines(planned(20), wide, true).join('\n')
    assert.match(all, /✗ forget backup 20/)
    assert.match(all, /no rule keeps it: it is to be forgotten/)
  })

  test('fits a narrow terminal, says the same there, and needs no colour', () => {
    const lines = planReportLines(planned(2), narrow)
    assertFits(lines, narrow.width)
    assert.deepEqual(wordsOf(lines), wordsOf(planReportLines(planned(2), wide)))
    const painted = planReportLines(planned(2), coloured)
    assert.ok(painted.join('').includes('\x1b['))
    assert.deepEqual(
      painted.map(line => stripVTControlCharacters(line)),
      lines,
    )
  })

  test('does not speak of a hash when nothing is to be done', () => {
    const report = planned(0)
    const [source] = report.sources
    assert.ok(source)
    const idle = { ...report, sources: [{ ...source, steps: [], remotes: [] }] }
    assert.deepEqual(planReportLines(idle, wide), ['home  /home', '└─ ✓ nothing is due'])
  })

  test('--days: days on which the same happens stand together, and the tree that stands', () => {
    const day = { full: 0, differential: 1, incremental: 23, forgotten: 24, pruned: 0 }
    const standing = [
      { seq: 1, snapshotTime: at(1), makes: 'full' as const, parent: null },
      { seq: 2, snapshotTime: at(2), makes: 'differential' as const, parent: 1 },
      { seq: 3, snapshotTime: at(2, 10), makes: 'incremental' as const, parent: 2 },
      { seq: 4, snapshotTime: at(2, 11), makes: 'incremental' as const, parent: 2 },
      { seq: 5, snapshotTime: at(3), makes: 'differential' as const, parent: 1 },
    ]
    const report = planned(0)
    const [source] = report.sources
    assert.ok(source)
    const forecast = {
      until: at(4),
      isWhole: true,
      runCount: 73,
      mostSnapshots: 3,
      remotes: [
        {
          remote: 'aws',
          days: [
            { ...day, date: '2026-11-01', full: 1, forgotten: 0 },
            { ...day, date: '2026-11-02' },
            { ...day, date: '2026-11-03' },
          ],
          end: { backups: standing, hiddenCount: 48, longestChain: 3 },
        },
      ],
    }
    const ahead = { ...report, sources: [{ ...source, steps: [], remotes: [], forecast }] }
    assert.deepEqual(planReportLines(ahead, wide).slice(2), [
      '  until 2026-11-04 09:30, in 73 runs, if the source changes all the time and every run goes well; at',
      '  most 3 snapshots on this machine',
      '  on aws:',
      '    2026-11-01  1 full, 1 differential, 23 incremental',
      '    2026-11-02 … 2026-11-03  1 differential, 23 incremental; 24 forgotten on each of 2 days',
      '    at the end 5 backups, the longest chain of 3; 48 hidden',
      '    └─ 1  2026-11-01 09:30  full',
      '       ├─ 2  2026-11-02 09:30  differential',
      '       │  └─ 2 × incremental, 2026-11-02 10:30 … 2026-11-02 11:30',
      '       └─ 5  2026-11-03 09:30  differential',
    ])
    assertFits(planReportLines(ahead, narrow).slice(0, 9), narrow.width)
  })
})
