// Monthly backups in an archive class and daily ones beside them, over some months of a virtual
// clock, on a real btrfs and a real S3 server.

import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { FakeClock } from '../../src/base/clock.ts'
import { backup } from '../../src/commands/backup.ts'
import { list } from '../../src/commands/list.ts'
import { plan } from '../../src/commands/plan.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { type Dates, onClock } from '../support/virtual-dates.ts'
import { makeScene, type Scene } from './scene.ts'
import { assertSameTree, type Walk, walk } from './walk.ts'

const rules = `[${[
  '{ epoch: monthly, keep: 12m, shape: chain, full_every: 1y, storage_class: DEEP_ARCHIVE }',
  '{ epoch: daily, branch_from: monthly, keep: 30d, shape: chain, storage_class: STANDARD }',
].join(', ')}]`

const days = ['09-01', '09-02', '09-03', '10-01', '10-02', '11-03', '11-04', '11-05']

describe('monthly backups in an archive, and daily ones beside them', () => {
  let server: Radosgw
  let bucket: string
  let scene: Scene
  const clock = new FakeClock(Date.parse('2026-09-01T03:00Z'))
  const dates: Dates = new Map()
  const walks: Walk[] = []

  before(async () => {
    server = await startRadosgw()
    bucket = await server.makeBucket()
    scene = await makeScene({
      rules,
      remote: world => {
        const keyFile = world.outside('access-key')
        const { endpoint, accessKey, secretKey } = server
        const lines = [`aws_access_key_id = ${accessKey}`, `aws_secret_access_key = ${secretKey}`]
        writeFileSync(keyFile, `[default]\n${lines.join('\n')}\n`)
        chmodSync(keyFile, 0o600)
        return `s3: { bucket: ${bucket}, prefix: p, region: us-east-1, endpoint: '${endpoint}', access_key_file: ${keyFile} }`
      },
    })
    const context = onClock(scene.context, clock, dates)
    for (const [index, date] of days.entries()) {
      clock.advance(Date.parse(`2026-${date}T03:00Z`) - clock.now())
      scene.mutate(index + 1, 60)
      // The store's clock is not ours: nothing would be forgotten.
      const options = { config: scene.config, sources: [], dryRun: false, check: true }
      const report = await backup(context, { ...options, forget: false })
      assert.equal(report.exitStatus, 0, JSON.stringify(report.sources))
      const [send, ...more] = report.sources[0]?.sends ?? []
      assert.ok(send && more.length === 0)
      walks.push(walk(scene.world.path('.snapshots', send.snapshot)))
    }
  })
  after(async () => {
    await scene?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  it('makes one backup a day, of the epoch and from the backup that the rules say', async () => {
    const { remotes } = await list(scene.context, {
      config: scene.config,
      sources: [],
      remotes: [],
    })
    const found = remotes[0]?.series[0]?.backups.map(({ id, parent, epoch }) => [
      id,
      epoch?.name,
      parent,
    ])
    assert.deepEqual(found, [
      [1, 'monthly', null],
      [2, 'daily', 1],
      [3, 'daily', 2],
      [4, 'monthly', 1],
      [5, 'daily', 4],
      [6, 'monthly', 4],
      [7, 'daily', 6],
      [8, 'daily', 7],
    ])
  })

  it('puts the segments of each epoch into its class, and everything else where it can be read', async () => {
    const objects = await objectsIn(server, bucket)
    for (const kind of ['manifests', 'indexes', 'repository.json']) {
      const found = objects.filter(({ key }) => key.startsWith(`p/${kind}`))
      assert.deepEqual([...new Set(found.map(one => one.storageClass))], ['STANDARD'], kind)
    }
    const runs = new Map<string, Set<string>>()
    for (const { key, storageClass } of objects) {
      const [, kind, , run] = key.split('/')
      if (kind !== 'segments' || run === undefined) continue
      runs.set(run, (runs.get(run) ?? new Set()).add(storageClass))
    }
    const counts = [...runs.values()].map(found => [...found].join())
    assert.equal(counts.filter(one => one === 'DEEP_ARCHIVE').length, 3)
    assert.equal(counts.filter(one => one === 'STANDARD').length, 5)
  })

  it('restores every day of every month as it was', async () => {
    for (const [index, expected] of walks.entries()) {
      const report = await scene.restore(`day-${index + 1}`, { id: index + 1 })
      const [published = ''] = report.published.slice(-1)
      assertSameTree(walk(published), expected, { label: `backup ${index + 1}` })
    }
  })

  it('says in the plan what is kept, and for which epoch', async () => {
    const context = onClock(scene.context, clock, dates)
    const { sources } = await plan(context, { config: scene.config, sources: [], forget: false })
    const backups = sources[0]?.remotes[0]?.backups ?? []
    assert.deepEqual(backups[3]?.reasons, [
      'first of month 2026-10, for monthly',
      'backup 6 needs it',
    ])
    assert.deepEqual(backups[1]?.reasons, [])
    assert.match(backups[6]?.reasons.join() ?? '', /first of day 2026-11-04, for daily/)
    assert.deepEqual(sources[0]?.steps, [])
  })

  it('shows no name of an epoch to the store (L10)', async () => {
    const { context } = scene
    const { store } = await context.openStore(
      {
        kind: 's3',
        bucket,
        prefix: 'p',
        region: 'us-east-1',
        endpoint: server.endpoint,
        credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
      },
      { clock: context.clock, signal: context.signal },
    )
    for await (const { key, bytes } of store.list('manifests/')) {
      const text = Buffer.from(await store.get(key)).toString('latin1')
      assert.ok(bytes > 0 && !/monthly|daily/.test(text + key), key)
    }
    await store.close()
  })
})

async function objectsIn({ endpoint, accessKey, secretKey }: Radosgw, Bucket: string) {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
  try {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
    return Contents.map(({ Key = '', StorageClass = 'STANDARD' }) => ({
      key: Key,
      storageClass: StorageClass as string,
    }))
  } finally {
    client.destroy()
  }
}
