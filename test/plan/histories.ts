// Backups as plain data, for the planner's tests.

import * as fc from 'fast-check'
import type { Backup } from '../../src/model/backup.ts'
import type { RepositoryId, RunId, SeriesId, Sha256, Uuid } from '../../src/model/ids.ts'
import { keepEverything, type Policy, spanUnits } from '../../src/model/policy.ts'
import type { At, KeptBackup } from '../../src/plan/keep.ts'

/** When the snapshot was made, and the seq of the parent; 0: full. */
export type Made = readonly [time: string, parent: number]

export function backupAt(seq: number, [time, parent]: Made, generation = seq): Backup {
  const createdAt = new Date(time)
  return {
    manifest: {
      repository: 'a'.repeat(32) as RepositoryId,
      series: 'b'.repeat(32) as SeriesId,
      seq,
      run: String(seq).padStart(32, '0') as RunId,
      createdAt,
      snapshot: { uuid: uuidOf(seq), sourceUuid: uuidOf(0), generation, createdAt },
      stream: { uuid: uuidOf(seq), ctransid: generation, version: 2, bytes: 1000 },
      parent:
        parent === 0 ? null : { seq: parent, snapshot: uuidOf(parent), manifest: shaOf(parent) },
      previous: seq === 1 ? null : shaOf(seq - 1),
      segments: [{ sha256: shaOf(0), bytes: 1000 }],
      indexes: [{ sha256: shaOf(0), bytes: 10 }],
      parameters: { segmentSize: 1 << 26, frameSize: 1 << 20, compress: 'zstd', encrypt: 'age' },
      program: 'btrvault test',
    },
    manifestSha256: shaOf(seq),
    signer: 'SHA256:test',
  }
}

export function uuidOf(n: number): Uuid {
  return `00000000-0000-0000-0000-${String(n).padStart(12, '0')}` as Uuid
}

function shaOf(n: number): Sha256 {
  return String(n).padStart(64, '0') as Sha256
}

/** In ascending order. */
export function kept(found: readonly KeptBackup[]): number[] {
  return found
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ backup }) => backup.manifest.seq)
    .sort((a, b) => a - b)
}

const zones = ['UTC', 'Europe/Paris', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu']
const base = Date.UTC(2024, 9, 20)

const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    spans: fc.subarray(spanUnits.slice(0, 6), { maxLength: 3 }),
    counts: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 3, maxLength: 3 }),
    last: fc.integer({ min: 0, max: 3 }),
    minAgeMs: fc.constantFrom(0, 0, 3_600_000, 86_400_000 * 3),
  })
  .map(({ spans, counts, last, minAgeMs }) => ({
    ...keepEverything,
    keep: { spans: spans.map((unit, n) => ({ unit, count: counts[n] ?? 1 })), last },
    minAgeMs,
  }))

/** Up to 12 backups over some weeks around a change of clocks, now among or after them. */
export const anyHistory: fc.Arbitrary<{
  readonly backups: readonly Backup[]
  readonly policy: Policy
  readonly at: At
}> = fc
  .record({
    hours: fc.array(fc.tuple(fc.integer({ min: 0, max: 800 }), fc.nat({ max: 12 })), {
      maxLength: 12,
    }),
    inOrder: fc.boolean(),
    nowHour: fc.integer({ min: 0, max: 1200 }),
    timeZone: fc.constantFrom(...zones),
    policy: anyPolicy,
  })
  .map(({ hours, inOrder, nowHour, timeZone, policy }) => {
    const made = inOrder ? hours.toSorted((a, b) => a[0] - b[0]) : hours
    const backups = made.map(([hour, parent], index) =>
      backupAt(index + 1, [
        new Date(base + hour * 3_600_000).toISOString(),
        parent > index ? 0 : parent,
      ]),
    )
    return { backups, policy, at: { now: new Date(base + nowHour * 3_600_000), timeZone } }
  })
