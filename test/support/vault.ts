// A ready world for tests of commands: a real btrfs with a source, keys, a configuration and a
// repository that was made by init; backup and restore as one call each.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { type BackupReport, backup } from '../../src/commands/backup.ts'
import { init } from '../../src/commands/init.ts'
import { keygen } from '../../src/commands/keygen.ts'
import { type RestoreOptions, type RestoreReport, restore } from '../../src/commands/restore.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Event } from '../../src/model/event.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { type BtrfsWorld, makeBtrfsWorld } from './btrfs-world.ts'

export interface VaultOptions {
  /** Names of sources, each a subvolume of that name. Default: `home`. */
  readonly sources?: readonly string[]
  /** Names of directory remotes. Default: `disk`. Every source goes to every remote. */
  readonly remotes?: readonly string[]
  /** Bytes, of whole MiB; the configuration file itself allows no less than 16 MiB. Default 1 MiB. */
  readonly segmentSizeBytes?: number
  /** A post-quantum identity, as keygen makes by default, instead of the quicker classic one. */
  readonly hybrid?: boolean
  /** `none` writes plain objects. Default `age`. */
  readonly encrypt?: 'age' | 'none'
  readonly timezone?: string
  /** Of each of the two filesystems. Default 512. */
  readonly sizeMiB?: number
  /** Leave init to the test. */
  readonly bare?: boolean
}

/** Needs root. Dispose of it, or its filesystems stay mounted until the next test sweeps them. */
export async function makeVault(options: VaultOptions = {}): Promise<Vault> {
  const sizeMiB = options.sizeMiB ?? 512
  const world = await makeBtrfsWorld({ sizeMiB, second: { sizeMiB } })
  try {
    return await prepare(world, options)
  } catch (error) {
    await world.destroy()
    throw error
  }
}

async function prepare(world: BtrfsWorld, options: VaultOptions): Promise<Vault> {
  const sources = options.sources ?? ['home']
  for (const name of sources) world.sh('btrfs -q subvolume create "$1"', world.path(name))
  mkdirSync(world.secondPath('out'))
  const vault = new Vault(world)
  const classic = options.hybrid !== true
  const out = vault.identity
  const { recipient } = await keygen(vault.context, { out, classic, dryRun: false })
  writeFileSync(vault.configFile, configText(world, options, recipient as string))
  vault.config = resized(await loadConfig(vault.configFile), options.segmentSizeBytes ?? 1024 ** 2)
  if (options.bare !== true) await vault.init()
  return vault
}

export class Vault {
  readonly world: BtrfsWorld
  /** What commands told on their way, oldest first; without progress. */
  readonly events: Event[] = []
  /** Progress events, oldest first. */
  readonly progress: Event[] = []
  /** As the file says, with the segment size that was asked for. */
  config!: Config
  /** Put around every store that a command opens; for faults and counts. */
  wrapStore: (store: Store) => Store = store => store

  constructor(world: BtrfsWorld) {
    this.world = world
  }

  get identity(): string {
    return this.world.outside('identity.txt')
  }

  get configFile(): string {
    return this.world.outside('config.yaml')
  }

  get signers(): string {
    return this.config.keys.allowedSigners
  }

  /** A folder on the second filesystem, for restores and scratch. */
  get out(): string {
    return this.world.secondPath('out')
  }

  get repositoryFolder(): string {
    return this.folderOf('disk')
  }

  /** Where a remote's objects lie. */
  folderOf(remote: string): string {
    return this.world.outside(`repository-${remote}`)
  }

  /** A new one each time, so that a test may change its parts. */
  get context(): Context {
    return {
      clock: systemClock,
      signal: new AbortController().signal,
      emit: event => (event.kind === 'progress' ? this.progress : this.events).push(event),
      btrfs: systemBtrfs,
      openStore: async (address, options) => {
        const opened = await openStore(address, { ...options, retryDeadlineMs: 0 })
        return { ...opened, store: this.wrapStore(opened.store) }
      },
      randomBytes: count => new Uint8Array(randomBytes(count)),
      hostname: 'testing',
      program: 'btrvault test',
    }
  }

  /** Writes a file into a source, and the folders that it needs. */
  write(path: string, contents: string | Uint8Array, source = 'home'): void {
    const file = this.world.path(source, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, contents)
  }

  async init() {
    const { config, identity } = this
    const kit = this.world.outside('kit.md')
    const report = await init(this.context, { config, remotes: [], identity, kit, dryRun: false })
    if (report.exitStatus !== 0) throw new Error(`init failed: ${JSON.stringify(report)}`)
    return report
  }

  /** Throws unless it went well. */
  async backup(...sources: string[]): Promise<BackupReport> {
    const { config } = this
    const report = await backup(this.context, { config, sources, dryRun: false, check: true })
    if (report.exitStatus !== 0) throw new Error(`backup failed: ${JSON.stringify(report)}`)
    return report
  }

  /** The newest of `home` into `out`, unless told otherwise. */
  async restore(options: Partial<RestoreOptions> = {}): Promise<RestoreReport> {
    const usual = {
      config: this.config,
      identity: this.identity,
      source: 'home',
      to: { folder: this.out },
      latestOnly: false,
      verify: 'full',
      mend: true,
      ignoreSpace: false,
      dryRun: false,
    } as const
    return await restore(this.context, { ...usual, ...options })
  }

  /** Keys of all objects below a prefix (`segments/`), in order. */
  objects(prefix: string, remote = 'disk'): string[] {
    return readdirSync(this.folderOf(remote), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(this.folderOf(remote).length + 1))
      .filter(key => key.startsWith(prefix))
      .sort()
  }

  readObject(key: string, remote = 'disk'): Uint8Array {
    return new Uint8Array(readFileSync(join(this.folderOf(remote), key)))
  }

  /** Behind every store's back. */
  writeObject(key: string, bytes: Uint8Array | string, remote = 'disk'): void {
    writeFileSync(join(this.folderOf(remote), key), bytes)
  }

  deleteObject(key: string, remote = 'disk'): void {
    rmSync(join(this.folderOf(remote), key))
  }

  /** Changes one bit of one byte. */
  flipByte(key: string, at: number, remote = 'disk'): void {
    const bytes = this.readObject(key, remote)
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ 1
    this.writeObject(key, bytes, remote)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.destroy()
  }
}

function configText(world: BtrfsWorld, options: VaultOptions, recipient: string): string {
  const { sources = ['home'], remotes = ['disk'], encrypt = 'age' } = options
  const encryption = encrypt === 'none' ? ', encrypt: none' : ''
  const toAll = remotes.map(remote => `${remote}: {}`).join(', ')
  return [
    `timezone: ${options.timezone ?? 'UTC'}`,
    `state: ${world.outside('state')}`,
    'keys:',
    `  recipients: [${recipient}]`,
    `  signing_key: ${world.outside('keys', 'signing')}`,
    `  allowed_signers: ${world.outside('keys', 'allowed_signers')}`,
    'sources:',
    ...sources.flatMap(name => [
      `  ${name}:`,
      `    path: ${world.path(name)}`,
      `    snapshots: ${world.path(`.snapshots-${name}`)}`,
      `    remotes: { ${toAll} }`,
    ]),
    'remotes:',
    ...remotes.map(
      name =>
        `  ${name}: { directory: { path: ${world.outside(`repository-${name}`)} }${encryption} }`,
    ),
    '',
  ].join('\n')
}

function resized(config: Config, segmentSizeBytes: number): Config {
  return { ...config, remotes: config.remotes.map(remote => ({ ...remote, segmentSizeBytes })) }
}
