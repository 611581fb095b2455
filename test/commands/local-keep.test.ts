// snapshots.keep on a real btrfs: what stays in our folder, and that plan says it beforehand.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { planReportLines } from '../../src/cli/verbs/plan.ts'
import { plan } from '../../src/commands/plan.ts'
import { parseKeepRule } from '../../src/model/policy.ts'
import { makeVault, type Vault } from '../support/vault.ts'

const view = { paint: (_: unknown, text: string) => text, width: 80, verbose: false }

function keepLocally(vault: Vault, rule: string): void {
  const keep = parseKeepRule(rule)
  assert.ok(keep)
  const sources = vault.config.sources.map(source => ({
    ...source,
    snapshots: { ...source.snapshots, keep },
  }))
  vault.config = { ...vault.config, sources }
}

async function backupChanged(vault: Vault, contents: string): Promise<string> {
  vault.write('file', contents)
  const report = await vault.backup()
  return report.sources[0]?.sends[0]?.snapshot ?? ''
}

test('snapshots.keep leaves what it says in our folder, and plan tells which and why', async () => {
  await using vault = await makeVault()
  const present = () => readdirSync(vault.world.path('.snapshots-home')).sort()
  keepLocally(vault, 'last 2')
  const names = [
    await backupChanged(vault, 'one'),
    await backupChanged(vault, 'two'),
    await backupChanged(vault, 'three'),
  ]
  assert.deepEqual(present(), names.slice(1))

  vault.write('file', 'four')
  const { config, context } = vault
  const report = await plan(context, { config, sources: [] })
  const [source] = report.sources
  assert.deepEqual(
    source?.snapshots.map(({ path, reasons }) => [basename(path), reasons]),
    [
      [names[1], []],
      [names[2], ['one of the last']],
    ],
  )
  const lines = planReportLines(report, view, true)
  const at = lines.indexOf('  snapshots on this machine:')
  assert.deepEqual(lines.slice(at, at + 5), [
    '  snapshots on this machine:',
    `    ✗ ${names[1]}`,
    '      no later backup needs it, and no rule keeps it',
    `    ● ${names[2]}`,
    '      one of the last',
  ])
  const fourth = await backupChanged(vault, 'four')
  assert.deepEqual(present(), [names[2], fourth])

  keepLocally(vault, '0d')
  await vault.backup()
  assert.deepEqual(present(), [fourth])
})
