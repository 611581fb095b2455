// Object lock on a real server: a machine that writes, with the rights of its role; a thief with
// every right but that of lifting locks; and the way back.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3'
import { plainPaint } from '../../src/cli/colour.ts'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { doctor } from '../../src/commands/doctor.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import { policyS3 } from '../../src/commands/policy-s3.ts'
import { verify } from '../../src/commands/verify.ts'
import type { Config } from '../../src/config/config.ts'
import type { LockRule } from '../../src/model/lock.ts'
import { addUser, makeTenant, type Tenant } from '../docs/scene.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { makeVault, type Vault } from '../support/vault.ts'

type User = ReturnType<typeof addUser>

const Bucket = 'my-backups'
const place = { bucket: Bucket, prefix: 'host-01' }
const rule: LockRule = { mode: 'governance', until: { ms: 3_600_000 } }
const users = new Map<string, User>()

describe('a locked bucket', () => {
  let server: Radosgw
  let tenant: Tenant
  let vault: Vault
  let wholeAt = new Date()

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server, { locks: true })
    for (const name of ['writer', 'reader', 'thief'])
      users.set(name, addUser(server, tenant.name, name))
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: statements() })
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    vault = await makeVault({ bare: true })
    vault.config = configAs(user('writer').env)
  })
  after(async () => {
    await vault?.[Symbol.asyncDispose]()
    for (const { client } of users.values()) client.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  /** As a bucket's policy: each statement says besides whom it is for. */
  function statements() {
    const of = (role: 'writer' | 'reader') =>
      policyS3(place, { role, writeOnly: false, createOnly: false, locks: true }).Statement.map(
        one => ({
          ...one,
          Sid: `${role}${one.Sid}`,
          Principal: principal(role),
        }),
      )
    const all = {
      Sid: 'thief',
      Effect: 'Allow',
      Action: ['s3:*'],
      Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
      Principal: principal('thief'),
    }
    const butLift = {
      ...all,
      Sid: 'lift',
      Effect: 'Deny',
      Action: ['s3:BypassGovernanceRetention'],
    }
    return [...of('writer'), ...of('reader'), all, butLift]
  }

  function principal(name: string) {
    return { AWS: [`arn:aws:iam::${tenant.name}:user/${name}`] }
  }

  function user(name: string): User {
    const found = users.get(name)
    if (found === undefined) throw new Error(`no user ${name}`)
    return found
  }

  function configAs(
    env: Record<string, string>,
    changes: { state?: string; lock?: LockRule } = {},
  ): Config {
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { endpoint } = server
    const address = { kind: 's3', ...place, endpoint, region: 'us-east-1', credentials } as const
    const lock = changes.lock ?? rule
    const remotes = vault.config.remotes.map(remote => ({ ...remote, address, lock }))
    return { ...vault.config, state: changes.state ?? vault.config.state, remotes }
  }

  async function checks(config: Config) {
    const report = await doctor(vault.context, {
      config: { ...config, sources: [] },
      configPath: config.file,
      remotes: [],
    })
    return report.checks.filter(({ area }) => area === 'remote disk')
  }

  async function versions() {
    const { Versions = [], DeleteMarkers = [] } = await tenant.client.send(
      new ListObjectVersionsCommand({ Bucket, Prefix: 'host-01/' }),
    )
    return { Versions, DeleteMarkers }
  }

  test('init tries the lock with the rights of a writer, and finds that it holds', async () => {
    const { remotes } = await vault.init()
    const found = remotes[0]?.probe?.checks.filter(({ name }) => name.endsWith('object lock'))
    assert.deepEqual(
      found?.map(({ name, outcome, words }) => [name, outcome, words]),
      [
        ['object lock', 'ok', 'it refuses to delete what is locked'],
        ['lift object lock', 'ok', 'these credentials can not lift a lock'],
      ],
    )
  })

  test('init and backup refuse a bucket that was made without it', async () => {
    const plain = await makeTenant(server)
    try {
      const config = configAs(plain.env, { state: vault.world.outside('state-plain') })
      const report = await vault.init().catch((error: unknown) => error)
      assert.ok(!(report instanceof Error))
      const held = vault.config
      vault.config = config
      await assert.rejects(vault.init(), /object lock: the bucket was made without object lock/)
      vault.config = held
    } finally {
      plain.client.destroy()
    }
  })

  test('backups are locked, with all that they are built on', async () => {
    vault.write('diary.txt', 'dear diary')
    await vault.backup()
    vault.write('more.txt', 'more')
    vault.config = configAs(user('writer').env, { lock: { ...rule, until: { ms: 7_200_000 } } })
    const planned = await plan(vault.context, { config: vault.config, sources: [] })
    const step = planned.sources[0]?.steps.find(({ kind }) => kind === 'send')
    assert.equal(step?.lock?.mode, 'governance')
    const inMs = (step?.lock?.until.getTime() ?? 0) - Date.now()
    assert.ok(inMs > 7_100_000 && inMs < 7_200_000 * 1.1 + 1000, String(inMs))
    const text = planReportLines(planned, { paint: plainPaint, width: 200, verbose: false })
    assert.match(text.join('\n'), /file data, before compression; .*locked until 20\d\d-/)
    const { sources } = await vault.backup()
    assert.deepEqual(
      sources[0]?.sends.map(({ seq, makes }) => `${makes} ${seq}`),
      ['differential 2'],
    )
    wholeAt = new Date(Date.now() + 1000)
    await new Promise(done => setTimeout(done, 2000))
    const found = await checks(vault.config)
    assert.deepEqual(
      found.filter(({ outcome }) => outcome === 'bad'),
      [],
    )
    assert.equal(found.find(({ name }) => name === 'object lock')?.outcome, 'ok')
  })

  test('the owner, who may lift locks, is warned of that', async () => {
    const owner = await checks(configAs(tenant.env))
    const lift = owner.find(({ name }) => name === 'lift object lock')
    assert.equal(lift?.outcome, 'warn')
    assert.match(lift?.hint ?? '', /policy s3 --role writer disk/)
  })

  test('a thief with every right but lifting removes no version, and shortens no lock', async () => {
    const { client } = user('thief')
    const { Versions } = await versions()
    const locked = Versions.filter(({ Key = '' }) =>
      /(manifests|segments|indexes)\/|repository/.test(Key),
    )
    assert.ok(locked.length >= 9, `only ${locked.length}`)
    for (const { Key, VersionId } of locked) {
      const at = { Bucket, Key, VersionId }
      const denied = { name: 'AccessDenied' }
      await assert.rejects(client.send(new DeleteObjectCommand(at)), denied, Key)
      const lift = { ...at, BypassGovernanceRetention: true }
      await assert.rejects(client.send(new DeleteObjectCommand(lift)), denied, Key)
      const Retention = {
        Mode: 'GOVERNANCE',
        RetainUntilDate: new Date(Date.now() + 2000),
      } as const
      const shorter = new PutObjectRetentionCommand({ ...lift, Retention })
      await assert.rejects(client.send(shorter), denied, Key)
    }
  })

  test('what the thief deletes and writes over only looks gone, and doctor says so', async () => {
    const { client } = user('thief')
    const { Versions } = await versions()
    for (const { Key = '' } of Versions) {
      if (/segments|RESTORE/.test(Key)) {
        await client.send(new PutObjectCommand({ Bucket, Key, Body: 'ha ha' }))
      } else await client.send(new DeleteObjectCommand({ Bucket, Key }))
    }
    const state = vault.world.outside('state-of-the-reader')
    const config = configAs(tenant.env, { state })
    const listed = await list(vault.context, { config, sources: [], remotes: [] })
    assert.equal(listed.exitStatus, 10)
    const found = await checks(configAs(tenant.env))
    const hidden = found.find(({ name }) => name === 'locked backups')
    assert.equal(hidden?.outcome, 'bad')
    assert.match(hidden?.words ?? '', /^2 backups there, still locked, were deleted/)
  })

  test('list, verify and restore --as-of a time before see all of it, with the rights of a reader', async () => {
    const state = vault.world.outside('state-of-the-reader')
    const config = configAs(user('reader').env, { state })
    const asOf = wholeAt
    const listed = await list(vault.context, { config, sources: [], remotes: [], asOf })
    const [series] = listed.remotes.flatMap(remote => remote.series)
    assert.equal(series?.backups.length, 2)
    const level = 'decrypts'
    const { identity } = vault
    const options = { config, identity, sources: [], remotes: [], asOf, level } as const
    assert.equal((await verify(vault.context, options)).exitStatus, 0)
    const report = await vault.restore({ config, verify: 'full', asOf })
    assert.equal(report.exitStatus, 0)
    const before = await list(vault.context, {
      config,
      sources: [],
      remotes: [],
      asOf: new Date(0),
    })
    assert.equal(before.exitStatus, 10)
  })

  test('with the markers and what was written over removed, the repository is as it was', async () => {
    const { Versions, DeleteMarkers } = await versions()
    const later = [...Versions, ...DeleteMarkers].filter(
      ({ Key, LastModified }) => (LastModified ?? 0) > wholeAt && !Key?.includes('/probe/'),
    )
    for (const { Key, VersionId } of later) {
      await user('thief').client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
    }
    const state = vault.world.outside('state-of-the-reader')
    const config = configAs(user('reader').env, { state })
    const listed = await list(vault.context, { config, sources: [], remotes: [] })
    assert.equal(listed.remotes.flatMap(remote => remote.series)[0]?.backups.length, 2)
    vault.write('third.txt', 'third')
    const { sources } = await vault.backup()
    assert.equal(sources[0]?.sends[0]?.seq, 3)
  })
})
