// Chains of random changes, backed up and restored by the program's own stories on real btrfs, and
// judged by a walker that shares no code with it: every point in time comes back as it was.
//
// BTRVAULT_SOAK_CHAINS=n adds n chains of random seeds and settings.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type Radosgw, startRadosgw } from '../support/radosgw.ts'
import { type KeyKind, makeScene, type Point, type Scene, type SceneOptions } from './scene.ts'
import { assertExplained, assertSameTree, walk } from './walk.ts'

interface Campaign extends SceneOptions {
  readonly seed: number
  /** Whether what `btrfs receive` itself loses occurs. */
  readonly losses: 'avoid' | 'allow'
  /** True: nothing is lost. False: what is lost is told, all of it and nothing else. */
  readonly mend: boolean
  /** Each backup by a restore of its own, on top of the one before. */
  readonly stepwise: boolean
  /** Operations before each of the four backups. */
  readonly operations: number
}

const mebibyte = 1024 * 1024
const zstdMount = { mountOptions: 'compress=zstd', second: { mountOptions: 'compress=zstd' } }
const smaller = { sizeMiB: 2048 }

const campaigns: Record<string, Campaign> = {
  'X25519, segments of 1 MiB, protocol 2': {
    seed: 1001,
    losses: 'allow',
    mend: true,
    stepwise: false,
    operations: 250,
    keys: 'x25519',
    segmentSizeBytes: mebibyte,
  },
  'post-quantum, protocol 1, filesystems that compress': {
    seed: 2002,
    losses: 'allow',
    mend: false,
    stepwise: true,
    operations: 150,
    keys: 'hybrid',
    protocol: 1,
    segmentSizeBytes: 2 * mebibyte,
    world: zstdMount,
  },
  'ssh-ed25519, compress none, a source that compresses': {
    seed: 3003,
    losses: 'avoid',
    mend: false,
    stepwise: false,
    operations: 150,
    keys: 'ssh-ed25519',
    segmentSizeBytes: mebibyte,
    remoteRules: 'compress: none',
    world: { mountOptions: 'compress-force=zstd:1' },
  },
  'encrypt none, each stream in one segment': {
    seed: 4004,
    losses: 'allow',
    mend: false,
    stepwise: true,
    operations: 120,
    remoteRules: 'encrypt: none',
  },
  'encrypt none and compress none, protocol 1': {
    seed: 5005,
    losses: 'allow',
    mend: true,
    stepwise: true,
    operations: 120,
    protocol: 1,
    segmentSizeBytes: mebibyte,
    remoteRules: 'encrypt: none\n    compress: none',
  },
  'ssh-rsa, a few changes between snapshots': {
    seed: 6006,
    losses: 'allow',
    mend: false,
    stepwise: true,
    operations: 12,
    keys: 'ssh-rsa',
  },
}

describe('full and three incrementals come back as they were', () => {
  for (const [name, campaign] of Object.entries(campaigns)) it(name, () => run(campaign))

  it("with today's seed", async context => {
    const seed = Number(new Date().toISOString().slice(0, 10).replaceAll('-', ''))
    context.diagnostic(`seed ${seed}`)
    await run(drawn(seed))
  })

  for (let chain = 1; chain <= Number(process.env['BTRVAULT_SOAK_CHAINS'] ?? 0); chain += 1) {
    const seed = Math.floor(Math.random() * 2 ** 31)
    it(`soak ${chain}: seed ${seed}`, () => run(drawn(seed)))
  }
})

describe('on a real S3 server', () => {
  let server: Radosgw
  before(async () => {
    server = await startRadosgw()
  })
  after(async () => {
    await server?.stop()
  })

  it('full and three incrementals come back as they were, for an RSA key in PEM form', async () => {
    const bucket = await server.makeBucket()
    const remote: SceneOptions['remote'] = world => {
      const file = world.outside('access-key')
      const keys = `aws_access_key_id=${server.accessKey}\naws_secret_access_key=${server.secretKey}`
      writeFileSync(file, `[default]\n${keys}\n`, { mode: 0o600 })
      return `s3: { bucket: ${bucket}, prefix: host-01, endpoint: "${server.endpoint}", region: us-east-1, access_key_file: ${file} }`
    }
    const chain = { seed: 7007, losses: 'allow', mend: true, operations: 200 } as const
    await run({ ...chain, stepwise: false, keys: 'rsa-pem', remote, segmentSizeBytes: mebibyte })
  })
})

/** Settings that follow from the seed. */
function drawn(seed: number): Campaign {
  const pick = <T>(choices: readonly T[], salt: number) =>
    choices[Math.floor(seed / salt) % choices.length] as T
  const kinds: KeyKind[] = ['x25519', 'hybrid', 'ssh-ed25519', 'ssh-rsa', 'rsa-pem']
  return {
    seed,
    losses: 'allow',
    mend: pick([true, false], 17),
    stepwise: pick([true, false], 19),
    operations: pick([30, 120, 300], 7),
    keys: pick(kinds, 1),
    protocol: pick([1, 2], 3),
    segmentSizeBytes: pick([1, 2, 64], 11) * mebibyte,
    remoteRules: pick(['compress: zstd', 'compress: none'], 5),
    world: pick([{}, zstdMount, { mountOptions: 'compress=lzo' }], 13),
  }
}

async function run(campaign: Campaign): Promise<void> {
  const { seed, losses, operations, stepwise } = campaign
  const world = { ...smaller, second: smaller, ...campaign.world }
  try {
    await using scene = await makeScene({ ...campaign, world })
    const points: Point[] = []
    for (let n = 0; n < 4; n += 1) {
      scene.mutate(seed + n, operations, '--known-losses', losses)
      points.push(await scene.point())
    }
    assert.deepEqual(
      points.map(({ send }) => send.makes),
      ['full', 'differential', 'incremental', 'incremental'],
    )
    await (stepwise ? restoreStepwise : restoreAtOnce)(scene, points, campaign)
    assert.deepEqual(scene.warnings(), [])
  } catch (error) {
    throw new Error(`with seed ${seed}: ${JSON.stringify(campaign)}`, { cause: error })
  }
}

/** An attribute of this name is in no send stream. */
const unseen = ['xattr:security.cap']

async function restoreAtOnce(
  scene: Scene,
  points: readonly Point[],
  { mend, losses }: Campaign,
): Promise<void> {
  const report = await scene.restore('out', { mend })
  assert.equal(report.published.length, points.length)
  const newest = points.at(-1) as Point
  assert.ok(report.comparison)
  if (mend || losses === 'avoid') {
    assert.equal(report.exitStatus, 0, JSON.stringify(report.comparison))
    for (const [n, { send, walk: expected }] of points.entries()) {
      const actual = walk(report.published[n] as string)
      assertSameTree(actual, expected, { label: `backup ${send.seq}`, unseen })
    }
  }
  const actual = walk(report.published.at(-1) as string)
  assertExplained(report.comparison, { expected: newest.walk, actual }, unseen)
  assert.equal(report.comparison.namesCompared, newest.walk.size)
  const files = [...newest.walk.values()].filter(([kind]) => kind === 'file')
  assert.equal(report.comparison.filesCompared, files.length)
}

/** Of what is there already nothing is fetched again. */
async function restoreStepwise(
  scene: Scene,
  points: readonly Point[],
  { mend }: Campaign,
): Promise<void> {
  for (const [n, { send, walk: expected }] of points.entries()) {
    const report = await scene.restore('out', { id: send.seq, mend })
    assert.equal(report.published.length, 1)
    assert.equal(report.present, points[n - 1]?.send.seq ?? null)
    assert.equal(report.fetchedBytes, send.storedBytes)
    assert.ok(report.comparison)
    const actual = walk(report.published[0] as string)
    assertExplained(report.comparison, { expected, actual }, unseen)
    assert.equal(report.exitStatus, report.comparison.differenceCount === 0 ? 0 : 3)
    if (mend) assert.equal(report.exitStatus, 0, JSON.stringify(report.comparison))
  }
}
