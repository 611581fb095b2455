// Everything that a fault test needs around one source and one remote: a fake btrfs, keys, a
// configuration, a store; forked for each fault, so that every fault meets the same state.

import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os, { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { type BackupReport, backup } from '../../src/commands/backup.ts'
import { init } from '../../src/commands/init.ts'
import { keygen } from '../../src/commands/keygen.ts'
import { type RestoreReport, restore } from '../../src/commands/restore.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { type VerifyReport, verify } from '../../src/commands/verify.ts'
import type { Config, RemoteConfig } from '../../src/config/config.ts'
import type { Event } from '../../src/model/event.ts'
import { asSourceName, type SourceName } from '../../src/model/ids.ts'
import type { LockRule } from '../../src/model/lock.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { withCount } from '../../src/store/with-count.ts'
import { FakeBtrfs, type Received } from './fake-btrfs.ts'

// To start the pack threads is most of what such a small run costs; the tests themselves run side
// by side. Named imports of node:os follow what is put into the module's object.
os.availableParallelism = () => 1
syncBuiltinESMExports()

/** A folder in memory where there is one: these tests sync hundreds of small files. */
export function makeFolder(): string {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  sweep(base)
  return mkdtempSync(join(base, prefix))
}

const prefix = 'btrvault-faults-'
const staleMs = 3_600_000

/** What killed runs left is removed an hour later. */
function sweep(base: string): void {
  for (const name of readdirSync(base)) {
    const path = join(base, name)
    if (!name.startsWith(prefix)) continue
    const made = statSync(path, { throwIfNoEntry: false })
    if (made === undefined || Date.now() - made.mtimeMs < staleMs) continue
    rmSync(path, { recursive: true, force: true })
  }
}

const oneMiB = 1024 * 1024

export class Stand {
  readonly root: string
  /** Undefined: the real directory store. */
  readonly store: MemoryStore | undefined
  readonly btrfs: FakeBtrfs
  readonly events: Event[] = []
  /** Of the remote; the store then keeps locks. */
  lock: LockRule | undefined
  /** To the remote, as the configuration says. */
  access: RemoteConfig['access'] = 'full'

  constructor(root: string, store?: MemoryStore) {
    this.root = root
    this.store = store
    this.btrfs = new FakeBtrfs(root)
  }

  static async make(
    kind: 'memory' | 'directory' = 'memory',
    lock?: LockRule,
    access: RemoteConfig['access'] = 'full',
  ): Promise<Stand> {
    const locking = { now: () => Date.now(), locks: { mayLift: false } }
    const store = new MemoryStore(lock ? locking : {})
    const stand = new Stand(makeFolder(), kind === 'memory' ? store : undefined)
    stand.lock = lock
    stand.access = access
    const { btrfs, root } = stand
    btrfs.create(stand.source)
    mkdirSync(stand.snapshots, { mode: 0o700 })
    mkdirSync(stand.target, { recursive: true })
    mkdirSync(join(root, 'repo'))
    // Somebody else's snapshot of the same source, in the same folder.
    await btrfs.snapshot(stand.source, stand.foreign)
    const context = stand.context()
    const { config, identity } = await withKeys(stand, context)
    const kit = join(root, 'kit.md')
    const report = await init(context, { config, remotes: [], identity, kit, dryRun: false })
    if (report.exitStatus !== 0) throw new Error(JSON.stringify(report.remotes))
    return stand
  }

  /** The same state again, to be broken on its own; `forgetful`: as another machine sees it. */
  fork({ forgetful = false } = {}): Stand {
    const root = makeFolder()
    cpSync(this.root, root, { recursive: true })
    if (forgetful) rmSync(join(root, 'state'), { recursive: true })
    chmodSync(join(root, 'sign'), 0o600)
    const copy = new Stand(root, this.store?.clone())
    copy.lock = this.lock
    copy.access = this.access
    return copy
  }

  get source(): string {
    return join(this.root, 'fs', 'home')
  }

  get snapshots(): string {
    return join(this.root, 'fs', 'snapshots')
  }

  get foreign(): string {
    return join(this.snapshots, 'home.20200101T000000Z')
  }

  get target(): string {
    return join(this.root, 'fs2', 'out')
  }

  get state(): string {
    return join(this.root, 'state')
  }

  get repo(): string {
    return join(this.root, 'repo')
  }

  get identity(): string {
    return join(this.root, 'identity.txt')
  }

  get config(): Config {
    const recipient = /age1\w+/.exec(readFileSync(this.identity, 'utf8'))?.[0] ?? ''
    return {
      file: join(this.root, 'config.yaml'),
      timezone: 'UTC',
      state: this.state,
      keys: {
        recipients: [recipient],
        signingKey: join(this.root, 'sign'),
        allowedSigners: join(this.root, 'allowed_signers'),
      },
      sources: [
        {
          name: asSourceName('home') as SourceName,
          path: this.source,
          snapshots: { kind: 'own', folder: this.snapshots, keep: null },
          nested: { kind: 'refuse' },
          remotes: [{ remote: 'disk', ruleSets: [soleRuleSet(keepEverything)] }],
        },
      ],
      remotes: [
        {
          name: 'disk',
          address: { kind: 'directory', path: this.repo },
          encrypt: 'age',
          compress: 'zstd',
          level: 1,
          segmentSizeBytes: oneMiB,
          limit: {},
          access: this.access,
          graceMs: 0,
          maxDelete: { percent: 20 },
          retryDeadlineMs: 0,
          ...(this.lock && { lock: this.lock }),
        },
      ],
      warnings: [],
    }
  }

  context(overrides: Partial<Context> = {}): Context {
    return {
      clock: systemClock,
      signal: new AbortController().signal,
      emit: event => this.events.push(event),
      btrfs: this.btrfs,
      openStore: this.openStore(),
      randomBytes: count => new Uint8Array(randomBytes(count)),
      hostname: 'host',
      program: 'btrvault test',
      ...overrides,
    }
  }

  /** The store in memory itself. */
  get openedStore(): MemoryStore {
    if (this.store === undefined) throw new Error('this stand has a directory')
    return this.store
  }

  /** The store, opened anew each time, inside what `wrap` makes of it; never retried. */
  openStore(wrap: (store: Store) => Store = store => store): Context['openStore'] {
    return async (address, options) => {
      const { store } = this
      const inner = store ?? (await openStore(address, { ...options, retryDeadlineMs: 0 })).store
      return withCount(wrap(inner))
    }
  }

  async backup(overrides: Partial<Context> = {}): Promise<BackupReport> {
    const { config } = this
    return await backup(this.context(overrides), {
      config,
      sources: [],
      dryRun: false,
      check: true,
    })
  }

  async restore(
    what: { readonly id?: number; readonly latestOnly?: boolean } = {},
    overrides: Partial<Context> = {},
  ): Promise<RestoreReport> {
    return await restore(this.context(overrides), {
      config: this.config,
      identity: this.identity,
      source: 'home',
      id: what.id,
      to: { folder: this.target },
      latestOnly: what.latestOnly ?? false,
      verify: 'none',
      mend: false,
      ignoreSpace: false,
      dryRun: false,
    })
  }

  /** Decrypts every object of every backup. */
  async verify(): Promise<VerifyReport> {
    const { config, identity } = this
    const what = { level: 'decrypts', sources: [], remotes: [] } as const
    return await verify(this.context(), { config, identity, ...what })
  }

  /** What `btrfs receive` was fed by the restores so far. */
  get received(): readonly Received[] {
    return this.btrfs.streams
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

async function withKeys(stand: Stand, context: Context) {
  const { identity } = stand
  await keygen(context, { out: identity, classic: true, dryRun: false })
  return { config: stand.config, identity }
}
