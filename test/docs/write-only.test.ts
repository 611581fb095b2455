// Every command of docs/write-only.md, on the machines that it speaks of, each with the policies that
// the page's own commands print.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { ListObjectsV2Command, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { FreshMachine } from './fresh-machine.ts'
import { readPage, scriptOf } from './markdown.ts'
import { addUser, machineWithHome, makeTenant, type Tenant } from './scene.ts'

const page = readPage('docs/write-only.md')
const sections = page.headings.filter(({ level }) => level === 2).map(({ text }) => text)
const Bucket = 'my-backups'

describe('docs/write-only.md', () => {
  let server: Radosgw
  let tenant: Tenant
  let world: BtrfsWorld
  const users = new Map<string, ReturnType<typeof addUser>>()

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server)
    for (const name of ['writer', 'own']) users.set(name, addUser(server, tenant.name, name))
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
  })
  after(async () => {
    await world?.destroy()
    for (const { client } of users.values()) client.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  function envOf(name: string): Record<string, string> {
    return users.get(name)?.env ?? {}
  }

  /** The same one each time, under other credentials. */
  function ownMachine(env: Record<string, string>): FreshMachine {
    return new FreshMachine(world, {
      name: 'own-machine',
      disks: { sdb1: world.device('second') },
      folders: { '/media/stick': world.outside('stick') },
      mounts: 'mkdir -p /mnt/new\nmount -o subvol=new /dev/sdb1 /mnt/new',
      env,
    })
  }

  function steps(number: number): string {
    const section = sections[number - 1] ?? ''
    assert.ok(section.startsWith(`${number}. `), `section ${number} is "${section}"`)
    return scriptOf(page, section)
  }

  /** As the bucket's owner would: what the page's commands wrote onto the stick. */
  async function allow(): Promise<void> {
    const Statement = ['writer', 'reader', 'pruner'].flatMap(role => {
      const user = role === 'writer' ? role : 'own'
      const text = readFileSync(`${world.outside('stick')}/${role}.json`, 'utf8')
      const policy = JSON.parse(text) as { Statement: { Sid: string }[] }
      const Principal = { AWS: [`arn:aws:iam::${tenant.name}:user/${user}`] }
      return policy.Statement.map(one => ({ ...one, Sid: `${role}${one.Sid}`, Principal }))
    })
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await tenant.client.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  }

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await tenant.client.send(new ListObjectsV2Command({ Bucket }))
    return Contents.map(({ Key }) => Key ?? '')
  }

  test('has commands that set up the three roles, and work with no more than their policies', async () => {
    // Makes the subvolumes as well that the other machine mounts.
    const writer = machineWithHome(world, envOf('writer'))
    const made = await ownMachine(tenant.env).run(steps(1))
    assert.match(made, /repository made/)
    await allow()
    const wrote = await writer.run(`${steps(2)}\necho more > /home/more.txt\nbtrvault backup --now`)
    assert.match(wrote, /repository not looked at, taken as given/)
    assert.match(wrote, /home → aws: full backup 1/)
    assert.match(wrote, /home → aws: differential backup 2/)
    assert.match(wrote, /only writes there/)
    const read = await ownMachine(envOf('own')).run(steps(3))
    assert.match(read, /home/)
    assert.match(read, /all equal/)
    assert.doesNotMatch(read, /not allowed|cannot/)
    const pruned = await ownMachine(envOf('own')).run(steps(4))
    assert.doesNotMatch(pruned, /denied|cannot/)
    assert.equal((await keys()).filter(key => /\d\.json$/.test(key)).length, 2)
  })
})
