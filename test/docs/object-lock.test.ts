// The commands of docs/object-lock.md, on a machine with a locked bucket of a real server.

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import type { FreshMachine } from './fresh-machine.ts'
import { readPage, scriptOf } from './markdown.ts'
import { machineWithHome, makeTenant, type Tenant } from './scene.ts'

const page = readPage('docs/object-lock.md')
const Bucket = 'my-backups'

describe('docs/object-lock.md', () => {
  let server: Radosgw
  let tenant: Tenant
  let world: BtrfsWorld
  let machine: FreshMachine
  let then = ''

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server, { locks: true })
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
    machine = machineWithHome(world, tenant.env)
  })
  after(async () => {
    await world?.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  test('set up: the lock is tried, planned and put on', async () => {
    const remotes = page.blocks.find(({ language }) => language === 'yaml')?.text ?? ''
    const said = await machine.run(`
btrvault keygen --out /media/stick/identity.txt
mkdir /etc/btrvault
cat > /etc/btrvault/config.yaml <<EOF
keys: { recipients: [$(sed -n 's/^# public key: //p' /media/stick/identity.txt)] }
sources: { home: { path: /home, snapshots: /.snapshots/home, remotes: { aws: {} } } }
${remotes}
EOF
${scriptOf(page, 'Set up')}`)
    assert.match(said, /locked until 20\d\d-\d\d-\d\d/)
    assert.match(said, /full backup 1/)
    assert.match(said, /it refuses to delete what is locked/)
    assert.match(said, /s3:PutObjectRetention/)
    assert.match(said, /"Effect": "Deny"/)
    then = new Date(Date.now() + 1000).toISOString()
    await new Promise(done => setTimeout(done, 2000))
  })

  test('when somebody deleted everything: doctor tells, and all of it comes back', async () => {
    const { Contents = [] } = await tenant.client.send(new ListObjectsV2Command({ Bucket }))
    assert.ok(Contents.length > 5)
    for (const { Key } of Contents)
      await tenant.client.send(new DeleteObjectCommand({ Bucket, Key }))
    const script = scriptOf(page, 'When somebody deleted everything')
    assert.match(script, /--as-of 3d/)
    const said = await machine.run(script.replaceAll('--as-of 3d', `--as-of ${then}`))
    assert.match(said, /1 backup there, still locked, was\s+deleted by somebody/)
    assert.match(said, /all equal/)
    assert.ok(existsSync(world.outside('stick')))
    assert.equal(readdirSync(world.path('../second/new')).length, 1)
  })
})
