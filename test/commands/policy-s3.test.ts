// Users of a real server who may do exactly what `btrvault policy s3` prints for their role: that
// is enough for what they are there for, and for nothing else.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { isFailure } from '../../src/base/failure.ts'
import { doctor } from '../../src/commands/doctor.ts'
import { list } from '../../src/commands/list.ts'
import { type PolicyOptions, placeOfRemote, policyS3 } from '../../src/commands/policy-s3.ts'
import type { Config } from '../../src/config/config.ts'
import { addUser, makeTenant, type Tenant } from '../docs/scene.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { makeVault, type Vault } from '../support/vault.ts'

type User = ReturnType<typeof addUser>

const Bucket = 'my-backups'
const place = { bucket: Bucket, prefix: 'host-01' }

const roles: Readonly<Record<string, PolicyOptions>> = {
  writer: { role: 'writer', writeOnly: false, createOnly: false },
  blind: { role: 'writer', writeOnly: true, createOnly: false },
  reader: { role: 'reader', writeOnly: false, createOnly: false },
  pruner: { role: 'pruner', writeOnly: false, createOnly: false },
}

describe('a user with the policy of a role', () => {
  let server: Radosgw
  let tenant: Tenant
  let vault: Vault
  const users = new Map<string, User>()

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server)
    for (const name of Object.keys(roles)) users.set(name, addUser(server, tenant.name, name))
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy: bucketPolicy() }))
    await tenant.client.send(new PutObjectCommand({ Bucket, Key: 'host-02/segments/a', Body: 'a' }))
    vault = await makeVault({ bare: true })
    vault.config = configAs(tenant.env)
    await vault.init()
  })
  after(async () => {
    await vault?.[Symbol.asyncDispose]()
    for (const { client } of users.values()) client.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  /** The same statements for a bucket: each says besides whom it is for. */
  function bucketPolicy(): string {
    const Statement = Object.entries(roles).flatMap(([name, options]) => {
      const Principal = { AWS: [`arn:aws:iam::${tenant.name}:user/${name}`] }
      return policyS3(place, options).Statement.map(statement => ({
        ...statement,
        Sid: `${name}${statement.Sid}`,
        Principal,
      }))
    })
    return JSON.stringify({ Version: '2012-10-17', Statement })
  }

  function configAs(env: Record<string, string>, state = vault.config.state): Config {
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { endpoint } = server
    const address = { kind: 's3', ...place, endpoint, region: 'us-east-1', credentials } as const
    const remotes = vault.config.remotes.map(remote => ({ ...remote, address }))
    return { ...vault.config, state, remotes }
  }

  function user(name: string): User {
    const found = users.get(name)
    if (found === undefined) throw new Error(`no user ${name}`)
    return found
  }

  async function keys(Prefix = 'host-01/'): Promise<string[]> {
    const { Contents = [] } = await tenant.client.send(new ListObjectsV2Command({ Bucket, Prefix }))
    return Contents.map(({ Key }) => Key ?? '')
  }

  async function put(name: string, Key: string): Promise<unknown> {
    return user(name).client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
  }

  async function remove(name: string, Key: string): Promise<unknown> {
    return user(name).client.send(new DeleteObjectCommand({ Bucket, Key }))
  }

  async function get(name: string, Key: string): Promise<unknown> {
    return user(name).client.send(new GetObjectCommand({ Bucket, Key }))
  }

  async function look(name: string, Prefix: string): Promise<unknown> {
    return user(name).client.send(new ListObjectsV2Command({ Bucket, Prefix }))
  }

  const denied = { name: 'AccessDenied' }

  test('writer: makes backups and a trial, and deletes none of what it wrote', async () => {
    vault.config = configAs(user('writer').env)
    await vault.init()
    vault.write('diary.txt', 'dear diary')
    await vault.backup()
    vault.write('more.txt', 'more')
    const { sources } = await vault.backup()
    assert.deepEqual(
      sources[0]?.sends.map(({ seq, makes }) => `${makes} ${seq}`),
      ['differential 2'],
    )
    const present = await keys()
    assert.deepEqual(
      present.filter(key => key.includes('/probe/')),
      [],
    )
    assert.ok(present.length > 8)
    for (const key of present) await assert.rejects(remove('writer', key), denied, key)
    await assert.rejects(put('writer', 'host-02/segments/b'), denied)
    await assert.rejects(get('writer', 'host-02/segments/a'), denied)
    await assert.rejects(look('writer', 'host-02/'), denied)
    await assert.rejects(look('writer', ''), denied)
    assert.deepEqual(await keys(), present)
  })

  test('writer: doctor sees that backups can not be deleted, and that the owner could', async () => {
    const access = 'no-delete'
    const of = async (env: Record<string, string>) => {
      const config = configAs(env)
      const remotes = config.remotes.map(remote => ({ ...remote, access }) as const)
      const { checks } = await doctor(vault.context, {
        config: { ...config, remotes, sources: [] },
        configPath: config.file,
        remotes: [],
      })
      return checks.filter(({ area }) => area === 'remote disk')
    }
    const limited = await of(user('writer').env)
    assert.equal(limited.find(({ name }) => name === 'access')?.outcome, 'ok')
    assert.deepEqual(
      limited.filter(({ outcome }) => outcome === 'bad'),
      [],
    )
    const owner = (await of(tenant.env)).filter(({ outcome }) => outcome === 'bad')
    assert.deepEqual(
      owner.map(({ name }) => name),
      ['access'],
    )
    assert.match(owner[0]?.hint ?? '', /policy s3 --role writer disk/)
  })

  test('writer with --write-only: puts, and neither reads, lists nor deletes', async () => {
    await put('blind', 'host-01/segments/blind')
    // What it put itself it may read, by the server's own rule that an object has an owner.
    await assert.rejects(get('blind', 'host-01/repository.json'), denied)
    await assert.rejects(look('blind', 'host-01/'), denied)
    await assert.rejects(remove('blind', 'host-01/segments/blind'), denied)
    await assert.rejects(put('blind', 'host-02/segments/blind'), denied)
  })

  test('reader: lists and restores, and neither puts nor deletes', async () => {
    const state = vault.world.outside('state-of-the-reader')
    const config = configAs(user('reader').env, state)
    const listed = await list(vault.context, { config, sources: [], remotes: [] })
    assert.equal(listed.exitStatus, 0)
    const report = await vault.restore({ config, verify: 'full' })
    assert.equal(report.exitStatus, 0)
    for (const key of await keys()) {
      await assert.rejects(put('reader', key), denied, key)
      await assert.rejects(remove('reader', key), denied, key)
    }
    await assert.rejects(get('reader', 'host-02/segments/a'), denied)
  })

  test('pruner: deletes and hides backups, and makes none', async () => {
    const present = await keys()
    const manifest = present.find(key => /manifests.*\d\.json$/.test(key)) ?? ''
    const tombstone = manifest.replace('.json', '.tombstone.json')
    await put('pruner', tombstone)
    await put('pruner', `${tombstone}.sig`)
    for (const key of present) {
      await assert.rejects(put('pruner', key), denied, key)
      if (!/^host-01\/(manifests|indexes|segments)\//.test(key)) {
        await assert.rejects(remove('pruner', key), denied, key)
      }
    }
    await remove('pruner', tombstone)
    const segment = present.find(key => key.startsWith('host-01/segments/')) ?? ''
    await get('pruner', segment)
    await look('pruner', 'host-01/segments/')
    await remove('pruner', segment)
    await assert.rejects(remove('pruner', 'host-02/segments/a'), denied)
    const left = present.filter(key => key !== segment)
    assert.deepEqual(await keys(), [...left, `${tombstone}.sig`].sort())
  })
})

describe('the policy of a role', () => {
  const writer = { role: 'writer', writeOnly: false, createOnly: false } as const

  test('names the prefix everywhere, and the whole bucket without one', () => {
    const text = JSON.stringify(policyS3(place, writer))
    assert.deepEqual(text.match(/arn:aws:s3:::my-backups\/(?!host-01\/)/g), null)
    assert.match(text, /"s3:prefix":"host-01\/\*"/)
    const whole = policyS3({ bucket: 'b', prefix: '' }, writer)
    assert.ok(whole.Statement[0]?.Resource.includes('arn:aws:s3:::b/segments/*'))
    assert.equal(whole.Statement.at(-1)?.Condition, undefined)
  })

  test('takes a star in a prefix for a star', () => {
    const text = JSON.stringify(policyS3({ bucket: 'b', prefix: 'h*' }, writer))
    assert.doesNotMatch(text, /h\*/)
    assert.match(text, /b\/h\$\{\*\}\/segments\/\*/)
  })

  test('--create-only leaves only RESTORE.md and trials to be written over', () => {
    const { Statement } = policyS3(place, { ...writer, createOnly: true })
    const free = Statement.filter(
      ({ Action, Condition }) => Action.includes('s3:PutObject') && Condition === undefined,
    )
    assert.deepEqual(
      free.flatMap(({ Resource }) => Resource),
      ['arn:aws:s3:::my-backups/host-01/RESTORE.md', 'arn:aws:s3:::my-backups/host-01/probe/*'],
    )
    const bound = Statement.filter(({ Condition }) => Condition?.['Null'] !== undefined)
    assert.deepEqual(
      bound.map(({ Condition }) => Condition),
      [{ Null: { 's3:if-none-match': 'false' } }],
    )
  })

  test('for a bucket with locks: who writes locks, who prunes removes versions, nobody lifts', () => {
    const of = (role: PolicyOptions['role'], options: Partial<PolicyOptions> = {}) =>
      policyS3(place, { ...writer, role, locks: true, ...options }).Statement
    const may = (statements: ReturnType<typeof of>, action: string) =>
      statements
        .filter(({ Action, Effect }) => Effect === 'Allow' && Action.includes(`s3:${action}`))
        .flatMap(({ Resource }) => Resource)
    for (const role of ['writer', 'reader', 'pruner'] as const) {
      const denied = of(role).filter(({ Effect }) => Effect === 'Deny')
      assert.deepEqual(
        denied.flatMap(({ Action, Resource }) => [...Action, ...Resource]),
        ['s3:BypassGovernanceRetention', 'arn:aws:s3:::my-backups/*'],
      )
      assert.deepEqual(may(of(role), 'GetBucketObjectLockConfiguration'), [
        'arn:aws:s3:::my-backups',
      ])
      const lists = of(role).find(({ Sid }) => Sid === 'ListVersions')
      assert.deepEqual(lists?.Condition, { StringLike: { 's3:prefix': 'host-01/*' } })
      assert.ok(!JSON.stringify(policyS3(place, { ...writer, role })).includes('Retention'))
    }
    const probes = ['arn:aws:s3:::my-backups/host-01/probe/*']
    assert.deepEqual(may(of('writer'), 'DeleteObjectVersion'), probes)
    assert.equal(may(of('writer'), 'PutObjectRetention').length, 5)
    assert.equal(may(of('pruner'), 'DeleteObjectVersion').length, 4)
    assert.deepEqual(may(of('pruner'), 'PutObjectRetention'), [])
    assert.deepEqual(may(of('reader'), 'DeleteObjectVersion'), [])
  })

  test('is refused for a reader or a pruner that would only write', () => {
    for (const role of ['reader', 'pruner'] as const) {
      assert.throws(
        () => policyS3(place, { ...writer, role, writeOnly: true }),
        error => isFailure(error, 'usage'),
      )
    }
  })

  test('is that of the only bucket, or of the one that is named', () => {
    const remote = (name: string, prefix: string | undefined) => ({
      name,
      address: prefix === undefined ? { kind: 'directory' } : { ...place, kind: 's3', prefix },
    })
    const of = (...remotes: unknown[]) => ({ remotes }) as unknown as Config
    const one = of(remote('disk', undefined), remote('aws', 'a'))
    const two = of(remote('aws', 'a'), remote('own', 'b'))
    assert.deepEqual(placeOfRemote(one, undefined), { ...place, prefix: 'a' })
    assert.deepEqual(placeOfRemote(two, 'own'), { ...place, prefix: 'b' })
    const refusals = [
      () => placeOfRemote(two, undefined),
      () => placeOfRemote(one, 'disk'),
      () => placeOfRemote(one, 'nowhere'),
      () => placeOfRemote(of(remote('disk', undefined)), undefined),
    ]
    for (const refused of refusals) assert.throws(refused, error => isFailure(error, 'usage'))
  })
})
