// A btrfs without a kernel: subvolumes are lines of a file, send streams are made from a number,
// and what `btrfs receive` would be fed is written down. It outlives a process that is killed, so
// that the next one finds what was there.

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  write as writeFd,
  writeFileSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { basename, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { concatBytes } from '../../src/base/bytes.ts'
import { Failure } from '../../src/base/failure.ts'
import type { Btrfs } from '../../src/btrfs/btrfs.ts'
import type { BtrfsVersions, Filesystem } from '../../src/btrfs/filesystem.ts'
import type { MatchedFolder } from '../../src/btrfs/matching.ts'
import type { ReceiveCall, RunningReceive } from '../../src/btrfs/receive.ts'
import { type RunningSend, type SendCall, sendArguments } from '../../src/btrfs/send.ts'
import { asUuid, type Uuid } from '../../src/model/ids.ts'
import { matchesPart } from '../../src/model/snapshot-pattern.ts'
import type { NestedSubvolume, ReceivedMatches, Subvolume } from '../../src/model/subvolume.ts'
import { encodeCommand, encodeHead } from '../../src/stream/encode.ts'
import { StreamGuard, type StreamIdentity } from '../../src/stream/guard.ts'
import { patternBytes } from '../support/objects.ts'

/** A subvolume as it is kept: paths relative to the root, and which contents it has. */
interface Kept extends Omit<Subvolume, 'createdAt' | 'path' | 'name'> {
  readonly path: string
  readonly createdAt: number
  readonly contents: number
}

interface World {
  readonly nextId: number
  readonly generation: number
  readonly subvolumes: readonly Kept[]
}

/** What one `btrfs receive` was given. */
export interface Received {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Its stdin was ended, not only abandoned. */
  readonly ended: boolean
}

const version = 2
const writeSize = 48 * 1024

export class FakeBtrfs implements Btrfs {
  readonly root: string
  /** Raw bytes of a full stream, about. */
  readonly contentBytes: number
  readonly received: { chunks: Uint8Array<ArrayBuffer>[]; ended: boolean }[] = []

  constructor(root: string, contentBytes = 1_300_000) {
    this.root = root
    this.contentBytes = contentBytes
  }

  /** Makes a writable subvolume; for a test to begin with. */
  create(path: string): void {
    mkdirSync(path, { recursive: true })
    this.#add(path, { readOnly: false, sourceUuid: null, contents: 1 })
  }

  /** The user writes into a subvolume. */
  change(path: string): void {
    const found = this.#kept(path)
    const { generation } = this.#world()
    this.#replace({ ...found, contents: found.contents + 1, generation: generation + 1 })
  }

  /** From now on its subvolumes get other ids and uuids: it is another machine's. */
  renumber(by: number): void {
    const world = this.#world()
    this.#save({ ...world, nextId: world.nextId + by })
  }

  /** What was received, in order. */
  get streams(): readonly Received[] {
    return this.received.map(({ chunks, ended }) => ({ bytes: concatBytes(chunks), ended }))
  }

  paths(): string[] {
    return this.#world().subvolumes.map(({ path }) => join(this.root, path))
  }

  uuidOf(path: string): Uuid {
    return this.#kept(path).uuid
  }

  /** What a child's stream must name as its parent. */
  identityOf(path: string): StreamIdentity {
    const { uuid, creationGeneration } = this.#kept(path)
    return { uuid, ctransid: creationGeneration }
  }

  contentsOf(path: string): number {
    return this.#kept(path).contents
  }

  /** What `btrfs send` writes: the same every time. */
  streamOf(snapshot: string, parent?: StreamIdentity | null): Uint8Array<ArrayBuffer> {
    const sent = this.#kept(snapshot)
    const head = encodeHead({
      version,
      name: basename(snapshot),
      uuid: sent.uuid,
      ctransid: sent.creationGeneration,
      parent: parent ?? null,
    })
    const name = `file-${sent.contents}`
    const commands = [
      encodeCommand(
        'mkfile',
        [
          ['path', name],
          ['ino', 256 + sent.contents],
        ],
        version,
      ),
    ]
    const bytes = patternBytes(this.contentBytes, sent.contents)
    for (let at = 0; at < bytes.length; at += writeSize) {
      const data = bytes.subarray(at, at + writeSize)
      const attributes = [
        ['path', name],
        ['fileOffset', at],
        ['data', data],
      ] as const
      commands.push(encodeCommand('write', attributes, version))
    }
    return concatBytes([head, ...commands, encodeCommand('end', [], version)])
  }

  async show(path: string): Promise<Subvolume> {
    const found = await this.find(path)
    if (found !== undefined) return found
    throw new Failure('btrfs-failed', `cannot show ${path}: there is no subvolume`)
  }

  async find(path: string): Promise<Subvolume | undefined> {
    const kept = this.#world().subvolumes.find(one => one.path === this.#relative(path))
    return kept && this.#subvolume(kept)
  }

  async listIn(folder: string): Promise<readonly Subvolume[]> {
    const inside = this.#relative(folder)
    const found = this.#world().subvolumes.filter(({ path }) => dirname(path) === inside)
    return found.map(kept => this.#subvolume(kept)).sort((x, y) => (x.name < y.name ? -1 : 1))
  }

  async listMatching(pattern: string): Promise<readonly MatchedFolder[]> {
    const parts = pattern.split('/')
    const matches = (path: string) => {
      const names = path.split('/')
      return (
        names.length === parts.length &&
        parts.every((part, n) => matchesPart(part, names[n] as string))
      )
    }
    const found = this.#world().subvolumes.map(kept => this.#subvolume(kept))
    return found
      .filter(({ path }) => matches(path))
      .map(one => ({ path: one.path, subvolume: one }))
  }

  async nested(): Promise<readonly NestedSubvolume[]> {
    return []
  }

  async findReceived(anyPath: string, uuid: Uuid): Promise<ReceivedMatches> {
    const filesystem = this.#relative(anyPath).split('/')[0]
    const usable = this.#world()
      .subvolumes.filter(one => one.path.split('/')[0] === filesystem && one.readOnly)
      .filter(one => one.uuid === uuid || one.receivedUuid === uuid)
    return { usable: usable.map(kept => this.#subvolume(kept)), inTheWay: [] }
  }

  async snapshot(source: string, destination: string): Promise<Subvolume> {
    if ((await this.find(destination)) !== undefined) {
      throw new Failure('btrfs-failed', `cannot make snapshot ${destination}: it exists already`)
    }
    const from = this.#kept(source)
    const { receivedUuid, sendTransid } = from.readOnly
      ? from
      : { receivedUuid: null, sendTransid: 0 }
    const facts = { readOnly: true, sourceUuid: from.uuid, contents: from.contents }
    this.#add(destination, { ...facts, receivedUuid, sendTransid })
    // A snapshot raises its source's generation to its own.
    const { generation } = this.#world()
    if (!from.readOnly) this.#replace({ ...from, generation })
    return this.show(destination)
  }

  async deleteSnapshot(path: string, expected: Uuid): Promise<boolean> {
    const found = await this.find(path)
    if (found === undefined) return false
    if (found.uuid !== expected || !found.readOnly) {
      throw new Failure('refused', `cannot delete snapshot ${path}: it is another`)
    }
    this.#remove(path)
    return true
  }

  async sync(): Promise<void> {}

  async writtenSince(): Promise<number> {
    return 0
  }

  async makeStaging(path: string): Promise<void> {
    mkdirSync(path, { mode: 0o700 })
  }

  async removeStaging(path: string): Promise<void> {
    for (const staged of await this.listIn(path)) this.#remove(staged.path)
    rmdirSync(path)
  }

  async discardStaged({ path }: Pick<Subvolume, 'path'>): Promise<void> {
    this.#remove(path)
  }

  async writableCopy(snapshot: string, destination: string): Promise<void> {
    const from = this.#kept(snapshot)
    this.#add(destination, { readOnly: false, sourceUuid: from.uuid, contents: from.contents })
  }

  startSend(call: SendCall): RunningSend {
    // The caller closes its own copy of the pipe's end as soon as we have ours.
    const fd = openSync(`/proc/self/fd/${call.output}`, 'w')
    const parent = call.parent === undefined ? undefined : this.identityOf(call.parent)
    const done = writeAll(fd, this.streamOf(call.snapshot, parent)).catch((cause: unknown) => {
      throw new Failure('send-failed', `cannot send snapshot ${call.snapshot}: nobody reads`, {
        cause,
      })
    })
    done.catch(() => {})
    return { argv: ['btrfs', ...sendArguments(call)], done }
  }

  startReceive({ staging, input, signal }: ReceiveCall): RunningReceive {
    const record = { chunks: [] as Uint8Array<ArrayBuffer>[], ended: false }
    this.received.push(record)
    // The caller closes its own copy of the pipe's end as soon as we have ours.
    const fd = openSync(`/proc/self/fd/${input}`, 'r')
    const stdin = new Socket({ fd, writable: false, signal })
    const done = this.#receiveFrom(stdin, record, staging)
    done.catch(() => {})
    return { done }
  }

  async #receiveFrom(
    stdin: AsyncIterable<Buffer>,
    record: { chunks: Uint8Array<ArrayBuffer>[]; ended: boolean },
    staging: string,
  ): Promise<void> {
    try {
      for await (const chunk of stdin) record.chunks.push(new Uint8Array(chunk))
    } catch (cause) {
      throw new Failure('interrupted', 'receive was stopped', { cause })
    }
    record.ended = true
    this.#receive(staging, concatBytes(record.chunks))
  }

  async filesystemOf(): Promise<Filesystem> {
    return {
      uuid: asUuid('00000000-1111-2222-3333-444444444444') as Uuid,
      mountPoint: this.root,
      readOnly: false,
      totalBytes: 2 ** 40,
      freeBytes: 2 ** 39,
      deviceErrorCount: 0,
      quotas: 'off',
      exclusiveOperation: 'none',
    }
  }

  async versions(): Promise<BtrfsVersions> {
    return { progs: '6.2', kernel: '6.18', protocol: version }
  }

  #receive(staging: string, bytes: Uint8Array): void {
    const guard = new StreamGuard({ expect: {} })
    guard.write(bytes)
    const { uuid, ctransid, name } = guard.finish()
    const contents = this.#world().subvolumes.find(one => one.uuid === uuid)?.contents ?? 0
    const marks = { receivedUuid: uuid, sendTransid: ctransid }
    const path = join(staging, Buffer.from(name).toString())
    this.#add(path, { readOnly: true, sourceUuid: null, contents, ...marks })
  }

  #add(
    path: string,
    facts: Pick<Kept, 'readOnly' | 'sourceUuid' | 'contents'> &
      Partial<Pick<Kept, 'receivedUuid' | 'sendTransid'>>,
  ): void {
    const world = this.#world()
    const generation = world.generation + 1
    const made: Kept = {
      receivedUuid: null,
      sendTransid: 0,
      receiveTransid: 0,
      ...facts,
      path: this.#relative(path),
      id: world.nextId,
      uuid: asUuid(`00000000-0000-4000-8000-${String(world.nextId).padStart(12, '0')}`) as Uuid,
      generation,
      creationGeneration: generation,
      createdAt: Math.floor(Date.now() / 1000) * 1000,
    }
    const subvolumes = [...world.subvolumes, made]
    this.#save({ nextId: world.nextId + 1, generation, subvolumes })
  }

  #remove(path: string): void {
    const gone = this.#relative(path)
    const world = this.#world()
    this.#save({ ...world, subvolumes: world.subvolumes.filter(one => one.path !== gone) })
  }

  #replace(kept: Kept): void {
    const world = this.#world()
    const subvolumes = world.subvolumes.map(one => (one.path === kept.path ? kept : one))
    this.#save({ ...world, generation: Math.max(world.generation, kept.generation), subvolumes })
  }

  #kept(path: string): Kept {
    const found = this.#world().subvolumes.find(one => one.path === this.#relative(path))
    if (found !== undefined) return found
    throw new Failure('btrfs-failed', `cannot find subvolume ${path}`)
  }

  #subvolume({ contents: _contents, createdAt, path, ...kept }: Kept): Subvolume {
    const absolute = join(this.root, path)
    return { ...kept, path: absolute, name: basename(path), createdAt: new Date(createdAt) }
  }

  #relative(path: string): string {
    return relative(this.root, path)
  }

  #world(): World {
    const file = join(this.root, 'fake-btrfs.json')
    if (!existsSync(file)) return { nextId: 256, generation: 10, subvolumes: [] }
    return JSON.parse(readFileSync(file, 'utf8')) as World
  }

  #save(world: World): void {
    const file = join(this.root, 'fake-btrfs.json')
    writeFileSync(`${file}.new`, JSON.stringify(world))
    renameSync(`${file}.new`, file)
  }
}

const writeSome = promisify(writeFd)

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await writeSome(fd, bytes, at, Math.min(65_536, bytes.length - at))
      at += bytesWritten
    }
  } finally {
    closeSync(fd)
  }
}
