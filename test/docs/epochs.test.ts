// The configuration and the commands that docs/epochs.md shows, against a server that has the
// storage classes it names.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { readPage, scriptOf } from './markdown.ts'
import { machineWithHome, makeTenant, type Tenant } from './scene.ts'

describe('docs/epochs.md', () => {
  const page = readPage('docs/epochs.md')
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

  test('has a configuration and commands that do what it says', async () => {
    const rules = page.blocks.find(({ language }) => language === 'yaml')?.text ?? ''
    const machine = machineWithHome(world, tenant.env)
    const said = await machine.run(`
btrvault keygen --out identity.txt
mkdir -p /etc/btrvault
cat > /etc/btrvault/config.yaml <<EOF
keys: { recipients: [$(sed -n 's/^# public key: //p' identity.txt)] }
${rules}
remotes: { aws: { s3: { bucket: my-backups, prefix: host-01, region: eu-west-3 } } }
EOF
btrvault init --identity identity.txt
${scriptOf(page)}
echo more > /home/more.txt
btrvault backup --now
btrvault list home
btrvault status`)
    assert.match(said, /send to aws: full backup for monthly/)
    assert.match(said, /because there is no backup of monthly yet/)
    assert.match(said, /first of month .*, for monthly/)
    assert.match(said, /first of day .*, for daily/)
    assert.match(said, /\b1 +\S+ \S+ +monthly +full/)
    assert.match(said, /\b2 +\S+ \S+ +daily +differential +1/)
  })
})
