import assert from 'node:assert/strict'
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  loadMadeSnapshots,
  loadRemoteMemory,
  type RemoteMemory,
  recordMadeSnapshot,
  storeRemoteMemory,
} from '../../src/catalog/local-state.ts'
import type { SourceName } from '../../src/model/ids.ts'
import { repositoryId } from '../format/samples.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { uuidOf } from './sample-series.ts'

const home = 'home' as SourceName
const memory: RemoteMemory = {
  repository: repositoryId,
  address: '/mnt/nas/backups',
  provenAt: new Date('2026-11-21T09:30:00.000Z'),
  createIfAbsent: true,
}

describe('memory of a remote', () => {
  it('is given back as it was stored', async () => {
    await withScratchFolder(async state => {
      assert.equal(await loadRemoteMemory(state, 'nas'), undefined)
      await storeRemoteMemory(state, 'nas', memory)
      assert.deepEqual(await loadRemoteMemory(state, 'nas'), memory)
      await storeRemoteMemory(state, 'nas', { ...memory, provenAt: null })
      assert.equal((await loadRemoteMemory(state, 'nas'))?.provenAt, null)
      assert.equal(await loadRemoteMemory(state, 'usb'), undefined)
    })
  })

  it('L8: is asked for again when it is damaged', async () => {
    await withScratchFolder(async state => {
      await storeRemoteMemory(state, 'nas', memory)
      const path = join(state, 'remotes', 'nas.json')
      const text = await readFile(path, 'utf8')
      for (const damaged of [
        '',
        text.slice(0, 40),
        '{}',
        'null',
        text.replace(repositoryId, 'x'),
      ]) {
        await writeFile(path, damaged)
        assert.equal(await loadRemoteMemory(state, 'nas'), undefined)
      }
    })
  })

  it('is for its owner alone', async () => {
    await withScratchFolder(async state => {
      await storeRemoteMemory(state, 'nas', memory)
      assert.equal((await stat(join(state, 'remotes', 'nas.json'))).mode & 0o077, 0)
    })
  })
})

describe('snapshots that we made', () => {
  it('L11: are known by uuid, and no others are', async () => {
    await withScratchFolder(async state => {
      assert.deepEqual(await loadMadeSnapshots(state, home), new Set())
      await recordMadeSnapshot(state, home, { uuid: uuidOf(1), name: 'home.1' })
      await recordMadeSnapshot(state, home, { uuid: uuidOf(2), name: 'home.2' })
      await recordMadeSnapshot(state, 'etc' as SourceName, { uuid: uuidOf(3), name: 'etc.1' })
      assert.deepEqual(await loadMadeSnapshots(state, home), new Set([uuidOf(1), uuidOf(2)]))
    })
  })

  it('L11: a line that was cut names no snapshot, and swallows none', async () => {
    await withScratchFolder(async state => {
      await recordMadeSnapshot(state, home, { uuid: uuidOf(1), name: 'home.1' })
      await appendFile(join(state, 'sources', home, 'snapshots'), `{"uuid":"${uuidOf(2)}","na`)
      assert.deepEqual(await loadMadeSnapshots(state, home), new Set([uuidOf(1)]))
      await recordMadeSnapshot(state, home, { uuid: uuidOf(3), name: 'home.3' })
      assert.deepEqual(await loadMadeSnapshots(state, home), new Set([uuidOf(1), uuidOf(3)]))
    })
  })
})
