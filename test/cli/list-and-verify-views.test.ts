// What people read of lists and verifications: nothing sounds better than it was proven to be.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainPaint } from '../../src/cli/colour.ts'
import { listLines } from '../../src/cli/verbs/list.ts'
import { verifyLines } from '../../src/cli/verbs/verify.ts'
import type { ListReport, SeriesListing } from '../../src/commands/list.ts'
import type { SeriesVerification, VerifyReport } from '../../src/commands/verify.ts'
import type { SeriesId } from '../../src/model/ids.ts'

const view = { paint: plainPaint, width: 100, verbose: false }
const series = '0123456789abcdef0123456789abcdef' as SeriesId

const home: SeriesListing = {
  series,
  source: 'home',
  storedBytes: 3 * 1024,
  hidden: [],
  problems: [],
  backups: [
    {
      id: 7,
      snapshotTime: new Date('2026-07-01T22:30:00Z'),
      createdAt: new Date('2026-07-01T22:31:00Z'),
      kind: 'differential',
      epoch: null,
      parent: 3,
      readBytes: 5 * 1024,
      storedBytes: 3 * 1024,
      chainLength: 2,
      chainStoredBytes: 4096,
      signer: 'SHA256:x',
    },
  ],
}

function listOf(one: Partial<ListReport['remotes'][number]>): ListReport {
  const remote = {
    remote: 'disk',
    series: [home],
    absent: [],
    foreignCount: 0,
    backupCount: 1,
    storedBytes: 3 * 1024,
    failure: null,
  }
  return { timezone: 'Europe/Paris', exitStatus: 0, remotes: [{ ...remote, ...one }] }
}

test('list: times in the zone that is named, what a backup is built on, and totals', () => {
  assert.deepEqual(listLines(listOf({}), view), [
    'home on disk  series 01234567',
    '  id  snapshot (Europe/Paris)  kind          from      read    stored  chain',
    '   7  2026-07-02 00:30         differential     3  5.00 KiB  3.00 KiB      2',
    '',
    'disk: 1 backup, 3.00 KiB stored',
    'all times in Europe/Paris',
  ])
})

test('list: a name that is not known, problems, and what should be there', () => {
  const problems = [{ kind: 'untrusted' as const, seq: 8, text: 'cannot trust \x1b[2J' }]
  const nameless = { ...home, source: null, backups: [], problems }
  const lines = listLines(listOf({ series: [nameless], absent: ['mail'], foreignCount: 2 }), view)
  assert.deepEqual(lines.slice(0, 6), [
    'series 01234567 on disk  name not known',
    '  hint: give --identity FILE to learn the name of its source',
    '  ✗ cannot trust \\x1b[2J',
    '',
    '! mail: there is no backup of it on disk',
    '· disk: 2 more series are signed by keys that are not trusted here',
  ])
})

test('list: a remote that could not be listed is not an empty one', () => {
  const failure = {
    code: 'store-unavailable',
    message: 'cannot list: away',
    exitStatus: 30,
  } as const
  const lines = listLines(listOf({ series: [], backupCount: 0, failure }), view)
  assert.deepEqual(lines, ['✗ disk: cannot list: away', '', 'disk: not known'])
})

const all = { total: 5, proven: 5, failed: 0, unchecked: 0 }
const good: SeriesVerification = {
  series,
  source: 'home',
  coverage: [
    { level: 'listed', backups: all, objects: null, bytes: null },
    { level: 'present', backups: all, objects: all, bytes: { ...all, proven: 2048 } },
  ],
  damages: [],
  doubts: [],
  unnamed: { count: 0, bytes: 0 },
}

function verificationOf(
  one: Partial<SeriesVerification>,
  report: Partial<VerifyReport> = {},
): VerifyReport {
  const remote = { remote: 'disk', absent: [], foreignCount: 0, notes: [], failure: null }
  return {
    level: 'present',
    remotes: [{ ...remote, series: [{ ...good, ...one }] }],
    fetchedBytes: 0,
    durationMs: 1500,
    exitStatus: 0,
    ...report,
  }
}

test('verify: what is proven, and what that level does not prove', () => {
  assert.deepEqual(verifyLines(verificationOf({}), view), [
    'home on disk  series 01234567',
    '     level    backups  objects    stored',
    '  ✓  listed    5 of 5',
    '  ✓  present   5 of 5   5 of 5  2.00 KiB',
    '',
    '✓ present: every object is listed by its store, with its size',
    '  in 1.5 s; that they can be read, --level bytes proves',
  ])
})

test('verify: each damage with what needs it, each doubt once, and no kind word at the end', () => {
  const failure = { code: 'object-missing', message: 'cannot use k: it is gone', exitStatus: 31 }
  const away = { code: 'store-unavailable', message: 'cannot get k: away', hint: 'wait' }
  const bad: Partial<SeriesVerification> = {
    coverage: [
      {
        level: 'present',
        backups: { total: 5, proven: 1, failed: 3, unchecked: 1 },
        objects: { total: 9, proven: 6, failed: 1, unchecked: 2 },
        bytes: { total: 9000, proven: 6000, failed: 1000, unchecked: 2000 },
      },
    ],
    damages: [
      {
        level: 'present',
        backup: 1,
        object: 'k',
        dependents: [2, 4, 5, 6],
        failure: { ...failure, code: 'object-missing' },
      },
    ],
    doubts: [
      {
        level: 'present',
        count: 3,
        failure: { ...away, code: 'store-unavailable', exitStatus: 30 },
      },
    ],
    unnamed: { count: 2, bytes: 10 },
  }
  assert.deepEqual(verifyLines(verificationOf(bad, { exitStatus: 31, fetchedBytes: 10 }), view), [
    'home on disk  series 01234567',
    '     level    backups  objects    stored  not right  not checked',
    '  ✗  present   1 of 5   6 of 9  5.86 KiB      3 / 1        1 / 2',
    '  ✗ backup 1, needed by 2, 4–6',
    '    cannot use k: it is gone',
    '  ? not checked for present: cannot get k: away (and 2 more)',
    '    hint: wait',
    '  · 2 objects (10 B) that no good manifest names: of a run that goes on, was cut, or lost its manifest',
    '',
    "✗ present: 3 backups can't be relied on, 1 backup could not be checked",
    '  10 B read in 1.5 s',
  ])
})

test('verify: a remote without backups is no success', () => {
  const remote = {
    remote: 'disk',
    series: [],
    absent: ['home'],
    foreignCount: 0,
    notes: ['RESTORE.md is not there'],
    failure: null,
  }
  const lines = verifyLines(verificationOf({}, { remotes: [remote], exitStatus: 3 }), view)
  assert.deepEqual(lines, [
    '✗ home: there is no backup of it on disk',
    '! disk: RESTORE.md is not there',
    '',
    '✗ present: not everything could be checked',
    '  in 1.5 s',
  ])
})
