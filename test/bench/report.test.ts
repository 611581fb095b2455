import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { median, type Sample, tables, verdictLines, verdicts } from '../../bench/report.ts'

const MiB = 1024 * 1024
const names = { bare: 'bare', s3Pipeline: 'pipe', s3: 'ours s3', folder: 'ours folder' }

describe('verdicts()', () => {
  it('compares within a round, so that a machine that slows down decides nothing', () => {
    const samples = [
      ...round(1, { pipe: 10, ours: 7 }),
      ...round(2, { pipe: 100, ours: 70 }),
      ...round(3, { pipe: 1000, ours: 900 }),
    ]
    const [full] = verdicts(samples, names)
    assert.equal(full?.reached, true)
    assert.equal(full?.measured, '0.70 (0.70, 0.70, 0.90)')
  })

  it('says plainly what is not reached', () => {
    const found = verdicts(round(1, { pipe: 10, ours: 9 }), names)
    const missed = verdictLines(found).filter(line => line.startsWith('NOT REACHED'))
    assert.equal(missed.length, 5)
    assert.match(missed.join('\n'), /full: ours s3 at most 0\.8.*0\.90/)
    assert.match(missed.join('\n'), /300 MiB.*400 MiB/)
  })

  it('takes a target as missed when nothing was measured for it', () => {
    assert.ok(verdicts([], names).every(({ reached }) => !reached))
  })
})

describe('tables()', () => {
  it('gives CPU a GiB of stream, and a column the same width in every line', () => {
    const [, title, ...lines] = tables(round(1, { pipe: 10, ours: 9 }))
    assert.equal(title, 'FULL BACKUP')
    const table = lines.slice(0, lines.indexOf(''))
    assert.equal(new Set(table.map(line => line.length)).size, 1)
    assert.match(table[2] ?? '', /^pipe +10\.00 +10\.00–10\.00 +4\.00 /)
  })
})

describe('median()', () => {
  it('is the middle, or the mean of the two there', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 3, 2]), 2.5)
    assert.ok(Number.isNaN(median([])))
  })
})

function round(number: number, { pipe, ours }: { pipe: number; ours: number }): Sample[] {
  const one = (contender: string, step: Sample['step'], wallS: number): Sample => ({
    round: number,
    contender,
    step,
    cost: { wallS, cpuS: 2, btrfsCpuS: 1, treeBytes: 500 * MiB, processBytes: 400 * MiB },
    streamBytes: 512 * MiB,
    storedBytes: MiB,
    requests: 2,
  })
  return [
    one('bare', 'full', 1),
    one('pipe', 'full', pipe),
    one('ours s3', 'full', ours),
    one('ours folder', 'full', ours),
    one('ours s3', 'idle', 2),
    one('pipe', 'restore', pipe),
    one('ours s3', 'restore', ours),
  ]
}
