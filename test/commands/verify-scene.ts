// A repository for the tests of verify: a chain with a branch, 1 ← 2 and 1 ← 3 ← 4, and what a
// test does to it.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Failure } from '../../src/base/failure.ts'
import { type Btrfs, systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { namedObjects, signManifest } from '../../src/catalog/commit.ts'
import { generateSigningKey, loadSigningKey, type SigningKey } from '../../src/catalog/signing.ts'
import { backup } from '../../src/commands/backup.ts'
import { keygen } from '../../src/commands/keygen.ts'
import { readSigningKey } from '../../src/commands/shared/keys.ts'
import {
  type SeriesVerification,
  type VerifyOptions,
  type VerifyReport,
  verify,
} from '../../src/commands/verify.ts'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.ts'
import type { Manifest } from '../../src/model/backup.ts'
import type { LevelCoverage, VerifyLevel } from '../../src/restore/verify-ledger.ts'
import { type Fault, FaultyStore, type StoreCall } from '../support/faulty-store.ts'
import { makeVault, type Vault } from '../support/vault.ts'

export async function makeScene(): Promise<Scene> {
  const scene = new Scene(await makeVault())
  try {
    await scene.fill()
    return scene
  } catch (error) {
    await scene[Symbol.asyncDispose]()
    throw error
  }
}

export class Scene {
  readonly vault: Vault
  /** By seq, from 1. */
  manifests: readonly string[] = []

  constructor(vault: Vault) {
    this.vault = vault
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vault[Symbol.asyncDispose]()
  }

  /** Run once, by makeScene(). */
  async fill(): Promise<void> {
    const { vault } = this
    await keygen(vault.context, { out: this.otherIdentity, classic: true, dryRun: false })
    vault.world.sh('ln -s /etc home/link; mkdir home/folder; chmod 4755 home/folder')
    vault.write('folder/big', randomBytes(9_500_000))
    await this.backupKeepingSnapshots()
    vault.write('two', randomBytes(1_500_000))
    await this.backupKeepingSnapshots()
    // Backup 3 is built on 1, because the snapshot of 2 is gone by then.
    vault.world.sh('btrfs -q subvolume delete .snapshots-home/"$(ls .snapshots-home | tail -1)"')
    vault.write('three', randomBytes(1_200_000))
    await this.backupKeepingSnapshots()
    vault.world.sh('rm -r home/folder; ln home/two home/again')
    vault.write('four', randomBytes(1_300_000))
    await this.backupKeepingSnapshots()
    this.manifests = ['', ...this.vault.objects('manifests/').filter(key => key.endsWith('.json'))]
    const parents = this.manifests.slice(1).map(key => this.read(key).parent?.seq ?? null)
    assert.deepEqual(parents, [null, 1, 1, 3])
  }

  get otherIdentity(): string {
    return this.vault.world.outside('other-identity.txt')
  }

  async verifyAt(level: VerifyLevel, options: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
    return await verify(this.vault.context, { ...this.usual(level), ...options })
  }

  usual(level: VerifyLevel): VerifyOptions {
    const { config, identity, out: scratch } = this.vault
    return { config, identity, scratch, level, sources: [], remotes: [] }
  }

  bare(): Partial<VerifyOptions> {
    return { config: undefined, from: this.vault.repositoryFolder, signers: this.vault.signers }
  }

  /** Runs with a repository that is put back afterwards. */
  async whileDamaged(damage: () => void | Promise<void>, run: () => Promise<void>): Promise<void> {
    const copy = this.vault.world.outside('copy')
    this.vault.world.sh('cp -a "$1" "$2"', this.vault.repositoryFolder, copy)
    try {
      await damage()
      await run()
    } finally {
      this.vault.world.sh('rm -r "$1"; mv "$2" "$1"', this.vault.repositoryFolder, copy)
    }
  }

  async withFaults<T>(
    onCall: (call: StoreCall) => Fault | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    this.vault.wrapStore = store => new FaultyStore(store, { onCall })
    try {
      return await run()
    } finally {
      this.vault.wrapStore = store => store
    }
  }

  /** The stores that commands open from now on. */
  watchStores(): FaultyStore[] {
    const stores: FaultyStore[] = []
    this.vault.wrapStore = store => {
      const watched = new FaultyStore(store)
      stores.push(watched)
      return watched
    }
    return stores
  }

  async backupKeepingSnapshots(): Promise<void> {
    const btrfs = { ...systemBtrfs, deleteSnapshot: async () => false }
    const { config } = this.vault
    const options = { config, sources: [], dryRun: false, check: false }
    const report = await backup({ ...this.vault.context, btrfs }, options)
    assert.equal(report.exitStatus, 0, JSON.stringify(report))
  }

  read(key: string): Manifest {
    return decodeManifest(this.vault.readObject(key), key)
  }

  /** Puts a manifest, and all that stands beside it, in place of what is there. */
  sign(manifest: Manifest, key: SigningKey): void {
    const bytes = encodeManifest(manifest)
    const { signature } = signManifest(manifest, bytes, key)
    const before = this.keysOf(manifest.seq)
    const name = this.manifests[manifest.seq] as string
    this.vault.writeObject(name, bytes)
    this.vault.writeObject(`${name}.sig`, signature)
    // Names follow the manifest; the test writes what lies under them.
    for (const [n, to] of this.keysOf(manifest.seq).entries()) {
      if (!this.allObjects().includes(to))
        this.vault.writeObject(to, this.vault.readObject(before[n] as string))
    }
  }

  async ownKey(): Promise<SigningKey> {
    return await readSigningKey(this.vault.config.keys.signingKey)
  }

  keysOf(seq: number): string[] {
    return [...namedObjects(this.read(this.manifests[seq] as string))].map(({ key }) => key)
  }

  segmentsOf(seq: number): string[] {
    return this.keysOf(seq).filter(key => key.startsWith('segments/'))
  }

  /** Else their sizes would tell already. */
  twoOfOneSize(keys: readonly string[]): readonly [string, string] {
    const bySize = Object.values(Object.groupBy(keys, key => this.vault.readObject(key).length))
    const [one, other] = bySize.find(same => (same?.length ?? 0) > 1) ?? []
    if (one === undefined || other === undefined) throw new Error('all sizes differ')
    return [one, other]
  }

  oneOf(role: 'segment' | 'index', seq: number): string {
    return this.keysOf(seq).find(key =>
      key.startsWith(role === 'segment' ? 'seg' : 'ind'),
    ) as string
  }

  allObjects(): string[] {
    return [...this.vault.objects('segments/'), ...this.vault.objects('indexes/')]
  }
}

export function only(report: VerifyReport): SeriesVerification {
  const series = report.remotes.flatMap(remote => remote.series)
  assert.equal(series.length, 1, JSON.stringify(report, null, 1))
  return series[0] as SeriesVerification
}

export function last(report: VerifyReport): LevelCoverage {
  return only(report).coverage.at(-1) as LevelCoverage
}

export function refused(): ReturnType<Btrfs['startReceive']> {
  const done = Promise.reject(new Failure('receive-failed', 'cannot receive: a test says no'))
  done.catch(() => {})
  return { done }
}

export async function foreignKey(): Promise<SigningKey> {
  return loadSigningKey(generateSigningKey('mallory').privateKeyText, 'of a test')
}
