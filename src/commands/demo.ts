// The story of the demonstration: a btrfs is made and filled, and this very program is run on it as a
// user would run it, by command lines that are shown. Whether what came back is equal is judged by
// tools that are not ours.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, isFailure, throwIfAborted } from '../base/failure.ts'
import { runProgram, startProgram } from '../base/process.ts'
import { formatBytes } from '../base/units.ts'
import { decodeManifest } from '../format/manifest.ts'
import { parseManifestKey } from '../format/object-key.ts'
import { storedBytes } from '../model/backup.ts'
import { changeTree, countTree, fillTree, type TreeFacts } from './demo/tree.ts'
import { compareLists, type ListDifference, walk, walkScript } from './demo/walk.ts'
import { checkDemoCanRun, DemoWorld, sweepDemos } from './demo/world.ts'
import type { Context } from './shared/context.ts'
import { incompleteStatus } from './shared/report.ts'

export interface DemoOptions {
  /** Leave the folder when all is done. */
  readonly keep: boolean
  readonly program: OwnProgram
  readonly tell: (news: DemoNews) => void
}

/** How to start this program again, as a user would. */
export interface OwnProgram {
  /** Node, its options and the script. */
  readonly command: readonly string[]
  /** Whether the user sees what the program prints to standard output. */
  readonly isShown: boolean
  readonly env: Readonly<Record<string, string>>
}

export type DemoNews =
  | { readonly kind: 'begin'; readonly folder: string }
  /** Something new is about to be done, and why. */
  | { readonly kind: 'chapter'; readonly title: string; readonly words: string }
  /** A command line, before it is run; `ours` is this program. */
  | { readonly kind: 'command'; readonly line: string; readonly ours: boolean }
  | { readonly kind: 'fact'; readonly text: string }
  | ({ readonly kind: 'judged'; readonly what: string } & Judgement)

export interface Judgement extends ListDifference {
  readonly lineCount: number
}

export interface DemoReport {
  /** Null when it was removed. */
  readonly folder: string | null
  readonly tree: TreeFacts
  readonly backups: readonly DemoBackup[]
  readonly commands: readonly DemoCommand[]
  /** Both points in time, in order. */
  readonly restored: readonly (Judgement & { readonly id: number })[]
  readonly durationMs: number
  readonly exitStatus: number
}

/** As the manifests say. */
export interface DemoBackup {
  readonly id: number
  readonly readBytes: number
  readonly storedBytes: number
}

export interface DemoCommand {
  readonly line: string
  readonly durationMs: number
}

export async function demo(context: Context, options: DemoOptions): Promise<DemoReport> {
  await checkDemoCanRun()
  await sweepDemos()
  await using world = await DemoWorld.make(context)
  try {
    const report = await perform(new Stage(context, options, world), options)
    if (options.keep) await world.keep()
    return report
  } catch (error) {
    // Where it went wrong is what somebody wants to look around in.
    if (options.keep && !isFailure(error, 'interrupted')) await world.keep()
    throw error
  }
}

async function perform(stage: Stage, { keep, tell }: DemoOptions): Promise<DemoReport> {
  const { world, commands } = stage
  tell({ kind: 'begin', folder: world.folder })
  const tree = await makeTree(stage)
  await prepare(stage)
  await backUpTwice(stage)
  await look(stage)
  const restored = await restoreBoth(stage)
  const exitStatus = restored.every(({ equal }) => equal) ? 0 : incompleteStatus
  return {
    folder: keep ? world.folder : null,
    tree,
    backups: await readManifests(world),
    commands,
    restored,
    durationMs: stage.elapsedMs(),
    exitStatus,
  }
}

async function makeTree(stage: Stage): Promise<TreeFacts> {
  const { world, signal } = stage
  stage.chapter(
    'A home to protect',
    'A btrfs in a file, with thousands of small files, large ones, hard links, reflinks, holes, extended attributes, access lists, devices, and names that no program likes.',
  )
  const args = ['subvolume', 'create', 'source/home']
  stage.tell({ kind: 'command', line: `btrfs ${args.join(' ')}`, ours: false })
  await runProgram({ program: 'btrfs', args, folder: world.folder, signal })
  await fillTree(world.path('source/home'), signal)
  await writeFile(world.path('walk.sh'), walkScript)
  return stage.countTree()
}

async function prepare(stage: Stage): Promise<void> {
  const { world } = stage
  stage.chapter(
    'Keys and a repository, once',
    'The identity decrypts; on a real machine it would be kept elsewhere. The program itself only needs its public half, and signs what it writes. (Classic keys are short; without --classic they are post-quantum.)',
  )
  await stage.run('keygen', '--classic', '--out', 'identity.txt')
  const recipient = await readRecipient(world.path('identity.txt'))
  await writeFile(world.path('config.yaml'), configText(world.folder, recipient))
  stage.tell({
    kind: 'fact',
    text: 'And config.yaml was written: source home, remote disk, and that recipient.',
  })
  await stage.run('init', '--identity', 'identity.txt')
}

async function backUpTwice(stage: Stage): Promise<void> {
  stage.chapter(
    'The first backup',
    'A read-only snapshot is sent in full: compressed, encrypted, signed. Each object is opened again and compared before it is stored.',
  )
  await stage.run('backup')
  await stage.walk('source/home', 'home-1.list')
  stage.chapter('A week later', 'Files are new, edited, moved, replaced and gone.')
  await changeTree(stage.world.path('source/home'), stage.signal)
  await stage.countTree()
  await stage.run('plan')
  await stage.run('backup')
  await stage.walk('source/home', 'home-2.list')
}

async function look(stage: Stage): Promise<void> {
  stage.chapter('What there is', 'And the proof that all of it can be decrypted.')
  await stage.run('list')
  await stage.run('verify', '--level', 'decrypts', '--identity', 'identity.txt')
  await stage.run('status')
}

async function restoreBoth(stage: Stage): Promise<(Judgement & { id: number })[]> {
  stage.chapter(
    'Both points in time, on another btrfs',
    'For the second only the difference is fetched: the first is there by then. Both are compared with what the source was, by find, sha256sum and getfattr.',
  )
  const restored: (Judgement & { id: number })[] = []
  const known = new Set<string>()
  for (const [id, choice] of [
    [1, ['--backup', '1']],
    [2, []],
  ] as const) {
    await stage.run('restore', 'home', ...choice, '--to', 'target', '--identity', 'identity.txt')
    const name = (await readdir(stage.world.path('target'))).find(one => !known.has(one))
    if (name === undefined) throw new Error('a restore that succeeded made nothing')
    known.add(name)
    restored.push({ id, ...(await stage.judge(join('target', name), id)) })
  }
  return restored
}

/** What the acts of the demonstration share: the world, the news, the costs. */
class Stage {
  readonly world: DemoWorld
  readonly signal: AbortSignal
  readonly commands: DemoCommand[] = []
  readonly tell: (news: DemoNews) => void
  readonly #context: Context
  readonly #program: OwnProgram
  readonly #begun: number

  constructor(context: Context, { program, tell }: DemoOptions, world: DemoWorld) {
    this.world = world
    this.signal = context.signal
    this.tell = tell
    this.#context = context
    this.#program = program
    this.#begun = context.clock.now()
  }

  elapsedMs(): number {
    return this.#context.clock.now() - this.#begun
  }

  chapter(title: string, words: string): void {
    throwIfAborted(this.signal)
    this.tell({ kind: 'chapter', title, words })
  }

  /** Runs this program as a user would, in a process of its own; Failure 'failed' unless it succeeds. */
  async run(...args: readonly string[]): Promise<void> {
    const line = `btrvault ${args.join(' ')}`
    this.tell({ kind: 'command', line, ours: true })
    const begun = this.#context.clock.now()
    const { command, isShown, env } = this.#program
    const [program = '', ...own] = command
    const outcome = await startProgram({
      program,
      args: [...own, ...args],
      folder: this.world.folder,
      ...(isShown && { stdout: 1 }),
      stderr: 2,
      env: { ...env, BTRVAULT_CONFIG: this.world.path('config.yaml') },
      signal: this.signal,
      killGraceMs: 15_000,
    }).done
    this.commands.push({ line, durationMs: this.#context.clock.now() - begun })
    if (outcome.kind === 'exited' && outcome.status === 0) return
    const how = outcome.kind === 'exited' ? `status ${outcome.status}` : outcome.by
    throw new Failure('failed', `cannot finish the demonstration: ${line} ended with ${how}`, {
      hint: 'what it said stands above; please report it, for a demonstration should work',
    })
  }

  async countTree(): Promise<TreeFacts> {
    const facts = await countTree(this.world.path('source/home'), this.signal)
    const { fileCount, folderCount, apparentBytes } = facts
    const size = formatBytes(apparentBytes)
    const text = `${fileCount.toLocaleString('en-US')} files in ${folderCount} folders, ${size} as ls counts them`
    this.tell({ kind: 'fact', text })
    return facts
  }

  async walk(tree: string, list: string): Promise<number> {
    this.tell({ kind: 'command', line: `bash walk.sh ${tree} > ${list}`, ours: false })
    const { folder } = this.world
    return await walk({ folder, tree, list, signal: this.signal })
  }

  async judge(tree: string, id: number): Promise<Judgement> {
    const [before, after] = [`home-${id}.list`, `restored-${id}.list`] as const
    const lineCount = await this.walk(tree, after)
    this.tell({ kind: 'command', line: `diff ${before} ${after}`, ours: false })
    const difference = await compareLists(this.world.folder, [before, after], this.signal)
    const judgement = { ...difference, lineCount }
    this.tell({ kind: 'judged', what: `backup ${id}`, ...judgement })
    return judgement
  }
}

/** age-keygen's way, and ours: the public key stands in a comment. */
async function readRecipient(file: string): Promise<string> {
  const match = /# public key: (\S+)/.exec(await readFile(file, 'utf8'))
  if (match === null) throw new Error('keygen wrote an identity without its recipient')
  return match[1] as string
}

function configText(folder: string, recipient: string): string {
  return `timezone: UTC
state: ${folder}/state
keys:
  recipients: [${recipient}]
  signing_key: ${folder}/keys/signing_key
  allowed_signers: ${folder}/keys/allowed_signers
sources:
  home:
    path: ${folder}/source/home
    snapshots: ${folder}/source/.snapshots
    remotes: { disk: {} }
remotes:
  disk: { directory: { path: ${folder}/repository } }
`
}

async function readManifests(world: DemoWorld): Promise<DemoBackup[]> {
  const repository = world.path('repository')
  const names = await readdir(join(repository, 'manifests'), { recursive: true })
  const backups: DemoBackup[] = []
  for (const name of names.sort()) {
    const key = `manifests/${name}`
    if (parseManifestKey(key)?.part !== 'manifest') continue
    const manifest = decodeManifest(new Uint8Array(await readFile(join(repository, key))), key)
    backups.push({
      id: manifest.seq,
      readBytes: manifest.stream.bytes,
      storedBytes: storedBytes(manifest),
    })
  }
  return backups
}
