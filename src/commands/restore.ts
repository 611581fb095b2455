// The story of a restore: find the backup, its chain, what the target lacks of it; fetch, check,
// receive, judge, publish, compare.

import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Writable } from 'node:stream'
import { Failure, isFailure, throwIfAborted } from '../base/failure.ts'
import { formatBytes } from '../base/units.ts'
import { chainOf } from '../catalog/catalog.ts'
import { type Backup, storedBytes } from '../model/backup.ts'
import { WorkerPool } from '../pack/worker-pool.ts'
import { expectedTree } from '../restore/expected-tree.ts'
import { type MissingLinks, missingLinks } from '../restore/missing-links.ts'
import { readIndex, readIndexBegin } from '../restore/read-index.ts'
import { type Link, restoreChain } from '../restore/restore-chain.ts'
import { writeStream } from '../restore/write-stream.ts'
import type { Tree } from '../stream/tree.ts'
import { type Comparison, compareRestored, type HowMuch } from './restore/compare-restored.ts'
import { type Context, randomHex } from './shared/context.ts'
import { type FoundBackup, findBackup, type LookIn, Lookup } from './shared/find-backup.ts'

export interface RestoreOptions extends LookIn {
  readonly source: string
  readonly at?: Date | undefined
  readonly id?: number | undefined
  /** Where to: a folder on btrfs, or a stream for the verified send streams. */
  readonly to: { readonly folder: string } | { readonly stream: Writable }
  /** Name of a writable copy to make beside the snapshot. */
  readonly writable?: string | undefined
  readonly latestOnly: boolean
  readonly verify: HowMuch
  /** False passes streams on as they are: what `btrfs receive` loses is then told, not mended. */
  readonly mend?: boolean | undefined
  readonly ignoreSpace: boolean
  readonly dryRun: boolean
}

export interface RestoreReport {
  readonly dryRun: boolean
  readonly remote: string
  readonly source: string
  /** The wanted backup. */
  readonly id: number
  readonly snapshotTime: Date
  /** IANA name, for showing times. */
  readonly timezone: string
  /** Seqs of its chain, full first. */
  readonly chain: readonly number[]
  /** Seq of the newest that the target held already; null for none. */
  readonly present: number | null
  readonly fetchedBytes: number
  readonly receivedBytes: number
  readonly durationMs: number
  /** Paths that were made, in the order of the chain. */
  readonly published: readonly string[]
  readonly writable: string | null
  /** Null when nothing was compared. */
  readonly comparison: Comparison | null
  readonly exitStatus: number
}

export async function restore(context: Context, options: RestoreOptions): Promise<RestoreReport> {
  await using lookup = await Lookup.open(context, options)
  const found = await findBackup(context, lookup, options)
  const chain = chainOf(found.backup, found.backups)
  if ('stream' in options.to)
    return await restoreToStream({ context, options, lookup, found, chain })
  const { folder } = options.to
  await checkFolder(context, folder)
  const { signal, btrfs } = context
  const links = await missingLinks(btrfs, folder, { chain, signal })
  await checkSpace(context, options, { folder, links })
  return await restoreToFolder({ context, options, lookup, found, chain }, { folder, links })
}

interface Story {
  readonly context: Context
  readonly options: RestoreOptions
  readonly lookup: Lookup
  readonly found: FoundBackup
  readonly chain: readonly Backup[]
}

async function restoreToFolder(
  story: Story,
  { folder, links }: { folder: string; links: MissingLinks },
): Promise<RestoreReport> {
  const { context, options } = story
  const meter = new Meter(story, links.missing)
  const report = reportOf(story, links.present?.backup.manifest.seq ?? null, meter)
  if (options.dryRun) return report()
  const { published, tree } =
    links.missing.length === 0
      ? { published: [await publishPresent(story, links, folder)], tree: undefined }
      : await receiveMissing(story, { folder, links, meter })
  const restored = published.at(-1) as string
  const writable = options.writable === undefined ? null : join(folder, options.writable)
  if (writable !== null) await context.btrfs.writableCopy(restored, writable)
  const comparison = await compare(story, restored, tree)
  return report({ published, writable, comparison })
}

async function compare(
  story: Story,
  restored: string,
  tree: Tree | undefined,
): Promise<Comparison | null> {
  const { context, options, chain, found, lookup } = story
  if (options.verify === 'none') return null
  const { repository } = found
  const { identities } = lookup
  const places = (options.config?.sources ?? []).map(({ snapshots }) => snapshots)
  const howMuch = options.verify
  const task = { restored, howMuch, tree, chain, repository, identities, places }
  return compareRestored(context, task)
}

async function receiveMissing(
  story: Story,
  { folder, links, meter }: { folder: string; links: MissingLinks; meter: Meter },
): Promise<{ published: string[]; tree: Tree | undefined }> {
  const { context, options, lookup, found } = story
  await using pool = new WorkerPool()
  const { repository } = found
  const { btrfs, signal } = context
  const onFetched = (bytes: number) => meter.fetched(bytes)
  const opened: Link[] = []
  for (const backup of links.missing) {
    throwIfAborted(signal)
    const { identities } = lookup
    const index = await readIndex(repository, backup, { identities, signal, onFetched })
    opened.push({ backup, index })
  }
  const { published, tree } = await restoreChain({
    btrfs,
    repository,
    pool,
    target: folder,
    stagingName: `.btrvault-${randomHex(context, 6)}`,
    links: opened,
    base: links.present?.backup ?? null,
    latestOnly: options.latestOnly,
    mend: await mending(story, links),
    signal,
    onFetched,
    onReceived: bytes => meter.received(bytes),
    onLink: ({ backup }) => meter.link(backup),
  })
  meter.done()
  return { published: published.map(({ path }) => path), tree }
}

/** A difference is mended with the tree of what it is a difference from, out of the indexes. */
async function mending(
  { context, options, lookup, found, chain }: Story,
  { present }: MissingLinks,
): Promise<{ baseTree: Tree | undefined } | undefined> {
  if (options.mend === false) return undefined
  if (present === null) return { baseTree: undefined }
  const upToBase = chain.slice(0, chain.indexOf(present.backup) + 1)
  const { identities } = lookup
  try {
    const { signal } = context
    return { baseTree: await expectedTree(found.repository, upToBase, { identities, signal }) }
  } catch (error) {
    if (!isFailure(error) || error.code === 'interrupted') throw error
    context.emit({
      kind: 'warning',
      source: options.source,
      text: `${error.message}: restoring without mending what btrfs receive loses`,
    })
    return undefined
  }
}

/** The wanted snapshot is on the filesystem already; it only has to appear in the folder. */
async function publishPresent(
  story: Story,
  { present }: MissingLinks,
  folder: string,
): Promise<string> {
  if (present === null) throw new Error('nothing is missing, and nothing is there')
  const { btrfs, signal, emit } = story.context
  const { path, name } = present.snapshot
  emit({ kind: 'step', text: `the target holds this snapshot already, as ${path}` })
  const to = join(folder, (await nameInBackup(story)) ?? name)
  if (path === to) return path
  return (await btrfs.snapshot(path, to, { signal })).path
}

/** Snapper calls every snapshot the same; undefined when no identity tells, or it is no plain name. */
async function nameInBackup({ context, lookup, found }: Story): Promise<string | undefined> {
  const { identities } = lookup
  try {
    const options = { identities, signal: context.signal }
    const { snapshotName } = await readIndexBegin(found.repository, found.backup, options)
    const isPlain = basename(snapshotName) === snapshotName && !/^\.{0,2}$/.test(snapshotName)
    return isPlain ? snapshotName : undefined
  } catch (error) {
    if (!isFailure(error) || error.code === 'interrupted') throw error
    return undefined
  }
}

async function restoreToStream(story: Story): Promise<RestoreReport> {
  const { context, options, lookup, found } = story
  const chain = options.latestOnly ? [found.backup] : story.chain
  const meter = new Meter(story, chain)
  const report = reportOf({ ...story, chain }, null, meter)
  if (options.dryRun || !('stream' in options.to)) return report()
  await using pool = new WorkerPool()
  for (const backup of chain) {
    meter.link(backup)
    await writeStream({
      repository: found.repository,
      backup,
      parent: parentStream(backup, story.chain),
      identities: lookup.identities,
      pool,
      output: options.to.stream,
      signal: context.signal,
      onFetched: bytes => meter.fetched(bytes),
      onWritten: bytes => meter.received(bytes),
    })
  }
  meter.done()
  return report()
}

function parentStream({ manifest }: Backup, chain: readonly Backup[]) {
  if (manifest.parent === null) return null
  const { seq } = manifest.parent
  return chain.find(one => one.manifest.seq === seq)?.manifest.stream ?? null
}

async function checkFolder({ btrfs }: Context, folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  const hint = 'make a folder on a btrfs filesystem, and name that'
  if (!found?.isDirectory()) {
    throw new Failure('usage', `cannot restore to ${folder}: it is not a folder`, { hint })
  }
  try {
    await btrfs.filesystemOf(folder)
  } catch (cause) {
    throw new Failure('usage', `cannot restore to ${folder}: it is not on btrfs`, { hint, cause })
  }
}

async function checkSpace(
  { btrfs }: Context,
  { ignoreSpace }: RestoreOptions,
  { folder, links }: { folder: string; links: MissingLinks },
): Promise<void> {
  const { freeBytes } = await btrfs.filesystemOf(folder)
  const needed = links.missing.reduce((sum, { manifest }) => sum + manifest.stream.bytes, 0)
  if (needed <= freeBytes || ignoreSpace) return
  throw new Failure(
    'no-space',
    `cannot restore to ${folder}: ${formatBytes(needed)} are to be received, ${formatBytes(freeBytes)} are free`,
    {
      hint: 'free space; or --ignore-space, when the target compresses or the chain overwrites itself',
    },
  )
}

/** Restored, but not in everything as it was. */
const differs = new Failure('incomplete', 'the restored snapshot differs')

function reportOf({ found, options, chain }: Story, present: number | null, meter: Meter) {
  const { manifest } = found.backup
  return (made: Partial<RestoreReport> = {}): RestoreReport => ({
    dryRun: options.dryRun,
    remote: found.remote,
    source: options.source,
    id: manifest.seq,
    snapshotTime: manifest.snapshot.createdAt,
    timezone: options.config?.timezone ?? 'UTC',
    chain: chain.map(backup => backup.manifest.seq),
    present,
    ...meter.sums(),
    published: [],
    writable: null,
    comparison: null,
    exitStatus: made.comparison?.differenceCount ? differs.exitStatus : 0,
    ...made,
  })
}

/** Counts what moves, and tells the progress. */
class Meter {
  readonly #context: Context
  readonly #begun: number
  readonly #source: string
  readonly #totalBytes: number
  #fetchedBytes = 0
  #receivedBytes = 0

  constructor({ context, options }: Story, links: readonly Backup[]) {
    this.#context = context
    this.#begun = context.clock.now()
    this.#source = options.source
    this.#totalBytes = links.reduce((sum, { manifest }) => sum + manifest.stream.bytes, 0)
  }

  link({ manifest }: Backup): void {
    const cost = `${formatBytes(storedBytes(manifest))} to fetch`
    const text = `restoring backup ${manifest.seq} of ${this.#source}: ${cost}`
    this.#context.emit({ kind: 'step', source: this.#source, text })
  }

  fetched(bytes: number): void {
    this.#fetchedBytes += bytes
    this.#emit(false)
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes
    this.#emit(false)
  }

  done(): void {
    this.#emit(true)
  }

  sums() {
    const durationMs = this.#context.clock.now() - this.#begun
    return { fetchedBytes: this.#fetchedBytes, receivedBytes: this.#receivedBytes, durationMs }
  }

  #emit(done: boolean): void {
    this.#context.emit({
      kind: 'progress',
      subject: this.#source,
      readBytes: this.#receivedBytes,
      storedBytes: this.#fetchedBytes,
      totalBytes: this.#totalBytes,
      done,
    })
  }
}
