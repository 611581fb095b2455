// A machine whose credentials are exactly what `btrvault policy s3 --role writer --write-only`
// prints, on a real server; read elsewhere, with other credentials.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { systemClock } from '../../src/base/clock.ts'
import { doctor } from '../../src/commands/doctor.ts'
import { list } from '../../src/commands/list.ts'
import { status } from '../../src/commands/status.ts'
import { verify } from '../../src/commands/verify.ts'
import type { Config, RemoteConfig } from '../../src/config/config.ts'
import { openStore } from '../../src/store/open.ts'
import { objectOf } from '../support/objects.ts'
import type { Vault } from '../support/vault.ts'
import { Bucket, makeWriteOnlyScene, type WriteOnlyScene } from './write-only-scene.ts'

describe('a machine that may only put', () => {
  let scene: WriteOnlyScene
  let vault: Vault
  let repository: string

  before(async () => {
    scene = await makeWriteOnlyScene()
    vault = scene.vault
  })
  after(async () => scene?.[Symbol.asyncDispose]())

  async function sends(): Promise<string[]> {
    const { sources } = await vault.backup()
    return sources[0]?.sends.map(({ seq, makes }) => `${makes} ${seq}`) ?? []
  }

  async function keys(): Promise<string[]> {
    return (await scene.objects()).map(({ key }) => key)
  }

  test('init makes the repository where none is, and joins it by its id where one is', async () => {
    const made = await scene.init()
    assert.equal(made?.failure, null)
    assert.deepEqual([made?.made, made?.proven], [true, true])
    assert.ok((await keys()).includes('host-01/RESTORE.md'))

    // Now somebody else makes it: the writer may not even read what is there.
    for (const Key of await keys()) {
      await scene.tenant.client.send(new DeleteObjectCommand({ Bucket, Key }))
    }
    const elsewhere = await scene.init({}, scene.reader(scene.tenant.env))
    assert.equal(elsewhere?.failure, null)
    repository = elsewhere?.repository ?? ''
    rmSync(vault.config.state, { recursive: true })
    const refused = await scene.init()
    assert.equal(refused?.failure?.exitStatus, 4)
    assert.match(refused?.failure?.message ?? '', /is there already, and its id can not be read/)
    const joined = await scene.init({ repository })
    assert.equal(joined?.failure, null)
    assert.deepEqual([joined?.made, joined?.repository, joined?.proven], [false, repository, true])
    assert.equal(joined?.seen, false)
    const again = await scene.init()
    assert.equal(again?.repository, repository)
  })

  test('its store asks nothing before it puts, also where the server takes no condition', async () => {
    const { address } = vault.config.remotes[0] as RemoteConfig
    const options = { clock: systemClock, features: { createIfAbsent: false }, retryDeadlineMs: 0 }
    const object = objectOf('a trial')
    const looking = await openStore(address, options)
    await assert.rejects(looking.store.put('probe/a', object), /access denied/)
    const writing = await openStore(address, { ...options, writeOnly: true })
    await writing.store.put('probe/a', object)
    const { put, get, size, list: listings } = writing.counts
    assert.deepEqual([put, get, size, listings], [1, 0, 0, 0])
    await assert.rejects(writing.store.get('probe/a'), /open for writing only/)
    await looking.store.close()
    await writing.store.close()
  })

  test('backup, status: full, then a difference; a reader restores what the source is', async () => {
    vault.write('diary.txt', 'dear diary')
    assert.deepEqual(await sends(), ['full 1'])
    vault.write('more.txt', 'more')
    assert.deepEqual(await sends(), ['differential 2'])
    const told = await status(vault.context, { config: vault.config, maxAgeMs: 86_400_000 })
    assert.equal(told.exitStatus, 0)
    const restored = await vault.restore({ config: scene.reader() })
    assert.equal(restored.exitStatus, 0)
    assert.deepEqual([restored.chain, restored.comparison?.differenceCount], [[1, 2], 0])
  })

  test('doctor finds nothing wrong with it, and much with what may do more', async () => {
    const of = async (config: Config) => {
      const { configFile: configPath, context } = vault
      const report = await doctor(context, {
        config: { ...config, sources: config.sources },
        configPath,
        remotes: [],
      })
      return report.checks.filter(({ area }) => area === 'remote disk')
    }
    const limited = await of(vault.config)
    const bad = limited.filter(({ outcome }) => outcome === 'bad')
    assert.deepEqual(bad, [])
    assert.equal(limited.find(({ name }) => name === 'put')?.outcome, 'ok')
    assert.match(limited.find(({ name }) => name === 'repository')?.words ?? '', /was told/)
    assert.match(limited.find(({ name }) => name === 'ledger')?.words ?? '', /home: 2 backups/)
    assert.equal(limited.find(({ name }) => name === 'overwrite')?.outcome, 'warn')
    const owner = await of(scene.configAs(scene.tenant.env, 'write-only'))
    assert.deepEqual(
      owner.filter(({ outcome }) => outcome === 'bad').map(({ name }) => name),
      ['list after write', 'access'],
    )
    const hints = owner.map(({ hint }) => hint).join()
    assert.match(hints, /policy s3 --role writer --write-only disk/)
    assert.equal(owner.find(({ name }) => name === 'repository')?.outcome, 'warn')
  })

  test('reading with its configuration is refused, and says where to do it', async () => {
    const { config, context } = vault
    const { remotes } = await list(context, { config, sources: [], remotes: [] })
    assert.match(remotes[0]?.failure?.hint ?? '', /access is write-only: do this where/)
    await assert.rejects(vault.restore(), /access denied/)
  })

  test('without its ledger it begins a new series, and a reader has both', async () => {
    const before = await keys()
    rmSync(vault.config.state, { recursive: true })
    vault.events.length = 0
    await assert.rejects(vault.backup(), /--repository ID/)
    assert.equal((await scene.init({ repository }))?.failure, null)
    const first = new Date()
    await new Promise(done => setTimeout(done, 1100))
    vault.write('most.txt', 'most')
    assert.deepEqual(await sends(), ['full 1'])
    assert.deepEqual(
      before.filter(key => key.includes('/manifests/')),
      (await keys()).filter(key => before.includes(key) && key.includes('/manifests/')),
    )
    const config = scene.reader()
    const { identity } = vault
    const listed = await list(vault.context, { config, identity, sources: ['home'], remotes: [] })
    const series = listed.remotes[0]?.series ?? []
    assert.deepEqual(new Set(series.map(({ backups }) => backups.length)), new Set([1, 2]))
    assert.deepEqual(
      series.map(({ source, problems }) => [source, problems.length]),
      [
        ['home', 0],
        ['home', 0],
      ],
    )
    const checked = await verify(vault.context, {
      config,
      identity,
      level: 'decrypts',
      sources: ['home'],
      remotes: [],
    })
    assert.equal(checked.exitStatus, 0)

    const newest = await vault.restore({ config })
    assert.deepEqual([newest.chain, newest.comparison?.differenceCount], [[1], 0])
    assert.match(JSON.stringify(vault.events), /home has several series/)
    const older = await vault.restore({ config, at: first })
    assert.deepEqual(older.chain, [1, 2])
    const second = await vault.restore({ config, id: 2 })
    assert.deepEqual(second.chain, [1, 2])
    await assert.rejects(vault.restore({ config, id: 1 }), /cannot choose backup 1 of home/)
  })
})
