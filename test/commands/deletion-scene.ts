// A repository in memory with backups, their objects and a clock: for the commands that forget and
// delete, and for a writer beside them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '../../src/base/clock.ts'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import type { AllowedSigner } from '../../src/catalog/allowed-signers.ts'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { loadCatalog, sha256Of } from '../../src/catalog/catalog.ts'
import { confirmObjects, namedObjects, putManifest } from '../../src/catalog/commit.ts'
import { createRepository, type Repository } from '../../src/catalog/repository.ts'
import { seriesIdOf } from '../../src/catalog/series-id.ts'
import { generateSigningKey, loadSigningKey, seriesSecretOf } from '../../src/catalog/signing.ts'
import { forget } from '../../src/commands/forget.ts'
import { prune } from '../../src/commands/prune.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { undelete } from '../../src/commands/undelete.ts'
import type { Config } from '../../src/config/config.ts'
import { objectKey } from '../../src/format/object-key.ts'
import type { Manifest } from '../../src/model/backup.ts'
import type { RunId, SourceName } from '../../src/model/ids.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { withCount } from '../../src/store/with-count.ts'
import { dayMs, manifestOf, signed } from '../catalog/sample-series.ts'
import { repositoryId } from '../format/samples.ts'
import { objectOf } from '../support/objects.ts'

const made = generateSigningKey('test')
export const key = loadSigningKey(made.privateKeyText, 'a test')
export const signersText = `btrvault ${made.publicKeyLine}\n`
export const signers: readonly AllowedSigner[] = parseAllowedSigners(signersText, 'a test')
export const series = seriesIdOf(seriesSecretOf(key), repositoryId, 'home' as SourceName)
const start = Date.parse('2026-11-21T00:00:00.000Z')

export class DeletionScene {
  readonly folder = mkdtempSync(join(tmpdir(), 'btrvault-deletion-'))
  readonly clock: FakeClock
  readonly store: MemoryStore
  wrap: (store: Store) => Store = store => store

  constructor(clock = new FakeClock(start), store?: MemoryStore) {
    this.clock = clock
    this.store = store ?? new MemoryStore({ now: () => this.clock.now() })
    writeFileSync(join(this.folder, 'sign'), made.privateKeyText, { mode: 0o600 })
    writeFileSync(join(this.folder, 'signers'), signersText)
  }

  get repository(): Repository {
    return { id: repositoryId, store: this.store }
  }

  get config(): Config {
    return {
      file: join(this.folder, 'config.yaml'),
      timezone: 'UTC',
      state: join(this.folder, 'state'),
      keys: {
        recipients: [],
        signingKey: join(this.folder, 'sign'),
        allowedSigners: join(this.folder, 'signers'),
      },
      sources: [
        {
          name: 'home' as SourceName,
          path: '/home',
          snapshots: { kind: 'own', folder: '/snapshots', keep: null },
          nested: { kind: 'ignore' },
          remotes: [
            {
              remote: 'disk',
              ruleSets: [soleRuleSet({ ...keepEverything, keep: { spans: [], last: 2 } })],
            },
          ],
        },
      ],
      remotes: [
        {
          name: 'disk',
          address: { kind: 'directory', path: this.folder },
          encrypt: 'age',
          compress: 'zstd',
          level: 1,
          segmentSizeBytes: 1024 ** 2,
          limit: {},
          access: 'full',
          graceMs: 7 * dayMs,
          maxDelete: { percent: 100 },
          retryDeadlineMs: 0,
        },
      ],
      warnings: [],
    }
  }

  get context(): Context {
    return {
      clock: this.clock,
      signal: new AbortController().signal,
      emit: () => {},
      btrfs: systemBtrfs,
      openStore: async () => await Promise.resolve(withCount(this.wrap(this.store))),
      randomBytes: count => new Uint8Array(count),
      hostname: 'test',
      program: 'btrvault test',
    }
  }

  async begin(): Promise<this> {
    const document = { id: repositoryId, createdAt: new Date(start) }
    await createRepository(this.store, document)
    return this
  }

  /** A backup with objects, a difference from number `parent` (0: full), an hour later. */
  async add(seq: number, parent: number): Promise<void> {
    const manifest = await this.write(seq, parent)
    await this.commit(manifest)
  }

  /** Objects of a run, as a writer stores them before its commit. */
  async write(seq: number, parent: number): Promise<Manifest> {
    this.clock.advance(3_600_000)
    const catalog = await loadCatalog(this.repository, { signers })
    const all = [
      ...(catalog.series.get(series) ?? []),
      ...(catalog.hidden.get(series) ?? []).map(({ backup }) => backup),
    ].sort((a, b) => a.manifest.seq - b.manifest.seq)
    const from = all.find(backup => backup.manifest.seq === parent)
    const now = new Date(this.clock.now())
    const bytes = new TextEncoder().encode(`object of ${seq}`)
    const sha256 = sha256Of(bytes)
    const run = seq.toString(16).padStart(32, '0') as RunId
    const base = manifestOf(seq)
    const manifest: Manifest = {
      ...base,
      series,
      run,
      createdAt: now,
      snapshot: { ...base.snapshot, createdAt: now, generation: seq },
      stream: { ...base.stream, bytes: 10 },
      parent: from
        ? { seq: parent, snapshot: from.manifest.snapshot.uuid, manifest: from.manifestSha256 }
        : null,
      previous: all.at(-1)?.manifestSha256 ?? null,
      segments: [{ sha256, bytes: bytes.length }],
      indexes: [{ sha256, bytes: bytes.length }],
    }
    for (const { key: name } of namedObjects(manifest)) {
      await this.store.put(name, objectOf(bytes))
    }
    return manifest
  }

  async commit(manifest: Manifest): Promise<void> {
    await confirmObjects(this.repository, manifest)
    await putManifest(this.repository, signed(manifest, key))
  }

  /** What a run left that was cut: one segment. */
  async orphan(run: number): Promise<string> {
    const place = {
      role: 'segment',
      series,
      run: `f${run.toString(16).padStart(31, '0')}` as RunId,
      n: 0,
      sha256: sha256Of(new Uint8Array(1)),
    } as const
    const name = objectKey(place, '.age')
    await this.store.put(name, objectOf('orphan'))
    return name
  }

  days(count: number): void {
    this.clock.advance(count * dayMs)
  }

  async forget(changes: Partial<Config['remotes'][0]> = {}) {
    const { config } = this
    const remotes = config.remotes.map(remote => ({ ...remote, ...changes }))
    return await forget(this.context, {
      config: { ...config, remotes },
      sources: [],
      remotes: [],
      dryRun: false,
      agree: async () => {},
    })
  }

  async prune() {
    const { config } = this
    const options = { config, remotes: [], dryRun: false, agree: async () => {} }
    return await prune(this.context, options)
  }

  async undelete(ids: readonly number[] | 'all') {
    const options = { config: this.config, source: 'home', ids, remotes: [], dryRun: false }
    return await undelete(this.context, options)
  }

  /** Ids; throws unless everything that is live or hidden is whole. */
  async look(): Promise<{ live: number[]; hidden: number[] }> {
    const { repository } = this
    const catalog = await loadCatalog(repository, { signers })
    if (catalog.problems.length > 0) throw new Error(JSON.stringify(catalog.problems))
    const live = catalog.series.get(series) ?? []
    const hidden = (catalog.hidden.get(series) ?? []).map(({ backup }) => backup)
    for (const { manifest } of [...live, ...hidden]) await confirmObjects(repository, manifest)
    const seqs = (all: typeof hidden) => all.map(({ manifest }) => manifest.seq)
    return { live: seqs([...live]), hidden: seqs(hidden) }
  }

  /** Numbers of the runs of which any object is there. */
  runs(): number[] {
    const found = new Set<number>()
    for (const name of this.store.objects.keys()) {
      const run = /^(?:segments|indexes)\/\w+\/0(\w+)\//.exec(name)?.[1]
      if (run !== undefined) found.add(Number.parseInt(run, 16))
    }
    return [...found].sort((a, b) => a - b)
  }

  fork(): DeletionScene {
    const clock = new FakeClock(this.clock.now())
    return new DeletionScene(clock, this.store.clone())
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
