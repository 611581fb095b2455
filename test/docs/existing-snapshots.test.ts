// Every command of docs/existing-snapshots.md, on a machine where snapper and btrbk have been.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { readPage } from './markdown.ts'
import { machineWithHome } from './scene.ts'

describe('docs/existing-snapshots.md', () => {
  const page = readPage('docs/existing-snapshots.md')
  let world: BtrfsWorld

  before(async () => {
    world = await makeBtrfsWorld({ sizeMiB: 512, second: { sizeMiB: 512 } })
  })
  after(async () => {
    await world?.destroy()
  })

  function partOf(section: string, language: string): string {
    const parts = page.blocks.filter(one => one.section === section && one.language === language)
    assert.ok(parts.length > 0, `${section} has no ${language}`)
    return parts.map(({ text }) => text).join('\n')
  }

  /** A machine set up as the section says; what its commands said, and what came back. */
  async function follow(section: string, made: string): Promise<[said: string, names: string[]]> {
    const own = section.toLowerCase().replaceAll(' ', '-')
    const said = await machineWithHome(world, {}).run(`
mkdir -p /etc/btrvault /mnt/pool /mnt/disk/${own}
mount -o subvolid=5 /dev/sda2 /mnt/pool
[ -e /media/stick/identity.txt ] || btrvault keygen --out /media/stick/identity.txt
cat > /etc/btrvault/config.yaml <<EOF
state: /var/lib/btrvault-${own}
keys:
  recipients: [$(sed -n 's/^# public key: //p' /media/stick/identity.txt)]
  signing_key: /etc/btrvault/signing-${own}
  allowed_signers: /etc/btrvault/signers-${own}
${partOf(section, 'yaml')}
remotes:
  disk: { directory: { path: /mnt/disk/${own} } }
EOF
btrvault init --identity /media/stick/identity.txt
${made}
${partOf(section, 'sh')}
`)
    const names = readdirSync(world.secondPath('new')).sort()
    world.sh('for one in ../second/new/*; do btrfs -q subvolume delete "$one"; done')
    return [said, names]
  }

  test('snapper', async () => {
    const [said, names] = await follow(
      'Snapper',
      `btrfs -q subvolume create /home/.snapshots
for n in 41 42; do
  mkdir /home/.snapshots/$n
  echo "day $n" > /home/anna/diary.txt
  btrfs -q subvolume snapshot -r /home /home/.snapshots/$n/snapshot
  touch /home/.snapshots/$n/info.xml
done`,
    )
    assert.match(said, /send home\.\d{8}T\d{6}Z\.41 to disk: full backup/)
    assert.match(said, /home → disk: full backup 1/)
    assert.match(said, /all equal/)
    assert.match(names.at(-1) ?? '', /^home\.\d{8}T\d{6}Z\.4[12]$/)
  })

  test('btrbk', async () => {
    const [said, names] = await follow(
      'Btrbk',
      `btrfs -q subvolume delete /home/.snapshots/*/snapshot
btrfs -q subvolume delete /home/.snapshots
mkdir /mnt/pool/btrbk_snapshots
btrfs -q subvolume snapshot -r /mnt/pool/home /mnt/pool/btrbk_snapshots/home.20261121T0900
btrfs -q subvolume snapshot -r /mnt/pool/snapshots /mnt/pool/btrbk_snapshots/root.20261121T0900`,
    )
    assert.match(said, /left out: 1 of another subvolume/)
    assert.match(said, /all equal/)
    assert.deepEqual(names, ['home.20261121T0900'])
  })

  test('anything else', async () => {
    const [said, names] = await follow(
      'Anything else',
      `for n in 1 2 3; do
  echo "hour $n" > /home/anna/diary.txt
  btrfs -q subvolume snapshot -r /home /.snapshots/hourly-$n
done`,
    )
    assert.match(said, /home → disk: incremental backup 3/)
    assert.match(said, /all equal/)
    assert.deepEqual(names, ['hourly-1', 'hourly-2', 'hourly-3'])
  })
})
