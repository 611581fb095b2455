import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { measure } from '../../bench/measure.ts'

const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }
const noSignal = new AbortController().signal
const MiB = 1024 * 1024

describe('measure()', { timeout: 120_000 }, () => {
  it('counts the CPU of every process of a pipe, and gives its output', async () => {
    const text = 'echo kept; head -c 300M /dev/zero | sha256sum | cat > /dev/null'
    const cost = await measure({ text, env }, noSignal)
    assert.equal(cost.output, 'kept\n')
    assert.ok(cost.cpuS > 0.1, `${cost.cpuS}`)
    assert.ok(cost.wallS > 0.05, `${cost.wallS}`)
    assert.equal(cost.btrfsCpuS, 0)
  })

  it('sees the memory of a child that made itself a group of its own', async () => {
    // dd holds one block in memory.
    const text = 'setsid -w dd if=/dev/zero bs=200M count=6 of=/dev/null 2>/dev/null; true'
    const cost = await measure({ text, env }, noSignal)
    assert.ok(cost.processBytes > 150 * MiB, `${cost.processBytes}`)
    assert.ok(cost.treeBytes >= 150 * MiB, `${cost.treeBytes}`)
  })

  it('rejects what fails anywhere in a pipe, with its complaint', async () => {
    const text = '{ echo no such luck >&2; exit 3; } | cat'
    await assert.rejects(measure({ text, env }, noSignal), /failed with 3[^]*no such luck/)
  })

  it('ends everything when it is aborted', async () => {
    const begun = performance.now()
    const signal = AbortSignal.timeout(300)
    await assert.rejects(measure({ text: 'setsid -w sleep 60 | sleep 60', env }, signal))
    assert.ok(performance.now() - begun < 30_000)
  })
})
