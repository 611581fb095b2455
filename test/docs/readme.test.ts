// Every command that README.md shows, in order, on a machine of its own.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { checkout, readPage, scriptOf } from './markdown.ts'
import { machineWithHome, makeTenant, type Tenant } from './scene.ts'

describe('README.md', () => {
  const page = readPage('README.md')
  let server: Radosgw
  let tenant: Tenant
  let world: BtrfsWorld

  before(async () => {
    server = await startRadosgw()
    tenant = await makeTenant(server)
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
  })

  after(async () => {
    await world?.destroy()
    tenant?.client.destroy()
    await server?.stop()
  })

  test('has commands that do what it says, from the first key to the last check', async () => {
    const machine = machineWithHome(world, tenant.env)
    const said = await machine.run(`${scriptOf(page)}\ncat recovery-kit.md`)
    assert.match(said, /home → disk: full backup 1/)
    assert.match(said, /home → aws: full backup 1/)
    assert.match(said, /all equal/)
    const restored = world.secondPath('new')
    const [name = ''] = readdirSync(restored)
    const diary = readFileSync(join(restored, name, 'anna/diary.txt'), 'utf8')
    assert.equal(diary, 'dear diary\n')
    assert.match(said, /s3:..my-backups.host-01.region=eu-west-3/, 'the kit names the bucket')
  })

  test('names files in its other blocks that are there', () => {
    const named = page.blocks.flatMap(({ text }) => text.match(/npm (run \w+|test|pack)/g) ?? [])
    const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    assert.ok(named.length >= 4)
    for (const command of named) {
      const name = command.replace(/^npm (run )?/, '')
      const script = scripts[name]?.replace(/^sh /, '')
      assert.ok(name === 'pack' || (script && existsSync(join(checkout, script))), command)
    }
  })
})
