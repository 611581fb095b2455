// A whole world for one test: a source subvolume on a real btrfs, keys, a configuration, a
// repository, a second btrfs to restore to; and the program's own stories to run there.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import { type BackupReport, backup, type SendReport } from '../../src/commands/backup.ts'
import { init } from '../../src/commands/init.ts'
import { keygen } from '../../src/commands/keygen.ts'
import { type RestoreOptions, type RestoreReport, restore } from '../../src/commands/restore.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Event } from '../../src/model/event.ts'
import { openStore } from '../../src/store/open.ts'
import { type BtrfsWorld, makeBtrfsWorld, type WorldOptions } from '../support/btrfs-world.ts'
import { type Walk, walk } from './walk.ts'

export type KeyKind = 'x25519' | 'hybrid' | 'ssh-ed25519' | 'ssh-rsa' | 'rsa-pem'

export interface SceneOptions {
  readonly world?: WorldOptions
  readonly keys?: KeyKind
  /** YAML of the remote, its place first. Default: a directory. */
  readonly remote?: (world: BtrfsWorld) => string
  /** YAML of the source's rules on the remote, in one line. Default: `{}`. */
  readonly rules?: string
  /** Further YAML of the remote: `encrypt: none`, … */
  readonly remoteRules?: string
  /** Smaller than a configuration may ask for. */
  readonly segmentSizeBytes?: number
  readonly protocol?: 1 | 2
}

/** A backup that was made, and its snapshot as the independent walker saw it then. */
export interface Point {
  readonly send: SendReport
  readonly walk: Walk
}

export interface Scene extends AsyncDisposable {
  readonly world: BtrfsWorld
  readonly context: Context
  readonly config: Config
  readonly identity: string
  readonly events: Event[]
  /** Of the directory repository. */
  readonly repository: string
  /** A path in the source. */
  home(...parts: string[]): string
  /** Changes the source by the random generator. */
  mutate(seed: number, count: number, ...options: string[]): void
  backup(options?: { readonly dryRun?: boolean; readonly context?: Context }): Promise<BackupReport>
  /** Backs up, expects one backup, and walks its snapshot. */
  point(): Promise<Point>
  /** Into a folder on the second filesystem, made if need be; a path from there. */
  restore(folder: string, options?: Partial<RestoreOptions>): Promise<RestoreReport>
  warnings(): string[]
}

export async function makeScene(options: SceneOptions = {}): Promise<Scene> {
  const world = await makeBtrfsWorld({ sizeMiB: 3072, second: { sizeMiB: 4096 }, ...options.world })
  try {
    return await furnish(world, options)
  } catch (error) {
    await world.destroy()
    throw error
  }
}

export function contextOf(events: Event[], protocol?: 1 | 2): Context {
  const btrfs = {
    ...systemBtrfs,
    versions: async (of?: Parameters<typeof systemBtrfs.versions>[0]) => ({
      ...(await systemBtrfs.versions(of)),
      ...(protocol && { protocol }),
    }),
  }
  return {
    clock: systemClock,
    signal: AbortSignal.timeout(600_000),
    btrfs,
    openStore,
    hostname: 'host-of-a-test',
    program: 'btrvault 0.0.0-test',
    randomBytes: count => new Uint8Array(randomBytes(count)),
    emit: event => {
      if (event.kind !== 'progress') events.push(event)
    },
  }
}

async function furnish(world: BtrfsWorld, options: SceneOptions): Promise<Scene> {
  world.sh('btrfs subvolume create home >/dev/null')
  const events: Event[] = []
  const context = contextOf(events, options.protocol)
  const { identity, recipient } = await makeKeys(context, world, options.keys ?? 'x25519')
  const configFile = world.outside('config.yaml')
  writeFileSync(configFile, configText(world, recipient, options))
  const config = withSegments(await loadConfig(configFile), options.segmentSizeBytes)
  const kit = world.outside('kit.md')
  const made = await init(context, { config, remotes: [], identity, kit, dryRun: false })
  assert.equal(made.exitStatus, 0, JSON.stringify(made.remotes))
  const parts = { world, context, config, identity, events }
  return { ...parts, ...actions(parts), [Symbol.asyncDispose]: () => world.destroy() }
}

function actions(
  scene: Pick<Scene, 'world' | 'context' | 'config' | 'identity' | 'events'>,
): Omit<Scene, keyof typeof scene | typeof Symbol.asyncDispose> {
  const { world, context, config, identity, events } = scene
  const run: Scene['backup'] = options =>
    backup(options?.context ?? context, {
      config,
      sources: [],
      dryRun: options?.dryRun ?? false,
      check: true,
    })
  return {
    repository: world.outside('repository'),
    home: (...parts) => world.path('home', ...parts),
    mutate: (seed, count, ...more) =>
      mutate(world.path('home'), [String(seed), String(count), ...more]),
    backup: run,
    point: async () => {
      const report = await run()
      const [source] = report.sources
      assert.equal(report.exitStatus, 0, JSON.stringify(source?.failures))
      const [send] = source?.sends ?? []
      assert.ok(send, 'no backup was made')
      return { send, walk: walk(world.path('.snapshots', send.snapshot)) }
    },
    restore: (folder, more = {}) => {
      const target = resolve(world.secondPath(), folder)
      mkdirSync(target, { recursive: true })
      return restore(context, { ...defaults, config, identity, to: { folder: target }, ...more })
    },
    warnings: () => events.filter(event => event.kind === 'warning').map(({ text }) => text),
  }
}

const defaults = {
  source: 'home',
  latestOnly: false,
  verify: 'full',
  ignoreSpace: false,
  dryRun: false,
} as const

function mutate(root: string, args: readonly string[]): void {
  const script = join(import.meta.dirname, '../support/mutate.py')
  execFileSync('/usr/bin/python3', [script, root, ...args], { timeout: 120_000 })
}

async function makeKeys(context: Context, world: BtrfsWorld, kind: KeyKind) {
  const identity = world.outside('identity')
  if (kind === 'x25519' || kind === 'hybrid') {
    const made = await keygen(context, { out: identity, classic: kind === 'x25519', dryRun: false })
    return { identity, recipient: made.recipient as string }
  }
  const [type, bits] = kind === 'ssh-ed25519' ? ['ed25519', '256'] : ['rsa', '3072']
  world.shOutside('ssh-keygen -q -t "$1" -b "$2" -N "" -C "" -f identity', type, bits)
  if (kind !== 'rsa-pem') {
    return { identity, recipient: readFileSync(`${identity}.pub`, 'utf8').trim() }
  }
  const recipient = world.shOutside('ssh-keygen -e -m PKCS8 -f identity.pub')
  world.shOutside('ssh-keygen -q -p -m PEM -N "" -P "" -f identity')
  return { identity, recipient }
}

function configText(world: BtrfsWorld, recipient: string, options: SceneOptions): string {
  const place = options.remote?.(world) ?? `directory: { path: ${world.outside('repository')} }`
  const rules = options.remoteRules === undefined ? '' : `\n    ${options.remoteRules}`
  return `timezone: Europe/Paris
state: ${world.outside('state')}
keys:
  recipients: [${JSON.stringify(recipient)}]
  signing_key: ${world.outside('keys/sign')}
  allowed_signers: ${world.outside('keys/allowed_signers')}
sources:
  home:
    path: ${world.path('home')}
    snapshots: ${world.path('.snapshots')}
    remotes: { there: ${options.rules ?? '{}'} }
remotes:
  there:
    ${place}${rules}
`
}

function withSegments(config: Config, segmentSizeBytes: number | undefined): Config {
  if (segmentSizeBytes === undefined) return config
  return { ...config, remotes: config.remotes.map(remote => ({ ...remote, segmentSizeBytes })) }
}
