// Figures to tables, and a plain word on each target: reached, or how far away.

import { type Step, steps } from './contender.ts'
import type { Cost } from './measure.ts'

/** One measured command. */
export interface Sample {
  readonly round: number
  readonly contender: string
  readonly step: Step
  readonly cost: Omit<Cost, 'output'>
  /** Bytes of send stream that the step is about. */
  readonly streamBytes: number
  /** What the repository or file grew by; null where nothing is stored. */
  readonly storedBytes: number | null
  /** What the S3 server answered meanwhile; null without one. */
  readonly requests: number | null
}

export interface Verdict {
  readonly target: string
  readonly measured: string
  readonly reached: boolean
}

const mebibyte = 1024 * 1024
const gibibyte = 1024 * mebibyte

export function tables(samples: readonly Sample[]): string[] {
  return steps.flatMap(step => {
    const own = samples.filter(sample => sample.step === step)
    return own.length === 0 ? [] : ['', titles[step], ...table(own)]
  })
}

const titles: Record<Step, string> = {
  full: 'FULL BACKUP',
  incremental: 'INCREMENTAL BACKUP',
  idle: 'NOTHING TO DO',
  restore: 'RESTORE of both',
}

const heads = [
  '',
  'wall s',
  'min–max',
  'CPU s/GiB',
  'of it btrfs',
  'MiB, all',
  'MiB, one',
  'MiB stored',
  'requests',
]

function table(samples: readonly Sample[]): string[] {
  const names = [...new Set(samples.map(sample => sample.contender))]
  const rows = names.map(name => {
    const own = samples.filter(sample => sample.contender === name)
    const walls = own.map(({ cost }) => cost.wallS)
    const perGibibyte = (seconds: (cost: Sample['cost']) => number) =>
      own.map(({ cost, streamBytes }) => (seconds(cost) * gibibyte) / streamBytes)
    const isIdle = own[0]?.step === 'idle'
    return [
      name,
      median(walls).toFixed(2),
      `${Math.min(...walls).toFixed(2)}–${Math.max(...walls).toFixed(2)}`,
      isIdle
        ? `${median(own.map(({ cost }) => cost.cpuS)).toFixed(2)} s`
        : fixed(perGibibyte(cost => cost.cpuS)),
      isIdle ? '' : fixed(perGibibyte(cost => cost.btrfsCpuS)),
      inMebibytes(own.map(({ cost }) => cost.treeBytes)),
      inMebibytes(own.map(({ cost }) => cost.processBytes)),
      inMebibytes(own.flatMap(({ storedBytes }) => storedBytes ?? [])),
      own[0]?.requests === null ? '' : String(median(own.map(({ requests }) => requests ?? 0))),
    ]
  })
  return align([heads, ...rows])
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  '),
  )
}

/** The names that the targets are about. */
export interface Names {
  readonly bare: string
  readonly s3Pipeline: string
  readonly s3: string
  readonly folder: string
}

/** Ratios are taken round by round, so that a machine that drifts does not decide. */
export function verdicts(samples: readonly Sample[], names: Names): Verdict[] {
  const { bare, s3Pipeline, s3, folder } = names
  const ours = samples.filter(({ contender }) => contender === s3 || contender === folder)
  const ratio = (step: Step, [of, to]: readonly [string, string], most: number): Verdict => {
    const ratios = pairs(samples, step, { of, to })
    const measured = `${median(ratios).toFixed(2)} (${ratios.map(one => one.toFixed(2)).join(', ')})`
    const target = `${step}: ${of} at most ${most} of the wall time of ${to}`
    return { target, measured, reached: median(ratios) <= most }
  }
  const idle = ours.filter(({ step }) => step === 'idle')
  const idleS = median(idle.map(({ cost }) => cost.wallS))
  const requests = median(idle.flatMap(sample => sample.requests ?? []))
  const peaks = ours.map(({ cost }) => cost.processBytes / mebibyte)
  const memory = peaks.length === 0 ? Number.NaN : Math.max(...peaks)
  return [
    ratio('full', [s3, s3Pipeline], 0.8),
    ratio('full', [folder, bare], 1.35),
    ratio('restore', [s3, s3Pipeline], 0.8),
    {
      target: 'memory: at most 300 MiB in one process',
      measured: `${memory.toFixed(0)} MiB`,
      reached: memory <= 300,
    },
    {
      target: 'nothing to do: under 1 s',
      measured: `${idleS.toFixed(2)} s`,
      reached: idleS < 1,
    },
    {
      target: 'nothing to do: at most 2 requests',
      measured: String(requests),
      reached: requests <= 2,
    },
  ]
}

export function verdictLines(found: readonly Verdict[]): string[] {
  // With --only, whom a target speaks of may not have run.
  const known = found.filter(({ measured }) => !measured.startsWith('NaN'))
  return known.map(
    ({ target, measured, reached }) =>
      `${reached ? 'reached    ' : 'NOT REACHED'}  ${target}: ${measured}`,
  )
}

function pairs(samples: readonly Sample[], step: Step, { of, to }: { of: string; to: string }) {
  const walls = (name: string) =>
    new Map(
      samples
        .filter(sample => sample.contender === name && sample.step === step)
        .map(({ round, cost }) => [round, cost.wallS]),
    )
  const others = walls(to)
  return [...walls(of)].flatMap(([round, wallS]) => {
    const other = others.get(round)
    return other === undefined ? [] : [wallS / other]
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

function fixed(values: readonly number[]): string {
  return median(values).toFixed(2)
}

function inMebibytes(bytes: readonly number[]): string {
  return bytes.length === 0 ? '' : (median(bytes) / mebibyte).toFixed(0)
}
