// A machine whose credentials are exactly what `btrvault policy s3 --role writer --write-only`
// prints, on a real server; read elsewhere, with other credentials.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3'
import { systemClock } from '../../src/base/clock.ts'
import { doctor } from '../../src/commands/doctor.ts'
import { init } from '../../src/commands/init.ts'
import { list } from '../../src/commands/list.ts'
import { type PolicyOptions, policyS3 } from '../../src/commands/policy-s3.ts'
import { status } from '../../src/commands/status.ts'
import { verify } from '../../src/commands/verify.ts'
import type { Access, Config, RemoteConfig } from '../../src/config/config.ts'
import { openStore } from '../../src/store/open.ts'
import { addUser, makeTenant, type Tenant } from '../docs/scene.ts'
import { objectOf } from '../support/objects.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const Bucket = 'my-backups'
const place = { bucket: Bucket, prefix: 'host-01' }
const roles: Readonly<Record<'writer' | 'reader', PolicyOptions>> = {
  writer: { role: 'writer', writeOnly: true, createOnly: false },
  reader: { role: 'reader', writeOnly: false, createOnly: false },
}

describe('a machine that may only put', () => {
  let server: Radosgw
  let tenant: Tenant
  let vault: Vault
  let writer: ReturnType<typeof addUser>
  let readingUser: ReturnType<typeof addUser>
  let repository: string

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server)
    writer = addUser(server, tenant.name, 'writer')
    readingUser = addUser(server, tenant.name, 'reader')
    await allowRoles()
    vault = await makeVault({ bare: true })
    vault.config = configAs(writer.env, 'write-only')
  })
  after(async () => {
    await vault?.[Symbol.asyncDispose]()
    writer?.client.destroy()
    readingUser?.client.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  async function allowRoles(): Promise<void> {
    const Statement = Object.entries(roles).flatMap(([name, options]) => {
      const Principal = { AWS: [`arn:aws:iam::${tenant.name}:user/${name}`] }
      return policyS3(place, options).Statement.map(statement => {
        return { ...statement, Sid: `${name}${statement.Sid}`, Principal }
      })
    })
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  }

  function configAs(env: Record<string, string>, access: Access): Config {
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { endpoint } = server
    const address = { kind: 's3', ...place, endpoint, region: 'us-east-1', credentials } as const
    const remotes = vault.config.remotes.map(remote => ({ ...remote, address, access }))
    return { ...vault.config, remotes }
  }

  /** Another machine, with a reader's credentials, a key of its own and nothing remembered. */
  function reader(env: Record<string, string> = readingUser.env): Config {
    const config = configAs(env, 'full')
    const signingKey = vault.world.outside('keys', 'of-the-reader')
    return {
      ...config,
      state: vault.world.outside('state-of-the-reader'),
      keys: { ...config.keys, signingKey },
    }
  }

  async function initWriter(
    given: { readonly repository?: string } = {},
    config: Config = vault.config,
  ) {
    const { identity, context } = vault
    const kit = vault.world.outside('kit.md')
    const report = await init(context, {
      config,
      remotes: [],
      identity,
      kit,
      dryRun: false,
      ...given,
    })
    return report.remotes[0]
  }

  async function sends(): Promise<string[]> {
    const { sources } = await vault.backup()
    return sources[0]?.sends.map(({ seq, makes }) => `${makes} ${seq}`) ?? []
  }

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await tenant.client.send(new ListObjectsV2Command({ Bucket }))
    return Contents.map(({ Key }) => Key ?? '')
  }

  test('init makes the repository where none is, and joins it by its id where one is', async () => {
    const made = await initWriter()
    assert.equal(made?.failure, null)
    assert.deepEqual([made?.made, made?.proven], [true, true])
    assert.ok((await keys()).includes('host-01/RESTORE.md'))

    // Now somebody else makes it: the writer may not even read what is there.
    for (const Key of await keys()) {
      await tenant.client.send(new DeleteObjectCommand({ Bucket, Key }))
    }
    const elsewhere = await initWriter({}, reader(tenant.env))
    assert.equal(elsewhere?.failure, null)
    repository = elsewhere?.repository ?? ''
    rmSync(vault.config.state, { recursive: true })
    const refused = await initWriter()
    assert.equal(refused?.failure?.exitStatus, 4)
    assert.match(refused?.failure?.message ?? '', /is there already, and its id can not be read/)
    const joined = await initWriter({ repository })
    assert.equal(joined?.failure, null)
    assert.deepEqual([joined?.made, joined?.repository, joined?.proven], [false, repository, true])
    assert.equal(joined?.seen, false)
    const again = await initWriter()
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
    const restored = await vault.restore({ config: reader() })
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
    const owner = await of(configAs(tenant.env, 'write-only'))
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
    assert.equal((await initWriter({ repository }))?.failure, null)
    const first = new Date()
    await new Promise(done => setTimeout(done, 1100))
    vault.write('most.txt', 'most')
    assert.deepEqual(await sends(), ['full 1'])
    assert.deepEqual(
      before.filter(key => key.includes('/manifests/')),
      (await keys()).filter(key => before.includes(key) && key.includes('/manifests/')),
    )
    const config = reader()
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
