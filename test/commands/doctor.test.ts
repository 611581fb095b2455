// doctor: its judgements one by one, and on a real machine with one thing wrong at a time.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { plainPaint } from '../../src/cli/colour.ts'
import { doctorLines } from '../../src/cli/verbs/doctor.ts'
import { widthOf } from '../../src/cli/width.ts'
import { accessFinding, limitedFinding } from '../../src/commands/doctor/access.ts'
import type { Check } from '../../src/commands/doctor/checks.ts'
import { recipientsFinding } from '../../src/commands/doctor/keys.ts'
import {
  compareVersions,
  kernelFinding,
  nodeFinding,
  progsFinding,
  timezonesFinding,
} from '../../src/commands/doctor/machine.ts'
import { probeFinding, proofFinding } from '../../src/commands/doctor/remote.ts'
import { type DoctorReport, doctor } from '../../src/commands/doctor.ts'
import type { Config } from '../../src/config/config.ts'
import type { ProbeOutcome } from '../../src/model/probe.ts'
import { generateIdentity } from '../../src/pack/identities.ts'
import { makeScene, type Scene } from '../kernel/scene.ts'

describe('what doctor makes of versions', () => {
  test('versions are compared as numbers', () => {
    assert.ok(compareVersions('5.9', '5.10') < 0)
    assert.ok(compareVersions('5.10.11', '5.10.2') > 0)
    assert.equal(compareVersions('6', '6.0.0'), 0)
  })

  for (const [release, outcome] of [
    ['6.18.44', 'ok'],
    ['6.1.0-37-amd64', 'ok'],
    ['5.15.0-100-generic', 'warn'],
    ['5.10.11', 'warn'],
    ['5.10.10', 'bad'],
    ['5.2.14', 'bad'],
    ['4.19.0', 'bad'],
  ] as const) {
    test(`kernel ${release}: ${outcome}`, () => {
      assert.equal(kernelFinding(release).outcome, outcome)
    })
  }

  for (const [progs, outcome] of [
    ['6.2', 'ok'],
    ['5.14.2', 'ok'],
    ['5.10.1', 'warn'],
    ['4.20', 'bad'],
  ] as const) {
    test(`btrfs-progs ${progs}: ${outcome}`, () => {
      assert.equal(progsFinding({ progs, kernel: '6.1', protocol: 2 }).outcome, outcome)
    })
  }

  test('Node and its time zones grow old', () => {
    assert.equal(nodeFinding('26.0.0').outcome, 'ok')
    assert.equal(nodeFinding('25.9.0').outcome, 'bad')
    const now = new Date('2026-11-20')
    assert.equal(timezonesFinding('2026a', now).outcome, 'ok')
    assert.equal(timezonesFinding('2024b', now).outcome, 'warn')
    assert.equal(timezonesFinding(undefined, now).outcome, 'warn')
  })
})

describe('what doctor makes of keys', () => {
  test('two recipients are well, one is a risk, none and mixtures are bad', async () => {
    const recipients = await Promise.all(
      [true, true, false].map(async classic => {
        return (await generateIdentity({ classic, created: new Date() })).recipient
      }),
    )
    const [a = '', b = '', strong = ''] = recipients
    assert.equal(recipientsFinding([a, b]).outcome, 'ok')
    assert.equal(recipientsFinding([a]).outcome, 'warn')
    assert.match(recipientsFinding([strong]).words, /post-quantum/)
    assert.equal(recipientsFinding([]).outcome, 'bad')
    assert.equal(recipientsFinding([a, strong]).outcome, 'bad')
    assert.equal(recipientsFinding(['age1nonsense']).outcome, 'bad')
  })

  test('a proof is missed when there is none, and when it is old', () => {
    const remote = { encrypt: 'age', name: 'aws' } as Config['remotes'][number]
    const now = new Date('2026-11-20')
    const proven = (provenAt: Date | null) =>
      proofFinding(remote, { provenAt } as Parameters<typeof proofFinding>[1], now)
    assert.equal(proven(new Date('2026-01-01')).outcome, 'ok')
    assert.equal(proven(new Date('2025-01-01')).outcome, 'warn')
    assert.match(proven(null).hint ?? '', /init --remote aws --identity/)
    assert.equal(proofFinding(remote, undefined, now).outcome, 'warn')
    assert.equal(proofFinding({ ...remote, encrypt: 'none' }, undefined, now).outcome, 'warn')
  })
})

test('what a trial of a store found becomes well, worth knowing, or bad', () => {
  const probe = { at: 0, address: 's3://b', checks: [], createIfAbsent: true, left: [] }
  const outcome = (of: ProbeOutcome, name: 'put' | 'delete' = 'delete') =>
    probeFinding({ name, outcome: of, words: '' }, probe).outcome
  assert.deepEqual(
    [
      outcome('ok'),
      outcome('missing'),
      outcome('not-permitted'),
      outcome('broken'),
      outcome('failed'),
    ],
    ['ok', 'warn', 'warn', 'bad', 'bad'],
  )
  assert.equal(outcome('not-permitted', 'put'), 'bad')
})

describe('what doctor makes of the right to delete', () => {
  const bucket = { kind: 's3', bucket: 'b', prefix: '' } as const
  const folder = { kind: 'directory', path: '/mnt/disk' } as const
  const probe = { at: 0, address: '', checks: [], createIfAbsent: true, left: [] }
  const judge = (
    access: 'full' | 'no-delete',
    outcome: ProbeOutcome,
    address: typeof bucket | typeof folder = bucket,
  ) => {
    const check = { name: 'delete beyond the trial', outcome, words: '' } as const
    return accessFinding({ name: 'aws', access, address }, { ...probe, checks: [check] })
  }

  test('it is bad where access is no-delete, and the hint is the policy to give', () => {
    const finding = judge('no-delete', 'ok')
    assert.equal(finding?.outcome, 'bad')
    assert.match(finding?.hint ?? '', /btrvault policy s3 --role writer aws/)
    assert.equal(judge('no-delete', 'not-permitted')?.outcome, 'ok')
    assert.equal(judge('no-delete', 'ok', folder)?.outcome, 'warn')
  })

  test('it is a quiet note where access is full, and missed where it lacks', () => {
    assert.equal(judge('full', 'ok')?.outcome, 'ok')
    assert.equal(judge('full', 'not-permitted')?.outcome, 'warn')
    assert.equal(judge('full', 'failed'), undefined)
  })

  test('with no-delete, writing over is worth a warning, and trials may stay', () => {
    const of = (
      name: 'overwrite' | 'delete',
      outcome: ProbeOutcome,
      access: 'full' | 'no-delete',
    ) =>
      limitedFinding({ name: 'aws', access, address: bucket }, { name, outcome, words: '' })
        ?.outcome
    assert.equal(of('overwrite', 'ok', 'no-delete'), 'warn')
    assert.equal(of('overwrite', 'ok', 'full'), undefined)
    assert.equal(of('delete', 'not-permitted', 'no-delete'), 'ok')
    assert.equal(of('delete', 'broken', 'no-delete'), undefined)
  })
})

async function examine({ context, config }: Scene, changes: Partial<Config> = {}) {
  return await doctor(context, {
    config: { ...config, ...changes },
    configPath: config.file,
    remotes: [],
  })
}

/** The checks that are not well, as `area: name`. */
function wrong({ checks }: DoctorReport, outcome: Check['outcome'] = 'bad'): string[] {
  return checks
    .filter(check => check.outcome === outcome)
    .map(check => `${check.area}: ${check.name}`)
}

test('doctor finds everything well, and leaves nothing behind', async () => {
  await using scene = await makeScene({ world: { sizeMiB: 3072 } })
  const { world } = scene
  const list = () => world.shOutside('find . -xdev ! -name "*.img" ! -path "./state/*" | sort')
  const before = list()
  const report = await examine(scene)
  assert.deepEqual([report.exitStatus, wrong(report)], [0, []], JSON.stringify(report.checks))
  assert.deepEqual(wrong(report, 'warn'), ['keys: recipients'])
  assert.equal(list(), before, 'doctor left something')

  for (const verbose of [false, true]) {
    const lines = doctorLines(report, { paint: plainPaint, width: 80, verbose })
    assert.match(lines.join('\n'), /✓ Nothing is wrong, 1 thing to know about/)
    // Paths and fingerprints are not broken.
    for (const line of lines) assert.ok(widthOf(line) <= 80 || /\S{48}/.test(line), line)
  }
  const lines = doctorLines(report, { paint: plainPaint, width: 80, verbose: false })
  assert.ok(lines.length <= 24, `${lines.length} lines do not fit on a screen`)
})

test('doctor finds each thing that is wrong with a source', async () => {
  await using scene = await makeScene()
  const { world, config } = scene
  const [home] = config.sources
  assert.ok(home)
  const source = async (changes: Partial<typeof home>) =>
    wrong(await examine(scene, { sources: [{ ...home, ...changes }] }))

  assert.deepEqual(await source({ path: world.path('gone') }), ['source home: subvolume'])
  assert.deepEqual(await source({ path: world.outside('repository') }), ['source home: subvolume'])
  const elsewhere = { ...home.snapshots, folder: world.secondPath('snapshots') }
  assert.deepEqual(await source({ snapshots: elsewhere }), ['source home: snapshots'])

  world.sh('btrfs subvolume create home/inner >/dev/null')
  assert.deepEqual(await source({}), ['source home: inside'])
  const ignoring = await examine(scene, { sources: [{ ...home, nested: { kind: 'ignore' } }] })
  assert.deepEqual(wrong(ignoring), [])
  assert.ok(wrong(ignoring, 'warn').includes('source home: inside'))
  world.sh('btrfs subvolume delete home/inner >/dev/null')

  world.sh('btrfs filesystem mkswapfile --size 16m home/swap >/dev/null 2>&1 && swapon home/swap')
  try {
    assert.deepEqual(await source({}), ['source home: swap'])
  } finally {
    world.sh('swapoff home/swap')
  }

  world.sh('btrfs quota enable .')
  assert.ok(wrong(await examine(scene), 'warn').includes('source home: quotas'))
  world.sh('btrfs quota disable .')

  world.sh('mount -o remount,ro .')
  try {
    assert.deepEqual(await source({}), ['source home: snapshots', 'source home: filesystem'])
  } finally {
    world.sh('mount -o remount,rw .')
  }
})

test('doctor finds a source that btrfs receive made', async () => {
  await using scene = await makeScene()
  const { world, config } = scene
  const [home] = config.sources
  assert.ok(home)
  world.sh('btrfs subvolume snapshot -r home sent >/dev/null')
  world.sh('btrfs send -q sent | btrfs receive -q "$1"', world.secondPath())
  // BTRFS_IOC_SUBVOL_SETFLAGS: as older btrfs-progs did, without a word.
  const flip = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x4008941a, struct.pack('<Q', 0))`
  execFileSync('/usr/bin/python3', ['-c', flip, world.secondPath('sent')])
  const snapshots = { ...home.snapshots, folder: world.secondPath('s') }
  const sources = [{ ...home, path: world.secondPath('sent'), snapshots }]
  const report = await examine(scene, { sources })
  assert.deepEqual(wrong(report), ['source home: subvolume'])
})

test('doctor finds what is wrong with keys and remotes', async () => {
  await using scene = await makeScene()
  const { config, repository, world } = scene
  const signers = world.outside('keys/allowed_signers')
  renameSync(signers, `${signers}.away`)
  assert.deepEqual(wrong(await examine(scene)), ['keys: signers'])
  world.shOutside('ssh-keygen -q -t ed25519 -N "" -f other')
  world.shOutside('echo "btrvault namespaces=\\"*\\" $(cat other.pub)" > "$1"', signers)
  assert.deepEqual(wrong(await examine(scene)), ['keys: signers'])
  renameSync(`${signers}.away`, signers)
  world.shOutside('chmod 644 keys/sign')
  assert.deepEqual(wrong(await examine(scene)), ['keys: signing key'])
  world.shOutside('chmod 600 keys/sign')

  writeFileSync(join(repository, 'RESTORE.md'), 'of another version\n')
  assert.ok(wrong(await examine(scene), 'warn').includes('remote there: RESTORE.md'))
  renameSync(join(repository, 'repository.json'), join(repository, 'away'))
  assert.deepEqual(wrong(await examine(scene)), ['remote there: repository'])
  renameSync(repository, `${repository}.unmounted`)
  assert.deepEqual(wrong(await examine(scene)), ['remote there: target'])

  const [there] = config.remotes
  assert.ok(there)
  const beside = { kind: 'directory', path: world.path('repository') } as const
  world.shOutside('cp -a repository.unmounted first/repository')
  const report = await examine(scene, { remotes: [{ ...there, address: beside }] })
  assert.ok(wrong(report, 'warn').includes('remote there: place'))
})

test('doctor without a configuration says so and looks at the machine', async () => {
  const { contextOf } = await import('../kernel/scene.ts')
  const report = await doctor(contextOf([]), {
    config: undefined,
    configPath: '/etc/btrvault/config.yaml',
    remotes: [],
  })
  assert.equal(report.exitStatus, 3)
  assert.deepEqual(wrong(report), ['this machine: configuration'])
})
