// What a backup is a difference from, when somebody was at work on the snapshots meanwhile: losing
// a parent never stops backups, and a wrong one is never used.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { makeVault, type Vault } from '../support/vault.ts'
import { contextOf, makeScene, type Scene } from './scene.ts'
import { assertSameTree, walk } from './walk.ts'

describe('the parent of a backup', () => {
  it('that was deleted here: the next is full, and it is told', async () => {
    await using scene = await two()
    scene.world.sh('btrfs subvolume delete .snapshots/* >/dev/null')
    writeFileSync(scene.home('third'), '3')
    const { send, walk: expected } = await scene.point()
    assert.deepEqual([send.seq, send.makes], [3, 'full'])
    assert.match(scene.warnings().join(), /backup 2 .* no longer here .* sending in full/)
    await assertComesBack(scene, expected, [3])
  })

  it('that was deleted here: the next older one is used, where there is one', async () => {
    await using vault = await makeVault({ remotes: ['disk', 'other'] })
    vault.write('f', '1')
    await vault.backup()
    // While a remote is away, the snapshot that it has stays as the parent of what it will get.
    renameSync(vault.folderOf('other'), `${vault.folderOf('other')}-away`)
    vault.write('f', '2')
    await assert.rejects(vault.backup(), /other/)
    renameSync(`${vault.folderOf('other')}-away`, vault.folderOf('other'))
    const [, newest = ''] = snapshotsOf(vault)
    vault.world.sh('btrfs subvolume delete "$1" >/dev/null', newest)
    vault.write('f', '3')
    const { sources } = await vault.backup()
    const made = Object.fromEntries(sources[0]?.sends.map(send => [send.remote, send]) ?? [])
    assert.deepEqual([made['disk']?.seq, made['disk']?.makes], [3, 'differential'])
    assert.deepEqual([made['other']?.seq, made['other']?.makes], [2, 'differential'])
    const expected = walk(snapshotsOf(vault).at(-1) as string)
    const warnings = vault.events.map(event => (event.kind === 'warning' ? event.text : ''))
    assert.match(warnings.join(), /backup 2 on disk, .* using backup 1/)
    const report = await vault.restore({ remote: 'disk' })
    assert.deepEqual(report.chain, [1, 3])
    assertSameTree(walk(report.published.at(-1) as string), expected, { label: 'the third' })
  })

  it('that was altered and made read-only again is refused by the guard, and a full is sent', async () => {
    await using scene = await two()
    const [name = ''] = readdirSync(scene.world.path('.snapshots'))
    const snapshot = scene.world.path('.snapshots', name)
    setReadOnly(snapshot, false)
    writeFileSync(`${snapshot}/first`, 'altered')
    scene.world.sh('sync')
    setReadOnly(snapshot, true)
    writeFileSync(scene.home('third'), '3')
    const { send, walk: expected } = await scene.point()
    assert.deepEqual([send.seq, send.makes], [3, 'full'])
    assert.match(scene.warnings().join(), /sending in full instead of parent 2/)
    await assertComesBack(scene, expected, [3])
  })

  it('that was made writable is not used', async () => {
    await using scene = await two()
    const [name = ''] = readdirSync(scene.world.path('.snapshots'))
    setReadOnly(scene.world.path('.snapshots', name), false)
    writeFileSync(scene.home('third'), '3')
    const { send, walk: expected } = await scene.point()
    assert.deepEqual([send.seq, send.makes], [3, 'full'])
    assert.match(scene.warnings().join(), /made writable: nothing is built on it/)
    assert.ok(readdirSync(scene.world.path('.snapshots')).includes(name))
    await assertComesBack(scene, expected, [3])
  })

  it('is never of another subvolume that took the place of the source', async () => {
    await using scene = await two()
    scene.world.sh('mv home gone; btrfs subvolume create home >/dev/null; echo 1 > home/first')
    const { send, walk: expected } = await scene.point()
    assert.deepEqual([send.seq, send.makes], [3, 'full'])
    await assertComesBack(scene, expected, [3])
  })

  it('is never of a copy of the source that took its place', async () => {
    await using scene = await two()
    scene.world.sh('mv home gone; btrfs subvolume snapshot gone home >/dev/null; rm home/second')
    const { send, walk: expected } = await scene.point()
    assert.deepEqual([send.seq, send.makes], [3, 'full'])
    await assertComesBack(scene, expected, [3])
  })
})

describe('a source', () => {
  it('with a subvolume inside is refused by name, and nothing is made', async () => {
    await using scene = await two()
    const before = readdirSync(scene.world.path('.snapshots'))
    scene.world.sh('mkdir -p home/a; btrfs subvolume create home/a/inner >/dev/null')
    const report = await scene.backup()
    assert.equal(report.exitStatus, 4)
    assert.match(report.sources[0]?.failures[0]?.message ?? '', /a\/inner/)
    assert.deepEqual(readdirSync(scene.world.path('.snapshots')), before)
  })

  it('that did not change costs two requests at most, and makes nothing', async () => {
    await using scene = await two()
    const before = readdirSync(scene.world.path('.snapshots'))
    const context = contextOf([])
    const opened: Awaited<ReturnType<typeof context.openStore>>[] = []
    const counting = {
      ...context,
      openStore: async (...call: Parameters<typeof context.openStore>) => {
        const store = await context.openStore(...call)
        opened.push(store)
        return store
      },
    }
    const report = await scene.backup({ context: counting })
    assert.deepEqual([report.exitStatus, report.sources[0]?.sends], [0, []])
    assert.deepEqual(readdirSync(scene.world.path('.snapshots')), before)
    const requests = opened.map(({ counts }) => counts.get + counts.list + counts.put + counts.size)
    assert.equal(requests.length, 1)
    assert.ok((requests[0] as number) <= 2, String(requests[0]))
  })

  it('that was only read did not change, where reading leaves no trace', async () => {
    await using scene = await two('noatime')
    scene.world.sh('cat home/*; find home; sync')
    const report = await scene.backup()
    assert.deepEqual(report.sources[0]?.sends, [])
  })
})

/** With two backups, and so a parent for a third. */
async function two(mountOptions = 'relatime'): Promise<Scene> {
  const world = { sizeMiB: 256, mountOptions, second: { sizeMiB: 256 } }
  const scene = await makeScene({ world })
  for (const name of ['first', 'second']) {
    writeFileSync(scene.home(name), name)
    await scene.point()
  }
  return scene
}

function snapshotsOf({ world }: Vault): string[] {
  const folder = world.path('.snapshots-home')
  return readdirSync(folder)
    .sort()
    .map(name => `${folder}/${name}`)
}

/** BTRFS_IOC_SUBVOL_SETFLAGS: as older btrfs-progs did, without a word. */
function setReadOnly(snapshot: string, readOnly: boolean): void {
  const script = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x4008941a, struct.pack('<Q', int(sys.argv[2])))`
  execFileSync('/usr/bin/python3', ['-c', script, snapshot, readOnly ? '2' : '0'])
}

async function assertComesBack(
  scene: Scene,
  expected: ReturnType<typeof walk>,
  chain: readonly number[],
): Promise<void> {
  const report = await scene.restore('out')
  assert.deepEqual(report.chain, chain)
  assert.equal(report.exitStatus, 0, JSON.stringify(report.comparison))
  assertSameTree(walk(report.published.at(-1) as string), expected, {
    label: `backup ${report.id}`,
  })
}
