// Two machines on one locked bucket of a real server: one writes, the other forgets and prunes. Each
// has the rights of its role, a signing key of its own, and believes the other's key only for what
// the other is there for.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ListObjectVersionsCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { systemClock } from '../../src/base/clock.ts'
import { isFailure } from '../../src/base/failure.ts'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { loadCatalog } from '../../src/catalog/catalog.ts'
import { openRepository } from '../../src/catalog/repository.ts'
import { generateSigningKey, loadSigningKey } from '../../src/catalog/signing.ts'
import { putTombstone, signTombstone } from '../../src/catalog/tombstones.ts'
import { backup } from '../../src/commands/backup.ts'
import { forget } from '../../src/commands/forget.ts'
import { list } from '../../src/commands/list.ts'
import { policyS3 } from '../../src/commands/policy-s3.ts'
import { prune } from '../../src/commands/prune.ts'
import { undelete } from '../../src/commands/undelete.ts'
import type { Config } from '../../src/config/config.ts'
import type { LockRule } from '../../src/model/lock.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import { openStore } from '../../src/store/open.ts'
import { addUser, makeTenant, type Tenant } from '../docs/scene.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { makeVault, type Vault } from '../support/vault.ts'

type User = ReturnType<typeof addUser>

const Bucket = 'my-backups'
const place = { bucket: Bucket, prefix: 'host-01' }
const lockMs = 25_000
const lock: LockRule = { mode: 'compliance', until: { ms: lockMs } }
const pruning = generateSigningKey('pruner')

describe('a machine that writes and one that prunes', () => {
  let server: Radosgw
  let tenant: Tenant
  let vault: Vault
  let writer: Config
  let pruner: Config
  let lastBackupAt = 0
  const users = new Map<string, User>()

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server, { locks: true })
    const Statement = (['writer', 'pruner'] as const).flatMap(role => {
      users.set(role, addUser(server, tenant.name, role))
      const options = { role, writeOnly: false, createOnly: false, locks: true }
      const Principal = { AWS: [`arn:aws:iam::${tenant.name}:user/${role}`] }
      return policyS3(place, options).Statement.map(one => ({
        ...one,
        Sid: `${role}${one.Sid}`,
        Principal,
      }))
    })
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    vault = await makeVault({ bare: true })
    writer = configOf('writer', vault.config)
    vault.config = writer
    await vault.init()
    believeEachOther()
    pruner = configOf('pruner', {
      ...vault.config,
      state: vault.world.outside('state-of-the-pruner'),
      keys: {
        recipients: [],
        signingKey: vault.world.outside('pruner', 'signing'),
        allowedSigners: vault.world.outside('pruner', 'allowed_signers'),
      },
    })
    for (let n = 0; n < 3; n += 1) {
      vault.write(`file-${n}`, `contents ${n}`)
      await vault.backup()
    }
    lastBackupAt = Date.now()
  })
  after(async () => {
    await vault?.[Symbol.asyncDispose]()
    for (const { client } of users.values()) client.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  function addressOf(env: Record<string, string>) {
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    }
    const { endpoint } = server
    return { kind: 's3', ...place, endpoint, region: 'us-east-1', credentials } as const
  }

  function configOf(role: 'writer' | 'pruner', config: Config): Config {
    const address = addressOf(users.get(role)?.env ?? {})
    const access = role === 'writer' ? 'no-delete' : 'full'
    const policy = { ...keepEverything, keep: { spans: [], last: 1 }, maxChain: 1 }
    const ruleSets = [soleRuleSet(policy)]
    const maxDelete = { percent: 100 }
    return {
      ...config,
      sources: config.sources.map(one => ({ ...one, remotes: [{ remote: 'disk', ruleSets }] })),
      remotes: config.remotes.map(one => ({
        ...one,
        address,
        access,
        lock,
        graceMs: 0,
        maxDelete,
      })),
    }
  }

  /** The lines of docs/threat-model.md: each key for one thing. */
  function believeEachOther(): void {
    const own = readFileSync(vault.config.keys.allowedSigners, 'utf8')
    assert.match(own, /^btrvault namespaces="manifest@btrvault" ssh-ed25519 \S+ btrvault\n$/)
    const tombstones = `btrvault namespaces="tombstone@btrvault" ${pruning.publicKeyLine}\n`
    mkdirSync(vault.world.outside('pruner'))
    writeFileSync(vault.config.keys.allowedSigners, `${own}${tombstones}`)
    writeFileSync(vault.world.outside('pruner', 'allowed_signers'), `${own}${tombstones}`)
    writeFileSync(vault.world.outside('pruner', 'signing'), pruning.privateKeyText, { mode: 0o600 })
  }

  async function versionCount(): Promise<number> {
    const { Versions = [], DeleteMarkers = [] } = await tenant.client.send(
      new ListObjectVersionsCommand({ Bucket, Prefix: 'host-01/' }),
    )
    const all = [...Versions, ...DeleteMarkers]
    return all.filter(({ Key = '' }) => /\/(segments|indexes)\/|\d\.json(\.sig)?$/.test(Key)).length
  }

  async function idsSeenBy(config: Config): Promise<number[]> {
    const { remotes } = await list(vault.context, { config, sources: [], remotes: [] })
    return remotes.flatMap(({ series }) => series.flatMap(one => one.backups.map(({ id }) => id)))
  }

  async function pruneThere(dryRun = false) {
    const options = { config: pruner, remotes: [], dryRun, agree: async () => {} }
    const { remotes, exitStatus } = await prune(vault.context, options)
    const [series] = remotes.flatMap(remote => remote.series)
    assert.ok(series, JSON.stringify(remotes))
    return { ...series, exitStatus }
  }

  const forgetting = { sources: [], remotes: [], dryRun: false, agree: async () => {} }

  test('the one that writes does not forget, whatever it is told', async () => {
    const told = await forget(vault.context, {
      ...forgetting,
      config: { ...writer, remotes: writer.remotes.map(one => ({ ...one, access: 'full' })) },
    }).catch((error: unknown) => error)
    assert.ok(isFailure(told, 'config-invalid'))
    assert.match(told.message, /cannot forget with signing key .*: .* does not allow it/)
    assert.match(told.hint ?? '', /tombstone@btrvault/)
  })

  test('a tombstone that the key of the writer signed hides nothing on either machine', async () => {
    const { store } = await openStore(addressOf(users.get('pruner')?.env ?? {}), {
      clock: systemClock,
      features: { createIfAbsent: false },
    })
    const repository = await openRepository(store)
    const key = loadSigningKey(readFileSync(writer.keys.signingKey, 'utf8'), 'the writer')
    const signers = parseAllowedSigners(readFileSync(pruner.keys.allowedSigners, 'utf8'), '')
    const catalog = await loadCatalog(repository, { signers })
    const [first] = [...catalog.series.values()].flat()
    assert.ok(first)
    const { series, seq, run } = first.manifest
    const now = new Date()
    const tombstone = {
      repository: repository.id,
      series,
      seq,
      run,
      manifest: first.manifestSha256,
      createdAt: now,
      notBefore: now,
      program: 'test',
    }
    await putTombstone(repository, signTombstone(tombstone, key))
    assert.deepEqual(await idsSeenBy(writer), [1, 2, 3])
    assert.deepEqual(await idsSeenBy(pruner), [1, 2, 3])
    const report = await pruneThere(true)
    assert.deepEqual([report.deleted, report.locked, report.exitStatus], [[], [], 0])
    for (const name of ['.tombstone.json', '.tombstone.json.sig']) {
      await store.delete(`manifests/${series}/0000000${seq}${name}`)
    }
    await store.close()
  })

  test('the one that prunes makes no backup, whatever it is told', async () => {
    const options = { config: pruner, sources: [], dryRun: false, check: true }
    const told = await backup(vault.context, options).catch((error: unknown) => error)
    assert.ok(isFailure(told, 'config-invalid'), JSON.stringify(told))
    assert.match(told.message, /signing/)
  })

  test('what it forgets is hidden for both, and is refused to who wants it back by its id', async () => {
    const { identity } = vault
    const report = await forget(vault.context, { ...forgetting, config: pruner, identity })
    assert.equal(report.exitStatus, 0, JSON.stringify(report))
    assert.deepEqual(
      report.places.flatMap(({ forgotten }) => forgotten.map(({ id }) => id)),
      [1, 2],
    )
    assert.deepEqual(await idsSeenBy(writer), [3])
    assert.deepEqual(await idsSeenBy(pruner), [3])
    const refused = await vault.restore({ id: 2 }).catch((error: unknown) => error)
    assert.ok(isFailure(refused, 'refused'))
    assert.equal(refused.message, 'cannot use backup 2 of home on disk: it is forgotten')
    assert.equal(refused.hint, 'undelete it first: btrvault undelete home 2 --remote disk')
  })

  test('while it is locked it stays, and prune tells until when', async () => {
    const before = await versionCount()
    const planned = await pruneThere(true)
    const report = await pruneThere()
    assert.deepEqual([report.deleted, report.locked, report.exitStatus], [[], [2, 1], 0])
    assert.deepEqual(planned.locked, [2, 1])
    assert.ok((report.lockedUntil?.getTime() ?? 0) > Date.now())
    assert.ok((report.lockedUntil?.getTime() ?? 0) < lastBackupAt + lockMs * 1.1 + 1000)
    assert.equal(await versionCount(), before)
  })

  test('undelete brings one back, and then it restores', async () => {
    const what = { source: 'home', ids: [2], remotes: [], dryRun: false } as const
    const report = await undelete(vault.context, {
      ...what,
      config: pruner,
      identity: vault.identity,
    })
    assert.equal(report.exitStatus, 0, JSON.stringify(report))
    assert.deepEqual(await idsSeenBy(writer), [2, 3])
    assert.equal((await vault.restore({ id: 2, verify: 'full' })).exitStatus, 0)
    assert.equal(
      (await forget(vault.context, { ...forgetting, config: pruner, identity: vault.identity }))
        .exitStatus,
      0,
    )
  })

  test('when its lock is over it goes, with every version, and the writer goes on', async () => {
    const before = await versionCount()
    await delay(Math.max(0, lastBackupAt + lockMs * 1.1 + 2000 - Date.now()))
    const report = await pruneThere()
    assert.deepEqual([report.deleted, report.locked, report.exitStatus], [[2, 1], [], 0])
    assert.ok(report.objectCount >= 4)
    assert.equal((await versionCount()) * 3, before)
    assert.deepEqual(await idsSeenBy(pruner), [3])
    vault.write('file-3', 'contents 3')
    await vault.backup()
    assert.deepEqual(await idsSeenBy(writer), [3, 4])
    assert.equal((await vault.restore({ verify: 'full' })).exitStatus, 0)
    const gone = await vault.restore({ id: 1 }).catch((error: unknown) => error)
    assert.ok(isFailure(gone, 'object-missing'))
    const warnings = vault.events.filter(one => one.kind === 'warning' && /gone/.test(one.text))
    assert.deepEqual(warnings, [])
  })
})
