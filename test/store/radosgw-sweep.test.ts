// The test server's own promises: a killed run's daemons are ended by the next one, and nobody
// else's processes are.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sweep } from '../support/radosgw.ts'

const deadOwner = 4_194_305

/** A folder like a server's, whose monitor is this process. */
function leftover(pid: number, owner: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'btrvault-radosgw-'))
  mkdirSync(join(folder, 'run'))
  writeFileSync(join(folder, 'run', 'mon.started'), String(pid))
  writeFileSync(join(folder, 'owner'), String(owner))
  return folder
}

function sleeper(argument: string): { readonly pid: number; isAlive(): boolean; end(): void } {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', argument], {
    stdio: 'ignore',
  })
  assert.ok(child.pid !== undefined)
  const { pid } = child
  return {
    pid,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    end: () => child.kill('SIGKILL'),
  }
}

describe('sweep()', () => {
  it("ends a dead run's daemons, and only those", async () => {
    const stranger = sleeper('something else')
    const reused = leftover(stranger.pid, deadOwner)
    const alive = leftover(stranger.pid, process.pid)
    const folder = leftover(0, deadOwner)
    const daemon = sleeper(`${folder}/ceph.conf`)
    writeFileSync(join(folder, 'run', 'mon.started'), String(daemon.pid))
    await delay(50)
    try {
      await sweep()
      await delay(50)
      assert.equal(daemon.isAlive(), false)
      assert.equal(stranger.isAlive(), true)
      assert.deepEqual([folder, reused, alive].map(existsSync), [false, false, true])
    } finally {
      daemon.end()
      stranger.end()
      rmSync(alive, { recursive: true, force: true })
    }
  })
})
