// What people read of reports: each line made from plain data, with text from outside made safe.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainPaint } from '../../src/cli/colour.ts'
import { backupLines } from '../../src/cli/verbs/backup.ts'
import { initLines } from '../../src/cli/verbs/init.ts'
import { keygenLines } from '../../src/cli/verbs/keygen.ts'
import { restoreLines } from '../../src/cli/verbs/restore.ts'
import type { SourceName } from '../../src/model/ids.ts'

const view = { paint: plainPaint, width: 100, verbose: false }
const home = 'home' as SourceName
const plan = { steps: [], problems: [] }
const mebibyte = 1024 * 1024

test('backup: what was stored where, what was idle, what failed with its hint', () => {
  const failure = {
    code: 'store-unavailable',
    message: 'cannot put k\x1b[2J: away',
    hint: 'wait',
    exitStatus: 30,
  } as const
  const send = {
    remote: 'aws',
    seq: 3,
    makes: 'differential',
    snapshot: 's',
    readBytes: 10 * mebibyte,
    storedBytes: 5 * mebibyte,
    resumedBytes: mebibyte,
    durationMs: 2000,
  } as const
  const report = {
    dryRun: false,
    timezone: 'UTC',
    exitStatus: 3,
    sources: [
      {
        source: home,
        plan,
        sends: [send],
        released: [],
        deletions: [],
        failures: [{ ...failure, remote: 'nas' }],
      },
      { source: 'var' as SourceName, plan, sends: [], released: [], deletions: [], failures: [] },
    ],
  }
  assert.deepEqual(backupLines(report, { ...view, width: 200 }), [
    '✓ home → aws: differential backup 3; 10.0 MiB read, 5.00 MiB stored, 1.00 MiB of it before an interruption, in 2.0 s',
    '✗ home:',
    '  nas: cannot put k\\x1b[2J: away',
    '  hint: wait',
    '✓ var: nothing is due, nothing to do',
  ])
})

test('backup --dry-run: the steps with their reasons', () => {
  const steps = [
    { kind: 'snapshot', source: home, name: 'home.1', reason: 'changed' },
    {
      kind: 'send',
      source: home,
      remote: 'aws',
      snapshot: null,
      parents: [{ seq: 2, snapshot: 'u' as never }],
      makes: 'incremental',
      wantsFull: false,
      fullLimitBytes: 0,
      reason: 'changed',
    },
  ] as const
  const sources = [
    {
      source: home,
      plan: { steps, problems: [] },
      sends: [],
      released: [],
      deletions: [],
      failures: [],
    },
  ]
  assert.deepEqual(backupLines({ dryRun: true, timezone: 'UTC', exitStatus: 0, sources }, view), [
    'home',
    '  take snapshot home.1  because the source changed',
    '  send to aws: incremental backup from backup 2  because the source changed',
  ])
})

test('keygen: the recipient stands alone in its line, to be copied', () => {
  const report = { file: '/k', recipient: 'age1abc', kind: 'hybrid' } as const
  assert.ok(keygenLines(report, view).includes('age1abc'))
  assert.deepEqual(keygenLines({ ...report, recipient: null }, view), [
    'would make a post-quantum identity in /k',
  ])
})

test('init: says what is not proven, and which remote failed', () => {
  const failure = { code: 'store-refused', message: 'cannot use x: no', exitStatus: 30 } as const
  const tried = { address: '/mnt', repository: null, probe: null, proven: false }
  const remote = { ...tried, made: true, seen: true }
  const lines = initLines(
    {
      dryRun: false,
      signingKey: { file: '/k', made: true, fingerprint: 'SHA256:f' },
      allowedSigners: { file: '/s', added: true },
      remotes: [
        { ...remote, remote: 'a', failure: null },
        { ...remote, remote: 'b', failure },
        { ...remote, remote: 'c', made: false, seen: false, failure: null },
      ],
      kit: 'kit.md',
      exitStatus: 3,
    },
    view,
  )
  assert.deepEqual(lines.slice(0, 7), [
    '✓ signing key /k: made',
    '  SHA256:f',
    '✓ /s: now allows it',
    '✓ remote a: repository made, not proven  /mnt',
    '✗ remote b  /mnt',
    '  cannot use x: no',
    '✓ remote c: repository not looked at, taken as given, not proven  /mnt',
  ])
  assert.match(lines.join('\n'), /Not proven yet/)
})

test('restore: where it is, and every difference that was found', () => {
  const report = {
    dryRun: false,
    remote: 'aws',
    source: 'home',
    id: 3,
    snapshotTime: new Date('2026-11-20T08:00:00Z'),
    timezone: 'Europe/Paris',
    chain: [1, 3],
    present: null,
    fetchedBytes: mebibyte,
    receivedBytes: 2 * mebibyte,
    durationMs: 3000,
    published: ['/mnt/home.1', '/mnt/home.3'],
    writable: null,
    comparison: {
      namesCompared: 1200,
      filesCompared: 5,
      source: '/s',
      differenceCount: 3,
      differences: [{ path: 'caf\xc3\xa9\n', what: 'mode', expected: '1', actual: '2' }],
      contentDifferences: [],
    },
    exitStatus: 3,
  } as const
  assert.deepEqual(restoreLines(report, view), [
    '✓ home as of 2026-11-20 09:00 (Europe/Paris), backup 3 on aws  chain 1 → 3',
    '  2.00 MiB received, 1.00 MiB fetched in 3.0 s',
    '  snapshot  /mnt/home.1',
    '  snapshot  /mnt/home.3',
    '✗ compared 1,200 names, and the contents of 5 files, with the source: 3 differences',
    '  mode  café\\n',
    '  … and 2 more',
  ])
  assert.deepEqual(restoreLines({ ...report, dryRun: true, present: 1 }, view), [
    'would restore home as of 2026-11-20 09:00 (Europe/Paris), backup 3 on aws  chain 1 → 3',
    'to be received: 3',
  ])
})
