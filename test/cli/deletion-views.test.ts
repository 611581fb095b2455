// What people read of plans and of what is forgotten, pruned and brought back: on wide terminals and
// narrow ones, with and without colour.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { makePaint, plainPaint } from '../../src/cli/colour.ts'
import { backupLines } from '../../src/cli/verbs/backup.ts'
import { duLines } from '../../src/cli/verbs/du.ts'
import { forgetLines } from '../../src/cli/verbs/forget.ts'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { pruneLines } from '../../src/cli/verbs/prune.ts'
import { undeleteLines } from '../../src/cli/verbs/undelete.ts'
import { widthOf } from '../../src/cli/width.ts'
import type { BackupReport } from '../../src/commands/backup.ts'
import type { ForgetReport } from '../../src/commands/forget.ts'
import type { PlannedStep, PlanReport } from '../../src/commands/plan.ts'
import { noDeeds } from '../../src/commands/prune/apply.ts'
import type { PruneReport } from '../../src/commands/prune.ts'
import type { FailureReport } from '../../src/commands/shared/report.ts'
import type { UndeleteReport } from '../../src/commands/undelete.ts'
import type { SourceName } from '../../src/model/ids.ts'

const wide = { paint: plainPaint, width: 100, verbose: false }
const narrow = { paint: plainPaint, width: 44, verbose: false }
const coloured = {
  ...narrow,
  paint: makePaint({ refused: false, isTerminal: true, env: { TERM: 'xterm' } }),
}
const home = 'home' as SourceName
const at = (day: number, hour = 9) => new Date(Date.UTC(2026, 10, day, hour, 30))
const mebibyte = 1024 * 1024
const doubt: FailureReport = {
  code: 'refused',
  message: 'cannot forget backups of home on nas: backup 4 was there before and is gone\x1b[2J',
  hint: 'nothing is deleted where anything is in doubt; btrvault verify tells more',
  exitStatus: 4,
}

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
        snapshots: [],
        forecast: null,
        problems: [],
        failures: [],
      },
    ],
  }
}

function assertFits(lines: readonly string[], width: number): void {
  const long = lines.filter(line => widthOf(line) > width)
  assert.deepEqual(long, [])
}

/** The same words in the same order, whatever the width; branches of trees apart. */
function wordsOf(lines: readonly string[]): string[] {
  const text = lines.map(line => stripVTControlCharacters(line)).join(' ')
  return text.split(/[\s│├└─]+/).filter(word => word !== '')
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

describe('backup', () => {
  const forgotten = [1, 2, 3, 4, 5, 6, 7].map(id => ({ id, snapshotTime: at(id), storedBytes: 9 }))
  const reportOf = (changes: object): BackupReport => ({
    dryRun: false,
    timezone: 'UTC',
    exitStatus: 0,
    sources: [
      {
        source: home,
        plan: { steps: [], problems: [] },
        sends: [],
        released: [],
        failures: [],
        deletions: [
          {
            remote: 'aws',
            forgotten,
            postponedCount: 2,
            notBefore: at(28),
            pruned: {
              ...noDeeds,
              deleted: [9, 8],
              objectCount: 4,
              bytes: 3 * mebibyte,
              orphanBytes: mebibyte,
            },
            failure: null,
            ...changes,
          },
        ],
      },
    ],
  })

  test('says what it forgot and pruned', () => {
    assert.deepEqual(backupLines(reportOf({}), { ...wide, width: 300 }), [
      '✓ home on aws: forgot 7 backups until 2026-11-28 09:30 (1, 2, 3, 4, 5, 6, …), 2 left to later runs (max_delete); pruned 2 backups, 4.00 MiB',
    ])
    assertFits(backupLines(reportOf({}), narrow), narrow.width)
  })

  test('says what stopped it, as something apart from the backup', () => {
    const stopped = reportOf({ failure: doubt, forgotten: [], pruned: noDeeds, notBefore: null })
    assert.deepEqual(backupLines(stopped, { ...wide, width: 300 }), [
      '✗ home on aws: forgetting and pruning stopped',
      '  aws: cannot forget backups of home on nas: backup 4 was there before and is gone\\x1b[2J',
      '  hint: nothing is deleted where anything is in doubt; btrvault verify tells more',
    ])
  })
})

describe('forget', () => {
  const report: ForgetReport = {
    dryRun: true,
    timezone: 'UTC',
    exitStatus: 3,
    places: [
      {
        source: 'home',
        remote: 'aws',
        forgotten: [{ id: 3, snapshotTime: at(3), storedBytes: 2 * mebibyte }],
        postponedCount: 1,
        keptCount: 12,
        notBefore: at(28),
        failure: null,
      },
      {
        source: 'home',
        remote: 'nas',
        forgotten: [],
        postponedCount: 0,
        keptCount: 0,
        notBefore: null,
        failure: doubt,
      },
    ],
  }

  test('lists what would be hidden, and what could not be decided', () => {
    assert.deepEqual(forgetLines(report, { ...wide, width: 120 }), [
      '✓ home on aws: 1 backup would be forgotten, hidden until 2026-11-28 09:30, 1 left to later runs (max_delete), 12 kept',
      '    3  2026-11-03 09:30  2.00 MiB',
      '✗ home on nas:',
      '  nas: cannot forget backups of home on nas: backup 4 was there before and is gone\\x1b[2J',
      '  hint: nothing is deleted where anything is in doubt; btrvault verify tells more',
    ])
  })

  test('fits a narrow terminal, and needs no colour', () => {
    const lines = forgetLines(report, narrow)
    assertFits(lines, narrow.width)
    assert.deepEqual(wordsOf(lines), wordsOf(forgetLines(report, wide)))
    assert.deepEqual(
      forgetLines(report, coloured).map(line => stripVTControlCharacters(line)),
      lines,
    )
  })

  test('says so when no rule forgets anything', () => {
    assert.match(forgetLines({ ...report, places: [] }, wide).join(), /nothing to do/)
  })
})

describe('prune', () => {
  const report: PruneReport = {
    dryRun: false,
    timezone: 'UTC',
    exitStatus: 0,
    remotes: [
      {
        remote: 'aws',
        failure: null,
        series: [
          {
            ...noDeeds,
            series: '0123456789abcdef',
            source: 'home',
            deleted: [4, 3],
            revived: [7],
            objectCount: 1200,
            bytes: 5 * mebibyte,
            orphanCount: 1,
            orphanBytes: 10,
            retiredCount: 0,
            waiting: [8, 9],
            nextAt: at(28),
            failure: null,
          },
          {
            ...noDeeds,
            series: 'fedcba9876543210',
            source: null,
            waiting: [],
            nextAt: null,
            failure: doubt,
          },
        ],
      },
      { remote: 'nas', series: [], failure: doubt },
      { remote: 'new', series: [], failure: null },
    ],
  }

  test('says what is gone, what is still hidden, and where nothing was done', () => {
    const lines = pruneLines(report, { ...wide, width: 120 })
    assert.deepEqual(lines.slice(0, 6), [
      'home on aws  series 01234567',
      '  ✓ backups deleted: 4, 3',
      '  ✓ 1,200 objects of theirs deleted, 5.00 MiB',
      '  ✓ 1 orphan deleted, 10 B',
      '  ✓ shown again, as others need them: 7',
      '  · still hidden: 8, 9; the first may go at 2026-11-28 09:30',
    ])
    assert.equal(lines.at(-1), '✓ new: there is nothing to prune')
    assert.ok(lines.every(line => !line.includes('\x1b')))
  })

  test('fits a narrow terminal, and needs no colour', () => {
    const lines = pruneLines(report, narrow)
    assertFits(lines, narrow.width)
    assert.deepEqual(wordsOf(lines), wordsOf(pruneLines(report, wide)))
    assert.deepEqual(
      pruneLines(report, coloured).map(line => stripVTControlCharacters(line)),
      lines,
    )
  })
})

describe('undelete', () => {
  const report: UndeleteReport = {
    dryRun: false,
    source: 'home',
    exitStatus: 3,
    remotes: [
      { remote: 'aws', undeleted: [1, 2], failure: null },
      { remote: 'usb', undeleted: [], failure: null },
      { remote: 'nas', undeleted: [], failure: doubt },
    ],
  }

  test('says what is shown again on each remote', () => {
    assert.deepEqual(undeleteLines(report, wide).slice(0, 3), [
      '✓ aws: shown again: 1, 2',
      '✓ usb: nothing is forgotten',
      '✗ nas:',
    ])
    assert.match(undeleteLines({ ...report, dryRun: true }, wide)[0] ?? '', /would be shown again/)
    assertFits(undeleteLines(report, narrow), narrow.width)
  })
})

test('du: live, hidden and orphaned bytes, in columns that line up', () => {
  const lines = duLines(
    {
      exitStatus: 3,
      remotes: [
        {
          remote: 'aws',
          bytes: 6 * mebibyte,
          failure: null,
          series: [
            {
              series: '0123456789abcdef',
              source: 'home',
              live: { backups: 12, bytes: 5 * mebibyte },
              hidden: { backups: 1, bytes: mebibyte },
              orphans: { objects: 0, bytes: 0 },
              problemCount: 1,
            },
          ],
        },
        { remote: 'nas', bytes: 0, series: [], failure: doubt },
      ],
    },
    narrow,
  )
  assert.deepEqual(lines.slice(0, 8), [
    'home on aws  series 01234567',
    '                    count    stored',
    '  live backups         12  5.00 MiB',
    '  hidden backups        1  1.00 MiB',
    '  orphaned objects      0       0 B',
    '  ✗ 1 problem: btrvault list tells more',
    '',
    'aws: 6.00 MiB stored',
  ])
})
