// What people read of what is forgotten, pruned and brought back: on wide terminals and
// narrow ones, with and without colour.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { backupLines } from '../../src/cli/verbs/backup.ts'
import { duLines } from '../../src/cli/verbs/du.ts'
import { forgetLines } from '../../src/cli/verbs/forget.ts'
import { pruneLines } from '../../src/cli/verbs/prune.ts'
import { undeleteLines } from '../../src/cli/verbs/undelete.ts'
import type { BackupReport } from '../../src/commands/backup.ts'
import type { ForgetReport } from '../../src/commands/forget.ts'
import { noDeeds } from '../../src/commands/prune/apply.ts'
import type { PruneReport } from '../../src/commands/prune.ts'
import type { UndeleteReport } from '../../src/commands/undelete.ts'
import {
  assertFits,
  at,
  coloured,
  doubt,
  home,
  mebibyte,
  narrow,
  wide,
  wordsOf,
} from './showing.ts'

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
