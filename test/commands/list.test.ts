import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type ListOptions, type ListReport, list } from '../../src/commands/list.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { makeVault, type Vault } from '../support/vault.ts'

let vault: Vault

before(async () => {
  vault = await makeVault({
    sources: ['home', 'mail'],
    remotes: ['disk', 'nas'],
    timezone: 'Europe/Paris',
  })
  for (const text of ['one', 'two', 'three']) {
    vault.write('file', text.repeat(1000))
    await vault.backup('home')
  }
  vault.write('letter', 'dear', 'mail')
  await vault.backup('mail')
})

after(async () => vault[Symbol.asyncDispose]())

describe('list()', () => {
  it('tells of each backup what it is and what it takes, oldest first', async () => {
    const report = await listed()
    assert.equal(report.exitStatus, 0)
    assert.equal(report.timezone, 'Europe/Paris')
    assert.deepEqual(
      report.remotes.map(({ remote, backupCount }) => [remote, backupCount]),
      [
        ['disk', 4],
        ['nas', 4],
      ],
    )
    const [home, mail] = report.remotes[0]?.series ?? []
    assert.deepEqual([home?.source, mail?.source], ['home', 'mail'])
    assert.deepEqual(
      home?.backups.map(({ id, kind, parent, chainLength }) => [id, kind, parent, chainLength]),
      [
        [1, 'full', null, 1],
        [2, 'differential', 1, 2],
        [3, 'incremental', 2, 3],
      ],
    )
    const sizes = home?.backups.map(backup => backup.storedBytes) ?? []
    assert.equal(
      home?.storedBytes,
      sizes.reduce((sum, bytes) => sum + bytes),
    )
    assert.equal(home?.backups.at(-1)?.chainStoredBytes, home?.storedBytes)
    const times = home?.backups.map(backup => backup.snapshotTime.getTime()) ?? []
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
    const stored = [...vault.objects('segments/'), ...vault.objects('indexes/')]
    const bytes = stored.reduce((sum, key) => sum + vault.readObject(key).length, 0)
    assert.equal(report.remotes[0]?.storedBytes, bytes)
  })

  it('names the sources by the signing key alone', async () => {
    const report = await listed({ identity: undefined })
    assert.deepEqual(
      report.remotes[0]?.series.map(one => one.source),
      ['home', 'mail'],
    )
  })

  it('names them on a bare machine by an identity, and by nothing else', async () => {
    const { signers, identity } = vault
    const bare = { config: undefined, from: vault.repositoryFolder, signers }
    const named = await listed({ ...bare, identity })
    assert.equal(named.timezone, 'UTC')
    assert.deepEqual(
      named.remotes[0]?.series.map(one => one.source),
      ['home', 'mail'],
    )
    const nameless = await listed({ ...bare, identity: undefined })
    assert.deepEqual(
      nameless.remotes[0]?.series.map(one => [one.source, one.backups.length]).toSorted(),
      [
        [null, 1],
        [null, 3],
      ],
    )
    const [first] = nameless.remotes[0]?.series ?? []
    const sources = [first?.series.slice(0, 8) ?? '']
    const byId = await listed({ ...bare, identity: undefined, sources })
    assert.deepEqual(
      byId.remotes[0]?.series.map(one => one.series),
      [first?.series],
    )
  })

  it('keeps to the sources and remotes that are asked for', async () => {
    const report = await listed({ sources: ['mail'], remotes: ['nas'] })
    assert.deepEqual(
      report.remotes.map(({ remote, series }) => [remote, series.map(one => one.source)]),
      [['nas', ['mail']]],
    )
    await assert.rejects(listed({ sources: ['male'] }), { code: 'object-missing' })
    await assert.rejects(listed({ remotes: ['nass'] }), { code: 'usage' })
    const both = listed({ config: undefined, from: '/x', signers: vault.signers, remotes: ['nas'] })
    await assert.rejects(both, { code: 'usage' })
  })

  it('shows as a backup only what is signed and whole, and tells of the rest', async () => {
    const [key = ''] = vault.objects('manifests/').filter(one => /0{7}2\.json$/.test(one))
    const bytes = vault.readObject(key)
    // What this machine read before is not read again: another machine's view is wanted.
    rmSync(`${vault.config.state}/cache`, { recursive: true })
    vault.flipByte(key, 300)
    try {
      const report = await listed({ sources: ['home'], remotes: ['disk'] })
      const [home] = report.remotes[0]?.series ?? []
      assert.deepEqual(
        home?.backups.map(({ id }) => id),
        [1],
      )
      assert.deepEqual(home?.problems.map(({ kind, seq }) => [kind, seq]).at(-1), [
        'parent-missing',
        3,
      ])
      assert.equal(home?.problems[0]?.seq, 2)
    } finally {
      vault.writeObject(key, bytes)
    }
  })

  it('L9: never shows a remote that cannot be listed as an empty one', async () => {
    vault.wrapStore = store =>
      new FaultyStore(store, {
        onCall: call =>
          store.address.endsWith('nas') && call.operation === 'list'
            ? { kind: 'fail-after' }
            : undefined,
      })
    try {
      const report = await listed()
      assert.equal(report.exitStatus, 3)
      const [disk, nas] = report.remotes
      assert.equal(disk?.backupCount, 4)
      assert.equal(nas?.failure?.code, 'store-unavailable')
      const alone = await listed({ remotes: ['nas'] })
      assert.equal(alone.exitStatus, 30)
    } finally {
      vault.wrapStore = store => store
    }
  })
})

async function listed(options: Partial<ListOptions> = {}): Promise<ListReport> {
  const { config, identity } = vault
  return await list(vault.context, { config, identity, sources: [], remotes: [], ...options })
}
