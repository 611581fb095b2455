// Every command of docs/recovery.md, section by section, each on machines to which that happened.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { FreshMachine } from './fresh-machine.ts'
import { readPage, scriptOf } from './markdown.ts'
import { machineWithHome, makeTenant, type Tenant } from './scene.ts'

const page = readPage('docs/recovery.md')
const sections = page.headings.filter(({ level }) => level === 2).map(({ text }) => text)

/** The commands of the section with this number. */
function steps(number: number): string {
  const section = sections[number - 1] ?? ''
  assert.ok(section.startsWith(`${number}. `), `section ${number} is "${section}"`)
  return scriptOf(page, section)
}

/** What the page takes for granted: two backups in a bucket, the diary only in the first. */
const twoBackups = `
btrvault keygen --out /media/stick/identity.txt
mkdir /etc/btrvault
cat > /etc/btrvault/config.yaml <<EOF
keys: { recipients: [$(sed -n 's/^# public key: //p' /media/stick/identity.txt)] }
sources: { home: { path: /home, snapshots: /.snapshots/home, remotes: { aws: {} } } }
remotes: { aws: { s3: { bucket: my-backups, prefix: host-01, region: eu-west-3 } } }
EOF
btrvault init --identity /media/stick/identity.txt
cp /etc/btrvault/allowed_signers /media/stick/
btrvault backup
rm /home/anna/diary.txt
echo new > /home/anna/new.txt
btrvault backup
`

const restoreNewest = `
mkdir -p /mnt/new/again
btrvault restore home --to /mnt/new/again --identity "$1" --json > /tmp/report.json
cat /tmp/report.json
`

describe('docs/recovery.md', () => {
  let server: Radosgw
  let tenant: Tenant
  let world: BtrfsWorld
  let machine: FreshMachine

  before(async () => {
    server = await startRadosgw()
  })
  after(async () => {
    await server?.stop()
  })

  async function begin(): Promise<void> {
    tenant = await makeTenant(server)
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
    machine = machineWithHome(world, tenant.env)
    await machine.run(twoBackups)
  }
  async function end(): Promise<void> {
    await world?.destroy()
    tenant?.client.destroy()
  }

  test('has ten sections, and this test knows all that have commands', () => {
    const withCommands = sections.filter(section =>
      page.blocks.some(block => block.section === section && block.language === 'sh'),
    )
    assert.deepEqual(
      withCommands.map(section => Number.parseInt(section, 10)),
      [1, 2, 3, 5, 6, 7, 8, 10],
    )
    assert.equal(sections.length, 10)
  })

  describe('on a machine that is well', () => {
    before(begin)
    after(end)

    test('1: a file that was deleted is back in its place', async () => {
      assert.ok(!existsSync(world.path('home/anna/diary.txt')))
      await machine.run(steps(1))
      assert.equal(readFileSync(world.path('home/anna/diary.txt'), 'utf8'), 'dear diary\n')
      assert.ok(!existsSync(world.path('snapshots/restored')))
    })

    test('5: a damaged object is named, an older backup restored, and a new chain begun', async () => {
      await damageNewest(tenant)
      const said = await machine.run(steps(5))
      assert.match(said, /corrupt|SHA-256|hash/i)
      assert.equal(readdirSync(world.path('snapshots/restored')).length, 1)
      assert.match(said, /home → aws: full backup 3/)
      await restoresNewest(machine, '/media/stick/identity.txt')
    })

    test('8: without the state, nothing is lost', async () => {
      const said = await machine.run(steps(8))
      assert.match(said, /repository is there already/)
      await restoresNewest(machine, '/media/stick/identity.txt')
    })

    test('7: with a new signing key, old and new backups can be restored', async () => {
      await machine.run('echo changed > /home/anna/new.txt')
      const said = await machine.run(steps(7))
      assert.match(said, /home → aws: full backup 1/)
      await restoresNewest(machine, '/media/stick/identity.txt')
      const [older = '', ...others] = await otherSeries(machine)
      assert.deepEqual(others, [])
      const from = `btrvault restore ${older.slice(0, 8)} --backup 1 --to /mnt/new --identity /media/stick/identity.txt`
      assert.match(
        await machine.run(`${from}; btrfs subvolume delete /mnt/new/home.*`),
        /all equal/,
      )
    })

    test('6: without any identity, a new chain can be read with a new one', async () => {
      rmSync(world.outside('stick/identity.txt'))
      const said = await machine.run(steps(6))
      assert.match(said, /home → aws: full backup 2/)
      await restoresNewest(machine, '/media/stick/new-identity.txt')
    })
  })

  describe('on machines that lost something', () => {
    before(begin)
    after(end)

    test('2: with a new disk, the source is in its place again, and is backed up in full', async () => {
      const repaired = new FreshMachine(world, {
        name: 'machine',
        disks: { sdb1: blankDisk(world, 'new-disk') },
        folders: { '/media/stick': world.outside('stick') },
        env: tenant.env,
      })
      const said = await repaired.run(`${steps(2)}\ncat /home/anna/new.txt; findmnt /home`)
      assert.match(said, /all equal/)
      assert.match(said, /home → aws: full backup 3/)
      assert.match(said, /^new$/m)
    })

    test('3: a bare machine restores from the bucket, the kit and the identity', async () => {
      const bare = new FreshMachine(world, {
        name: 'bare',
        disks: { sdb1: blankDisk(world, 'bare-disk') },
        folders: { '/media/stick': world.outside('stick') },
        env: tenant.env,
      })
      const said = await bare.run(`${steps(3)}\ncat /mnt/home/anna/new.txt; ls -A /var/lib`)
      assert.match(said, /all equal/)
      assert.match(said, /^new$/m)
      assert.doesNotMatch(said, /^btrvault$/m, 'a restore needs and leaves no state')
    })

    test('9: the drill restores elsewhere, and the last step asks the machine itself', async () => {
      const [make, restore, clean, ask] = page.blocks
        .filter(({ section, language }) => section.startsWith('10. ') && language === 'sh')
        .map(({ text }) => text)
      const other = new FreshMachine(world, {
        name: 'drill',
        folders: { '/media/stick': world.outside('stick') },
        env: tenant.env,
      })
      const said = await other.run([make, restore, clean].join('\n'))
      assert.match(said, /all equal/)
      assert.match(said, /anna/)
      await machine.run(ask ?? '')
    })
  })
})

async function restoresNewest(machine: FreshMachine, identity: string): Promise<void> {
  const said = await machine.run(`set -- ${identity}\n${restoreNewest}`)
  assert.match(said, /"differenceCount": 0/)
  await machine.run('btrfs subvolume delete /mnt/new/again/*; rmdir /mnt/new/again')
}

/** Series in the bucket that are not the newest's. */
async function otherSeries(machine: FreshMachine): Promise<string[]> {
  const said = await machine.run(
    'btrvault list --from s3://my-backups/host-01?region=eu-west-3 --identity /media/stick/identity.txt --signers /etc/btrvault/allowed_signers --json',
  )
  const { report } = JSON.parse(said) as {
    report: { remotes: { series: { series: string; backups: { createdAt: string }[] }[] }[] }
  }
  const newestOf = (one: { backups: { createdAt: string }[] }) =>
    one.backups.at(-1)?.createdAt ?? ''
  const series = report.remotes.flatMap(remote => remote.series)
  const [, ...others] = series.toSorted((a, b) => newestOf(b).localeCompare(newestOf(a)))
  return others.map(one => one.series)
}

/** A disk without anything on it. */
function blankDisk(world: BtrfsWorld, name: string): string {
  const image = world.outside(`${name}.img`)
  return world.shOutside('truncate --size 512M "$1"; losetup --find --show "$1"', image).trim()
}

/** Changes one bit in the segment of the backup that was stored last. */
async function damageNewest({ client }: Tenant): Promise<void> {
  const Bucket = 'my-backups'
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'host-01/segments/' }),
  )
  const newest = Contents.toSorted(
    (a, b) => Number(b.LastModified) - Number(a.LastModified) || Number(a.Size) - Number(b.Size),
  )[0]
  const Key = newest?.Key
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
  const bytes = await (
    Body as { transformToByteArray(): Promise<Uint8Array> }
  ).transformToByteArray()
  const last = bytes.length - 1
  bytes[last] = (bytes[last] as number) ^ 1
  await client.send(new PutObjectCommand({ Bucket, Key, Body: bytes }))
}
