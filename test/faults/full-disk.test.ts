// Real filesystems that are full at the wrong moment: the store's, the state's, the source's, the
// target's. Each says so in words, nothing is lost, and with space again the next run is fine.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { type BackupReport, backup } from '../../src/commands/backup.ts'
import { patternBytes } from '../support/objects.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const mebibyte = 1024 * 1024

describe('a full disk', () => {
  it('under the store, at five levels: nothing half is committed, and the next run goes on', async () => {
    await using vault = await makeVault({ bare: true })
    mountSmall(vault.repositoryFolder, '40m')
    await vault.init()
    vault.write('first', 'small')
    await vault.backup()
    vault.write('large', patternBytes(6 * mebibyte))
    let count = 1
    for (const freeKiB of [0, 64, 1200, 1200, 1200]) {
      const ballast = fill(vault.repositoryFolder, freeKiB)
      const report = await tryBackup(vault)
      const [failure] = report.sources[0]?.failures ?? []
      assert.equal(report.exitStatus, 1, JSON.stringify(report.sources))
      assert.equal(failure?.code, 'no-space')
      assert.match(failure?.message ?? '', /^cannot put .*: the file system is full$/)
      assert.ok((failure?.hint ?? '') !== '')
      assert.equal(manifestsIn(vault), count)
      rmSync(ballast)
    }
    await vault.backup()
    count += 1
    assert.equal(manifestsIn(vault), count)
    const restored = await vault.restore({ latestOnly: true })
    assert.equal(restored.comparison?.differenceCount, 0)
    assert.equal(snapshotsIn(vault), 1)
  })

  it('under the state, at eight levels: a run fails with words or is done whole', async () => {
    await using vault = await makeVault({ bare: true })
    mountSmall(vault.config.state, '1m')
    await vault.init()
    for (const [n, freeKiB] of [0, 4, 8, 12, 16, 20, 24, 32].entries()) {
      vault.write(`file-${n}`, patternBytes(mebibyte + n, n + 1))
      const before = manifestsIn(vault)
      const ballast = fill(vault.config.state, freeKiB)
      const report = await tryBackup(vault)
      const [source] = report.sources
      for (const { code, message } of source?.failures ?? []) {
        assert.equal(code, 'no-space', message)
        assert.match(message, /^cannot write .*: no space is left there$/)
      }
      assert.equal(manifestsIn(vault) - before, source?.sends.length, `${freeKiB} KiB free`)
      assert.equal(report.exitStatus === 0, (source?.failures.length ?? 0) === 0)
      rmSync(ballast)
      await vault.backup()
      assert.equal(snapshotsIn(vault), 1, `${freeKiB} KiB free: a snapshot is left`)
    }
    const restored = await vault.restore({ latestOnly: true })
    assert.equal(restored.comparison?.differenceCount, 0)
  })

  it('under the source: the run fails with words or is done, and the next one is fine', async () => {
    await using vault = await makeVault({ sizeMiB: 128 })
    vault.write('first', 'small')
    await vault.backup()
    // Beside the source, where no snapshot of it holds what is removed again.
    const full = vault.world.path()
    fillWithSmallFiles(full)
    vault.world.trySh('echo changed > "$1"', vault.world.path('home', 'first'))
    const report = await tryBackup(vault)
    for (const { message } of report.sources[0]?.failures ?? []) {
      assert.match(message, /^cannot .*(no space left|not enough space|ENOSPC)/i)
    }
    assert.ok([0, 1, 20].includes(report.exitStatus), JSON.stringify(report.sources))
    vault.world.sh('rm -rf "$1"/ballast "$1"/many && btrfs filesystem sync "$1"', full)
    vault.write('second', 'more')
    await vault.backup()
    const restored = await vault.restore({ latestOnly: true })
    assert.equal(restored.comparison?.differenceCount, 0)
    assert.equal(snapshotsIn(vault), 1)
  })

  it('under the target: is found before, or in the middle, and shows nothing of it', async () => {
    await using vault = await makeVault({ sizeMiB: 256 })
    vault.write('large', patternBytes(40 * mebibyte))
    await vault.backup()
    const ballast = fill(vault.out, 30 * 1024)
    vault.world.sh('sync')
    const early = await vault.restore().catch((error: unknown) => error)
    assert.ok(isFailure(early, 'no-space'), String(early))
    assert.match(early.message, /to be received, .* free/)
    const late = await vault.restore({ ignoreSpace: true }).catch((error: unknown) => error)
    assert.ok(isFailure(late, 'no-space'), String(late))
    assert.match(late.message, /^cannot receive into .*/)
    assert.deepEqual(readdirSync(vault.out), ['ballast'])
    rmSync(ballast)
    vault.world.sh('btrfs filesystem sync "$1"', vault.out)
    const report = await vault.restore()
    assert.equal(report.comparison?.differenceCount, 0)
  })
})

async function tryBackup(vault: Vault): Promise<BackupReport> {
  const { config } = vault
  return await backup(vault.context, { config, sources: [], dryRun: false, check: true })
}

/** Taken down with the vault's world, whose folder it is in. */
function mountSmall(path: string, size: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', path])
}

/** Writes a file that leaves so much free. */
function fill(folder: string, freeKiB: number): string {
  const path = join(folder, 'ballast')
  const { bavail, bsize } = statfsSync(folder)
  const bytes = Math.max(0, bavail * bsize - freeKiB * 1024)
  const chunk = patternBytes(mebibyte)
  const fd = openSync(path, 'w')
  try {
    for (let left = bytes; left > 0; left -= chunk.length) {
      writeSync(fd, chunk, 0, Math.min(chunk.length, left))
    }
  } catch (error) {
    if (!isFull(error)) throw error
  } finally {
    closeSync(fd)
  }
  return path
}

function fillWithSmallFiles(folder: string): void {
  fillUntilFull(() => appendFileSync(join(folder, 'ballast'), patternBytes(mebibyte)))
  mkdirSync(join(folder, 'many'))
  const inline = patternBytes(1900)
  let n = 0
  fillUntilFull(() => writeFileSync(join(folder, 'many', String(n++)), inline))
}

function fillUntilFull(write: () => void): void {
  for (let n = 0; n < 200_000; n += 1) {
    try {
      write()
    } catch (error) {
      if (!isFull(error)) throw error
      return
    }
  }
  throw new Error('the filesystem never got full')
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOSPC'
}

function manifestsIn(vault: Vault): number {
  return vault.objects('manifests/').filter(key => key.endsWith('.json')).length
}

function snapshotsIn(vault: Vault): number {
  const folder = vault.world.path('.snapshots-home')
  return existsSync(folder) ? readdirSync(folder).length : 0
}
