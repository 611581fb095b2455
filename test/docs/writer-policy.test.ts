// The policy that docs/threat-model.md recommends, given to a user of a real server: it is enough
// to back up and to restore, and not enough to delete.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { readPage } from './markdown.ts'
import { addUser, machineWithHome, makeTenant, type Tenant } from './scene.ts'

interface Policy {
  readonly Version: string
  readonly Statement: readonly { readonly Sid: string; readonly Action: string | string[] }[]
}

const Bucket = 'my-backups'

describe('the policy of docs/threat-model.md', () => {
  const shown = readPage('docs/threat-model.md').blocks.find(({ language }) => language === 'json')
  const policy = JSON.parse(shown?.text ?? '') as Policy
  let server: Radosgw
  let tenant: Tenant
  let world: BtrfsWorld
  let writer: ReturnType<typeof addUser>

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server)
    writer = addUser(server, tenant.name, 'writer')
    await allow(policy.Statement.map(({ Sid }) => Sid))
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
  })
  after(async () => {
    await world?.destroy()
    tenant?.client.destroy()
    writer?.client.destroy()
    await server?.stop()
  })

  /** Gives the writer these statements and no others. */
  async function allow(sids: readonly string[]): Promise<void> {
    const Principal = { AWS: [`arn:aws:iam::${tenant.name}:user/writer`] }
    const Statement = policy.Statement.filter(({ Sid }) => sids.includes(Sid))
    const Policy = JSON.stringify({
      ...policy,
      Statement: Statement.map(statement => ({ ...statement, Principal })),
    })
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  }

  test('is enough for init, backup and restore, and leaves nothing of a probe', async () => {
    const machine = machineWithHome(world, writer.env)
    const said = await machine.run(`
btrvault keygen --out /media/stick/identity.txt
mkdir /etc/btrvault
cat > /etc/btrvault/config.yaml <<EOF
keys: { recipients: [$(sed -n 's/^# public key: //p' /media/stick/identity.txt)] }
sources: { home: { path: /home, snapshots: /.snapshots/home, remotes: { aws: {} } } }
remotes: { aws: { s3: { bucket: my-backups, prefix: host-01, region: eu-west-3 } } }
EOF
btrvault init --identity /media/stick/identity.txt
btrvault backup
echo more > /home/more.txt
btrvault backup
btrvault status
btrvault restore home --to /mnt/new --identity /media/stick/identity.txt`)
    assert.match(said, /differential backup 2/)
    assert.match(said, /all equal/)
    assert.deepEqual(await keysUnder(tenant.client, 'host-01/probe/'), [])
  })

  test('does not allow to delete or to leave the prefix', async () => {
    const before = await keysUnder(tenant.client, '')
    assert.ok(before.length > 6)
    for (const Key of before) await isDenied(new DeleteObjectCommand({ Bucket, Key }))
    await isDenied(new ListObjectsV2Command({ Bucket, Prefix: 'host-02/' }))
    assert.deepEqual(await keysUnder(tenant.client, ''), before)
  })

  test('may even leave out RemoveProbes: init and backup go on', async () => {
    await allow(['WriteAndRead', 'List'])
    const machine = machineWithHome(world, writer.env)
    const said = await machine.run(`
btrvault init --identity /media/stick/identity.txt --json
echo even more > /home/more.txt
btrvault backup`)
    assert.match(said, /"proven": true/)
    assert.match(said, /incremental backup 3/)
  })

  async function isDenied(command: DeleteObjectCommand | ListObjectsV2Command): Promise<void> {
    const answer = (writer.client as { send(one: unknown): Promise<unknown> }).send(command)
    await assert.rejects(answer, { name: 'AccessDenied' })
  }
})

async function keysUnder(client: S3Client, Prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }))
  return Contents.map(({ Key }) => Key ?? '')
}
