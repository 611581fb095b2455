// Objects as files: a disk, a NAS mount, anything with a path.
//
// A new object is written to a temporary file, synced, linked to its name (which fails when the
// name is taken, also in a race), and the folder is synced: an acknowledged object survives a
// power cut, and no reader ever sees half of one.

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { pagedBytes } from '../../base/bytes.ts'
import { Failure, systemCodeOf, throwIfAborted } from '../../base/failure.ts'
import type { NewObject } from '../../model/object.ts'
import { checkKey, checkPrefix } from '../keys.ts'
import { checkRange, extentOf, tooShort } from '../ranges.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  PutOptions,
  Store,
  StoreFeatures,
} from '../store.ts'
import { directoryFailure } from './failures.ts'
import { FileWriter } from './file-writer.ts'
import { listFiles } from './list-files.ts'
import { readDirectoryTarget } from './target.ts'

export interface DirectoryOptions {
  /** Absolute; made a target by initDirectoryTarget() before. */
  readonly path: string
  /** Nothing will be put or deleted: opening leaves no trace. */
  readonly readOnly?: boolean | undefined
}

/**
 * Failure 'repository-missing' when the path is no target (a disk that is not mounted). Holds the
 * directory open, so that the disk cannot be unmounted under a run, and a run cannot write below a
 * mount point that was left empty.
 */
export async function openDirectoryStore(options: DirectoryOptions): Promise<Store> {
  const { path } = options
  if (!isAbsolute(path)) throw new RangeError(`not an absolute path: ${path}`)
  const root = await openRoot(path)
  try {
    const rootPath = `/proc/self/fd/${root.fd}`
    if ((await readDirectoryTarget(rootPath)) === undefined) throw notTarget(path)
    const writer = options.readOnly ? FileWriter.idle(rootPath) : await FileWriter.open(rootPath)
    return new OpenDirectory({ path, root, rootPath, writer })
  } catch (error) {
    await root.close()
    throw directoryFailure(`open ${path}`, error)
  }
}

async function openRoot(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const code = systemCodeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') throw notTarget(path)
    throw directoryFailure(`open ${path}`, error)
  }
}

function notTarget(path: string): Failure {
  return new Failure('repository-missing', `cannot use ${path}: it is no target of ours`, {
    hint: 'is the disk mounted? A new target is made with init',
  })
}

interface OpenParts {
  readonly path: string
  readonly root: FileHandle
  readonly rootPath: string
  readonly writer: FileWriter
}

/** Large enough to keep a disk busy, small enough for rate limits and aborts to bite. */
const readPieceBytes = 1024 * 1024

class OpenDirectory implements Store {
  readonly address: string
  readonly features: StoreFeatures
  readonly #root: FileHandle
  readonly #rootPath: string
  readonly #writer: FileWriter

  constructor(parts: OpenParts) {
    this.address = parts.path
    this.features = { createIfAbsent: parts.writer.canLink, wants: [] }
    this.#root = parts.root
    this.#rootPath = parts.rootPath
    this.#writer = parts.writer
  }

  async put(key: string, object: NewObject, options: PutOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkKey(key)
    if (options.retain) throw new Failure('refused', `cannot lock ${key}: a directory has no locks`)
    try {
      await this.#writer.write(key, object.bytes, options)
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') throw this.#gone(`put ${key}`)
      throw directoryFailure(`put ${key}`, error)
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(options.signal)
    checkKey(key)
    checkRange(options.range)
    try {
      return await this.#withFile(key, async (file, size) => {
        const extent = extentOf(key, size, options)
        const bytes = pagedBytes(extent.end - extent.start)
        for (let at = 0; at < bytes.length; ) {
          throwIfAborted(options.signal)
          const wanted = Math.min(readPieceBytes, bytes.length - at)
          await options.pace?.(wanted)
          const { bytesRead } = await file.read(bytes, at, wanted, extent.start + at)
          if (bytesRead === 0) throw tooShort(key, extent.start + at, extent)
          at += bytesRead
        }
        return bytes
      })
    } catch (error) {
      throw directoryFailure(`read ${key}`, error)
    }
  }

  async size(key: string, options: CallOptions = {}): Promise<number> {
    throwIfAborted(options.signal)
    checkKey(key)
    try {
      return await this.#withFile(key, async (_, size) => size)
    } catch (error) {
      throw directoryFailure(`measure ${key}`, error)
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject, void> {
    throwIfAborted(options.signal)
    checkPrefix(prefix)
    const what = `list ${this.address}/${prefix}`
    try {
      // An emptied or foreign directory must not look like a repository without backups (L9).
      if ((await readDirectoryTarget(this.#rootPath)) === undefined) throw this.#gone(what)
      for await (const object of listFiles({
        root: this.#rootPath,
        prefix,
        after: options.after ?? '',
      })) {
        throwIfAborted(options.signal)
        yield object
      }
    } catch (error) {
      throw directoryFailure(what, error)
    }
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkKey(key)
    try {
      await this.#writer.remove(key)
    } catch (error) {
      throw directoryFailure(`delete ${key}`, error)
    }
  }

  async clock(options: CallOptions = {}): Promise<undefined> {
    throwIfAborted(options.signal)
  }

  async close(): Promise<void> {
    await this.#root.close()
  }

  async #withFile<T>(key: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
    // NONBLOCK: a pipe that somebody put there must not stop us for ever.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(`${this.#rootPath}/${key}`, flags)
    try {
      const facts = await file.stat()
      if (!facts.isFile()) {
        throw new Failure('object-missing', `cannot read ${key}: it is no plain file`)
      }
      return await use(file, facts.size)
    } finally {
      await file.close()
    }
  }

  #gone(what: string): Failure {
    return new Failure('repository-missing', `cannot ${what}: the target is no longer there`, {
      hint: 'was it deleted, or its disk removed?',
    })
  }
}
