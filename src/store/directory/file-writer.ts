// Makes and removes the files of a target so that a power cut at any moment leaves each object
// whole or absent, and what was acknowledged stays.

import { randomBytes } from 'node:crypto'
import { link, lstat, mkdir, open, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../base/atomic-file.ts'
import { systemCodeOf, throwIfAborted } from '../../base/failure.ts'
import type { PutOptions } from '../store.ts'
import { linuxCodeOf } from './failures.ts'

/** Temporary files lie here and nowhere else: no list ever meets them, and leftovers are found at once. */
const temporaryFolder = '.btrvault-tmp'

/** No file takes that long to write, not even on a machine that slept in between. */
const staleAfterMs = 24 * 60 * 60 * 1000

const writePieceBytes = 1024 * 1024

/** Another run that deletes may remove a folder between our making and our using it. */
const folderAttempts = 20

export class FileWriter {
  readonly #root: string
  /** Folders whose own entry in their parent is known to be on the disk, by inode: another run may make them anew. */
  readonly #durable = new Map<string, number>()
  /** False where the file system has no hard links (exFAT, some network mounts). */
  readonly canLink: boolean

  private constructor(root: string, canLink: boolean) {
    this.#root = root
    this.canLink = canLink
  }

  /** For a store that is only read: nothing is tried, and nothing on the target changes. */
  static idle(root: string): FileWriter {
    return new FileWriter(root, true)
  }

  /** On a read-only file system it opens too, and writing fails later. */
  static async open(root: string): Promise<FileWriter> {
    const folder = `${root}/${temporaryFolder}`
    try {
      await mkdir(folder, { mode: 0o700 }).catch(unless('EEXIST'))
      await removeStale(folder)
      return new FileWriter(root, await tryLink(folder))
    } catch (error) {
      if (!isUnwritable(error)) throw error
      return new FileWriter(root, true)
    }
  }

  /** Rejects with EEXIST when the key is taken and is not to be replaced. */
  async write(key: string, bytes: Uint8Array, options: PutOptions): Promise<void> {
    const temporary = `${this.#root}/${temporaryFolder}/${randomBytes(8).toString('hex')}`
    const mode = options.replace ? 'replace' : 'create'
    if (mode === 'create') await this.#refuseExisting(key)
    try {
      await this.#writeTemporary(temporary, bytes, options)
      throwIfAborted(options.signal)
      await this.#publish(temporary, key, mode)
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** Removes the file, and the folders that it leaves empty. */
  async remove(key: string): Promise<void> {
    try {
      await unlink(`${this.#root}/${key}`)
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return
      throw error
    }
    let folder = dirname(key)
    while (folder !== '.' && (await removeEmptyFolder(`${this.#root}/${folder}`))) {
      this.#durable.delete(folder)
      folder = dirname(folder)
    }
    // Another run may have removed it meanwhile; what it held is gone all the same.
    await syncFolder(`${this.#root}/${folder}`).catch(unless('ENOENT'))
  }

  // Spares writing 64 MiB that link() would refuse; link() still decides.
  async #refuseExisting(key: string): Promise<void> {
    try {
      await lstat(`${this.#root}/${key}`)
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return
      throw error
    }
    // It may be of a run whose sync of the folder failed: what we call stored must stay.
    await syncFolder(dirname(`${this.#root}/${key}`))
    throw Object.assign(new Error('it exists already'), { code: 'EEXIST' })
  }

  async #writeTemporary(path: string, bytes: Uint8Array, options: PutOptions): Promise<void> {
    await mkdir(dirname(path), { mode: 0o700 }).catch(unless('EEXIST'))
    const file = await open(path, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length; ) {
        throwIfAborted(options.signal)
        const wanted = Math.min(writePieceBytes, bytes.length - at)
        await options.pace?.(wanted)
        const { bytesWritten } = await file.write(bytes, at, wanted, at)
        at += bytesWritten
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #publish(temporary: string, key: string, mode: 'create' | 'replace'): Promise<void> {
    const path = `${this.#root}/${key}`
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#makeFolder(dirname(key))
        if (mode === 'replace') await rename(temporary, path)
        else await this.#linkOrMove(temporary, path, key)
        break
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT' || attempt === folderAttempts) throw error
      }
    }
    await syncFolder(dirname(path))
  }

  async #linkOrMove(temporary: string, path: string, key: string): Promise<void> {
    if (this.canLink) {
      await link(temporary, path)
      return
    }
    await this.#refuseExisting(key)
    await rename(temporary, path)
  }

  async #makeFolder(folder: string): Promise<void> {
    if (folder === '.') return
    await this.#makeFolder(dirname(folder))
    const path = `${this.#root}/${folder}`
    await mkdir(path, { mode: 0o700 }).catch(unless('EEXIST'))
    const { ino } = await lstat(path)
    if (this.#durable.get(folder) === ino) return
    await syncFolder(dirname(path))
    this.#durable.set(folder, ino)
  }
}

async function tryLink(folder: string): Promise<boolean> {
  const name = `${folder}/${randomBytes(8).toString('hex')}`
  try {
    await (await open(name, 'wx', 0o600)).close()
    await link(name, `${name}.link`)
    return true
  } catch (error) {
    const code = systemCodeOf(error) ?? ''
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) return false
    throw error
  } finally {
    await rm(name, { force: true })
    await rm(`${name}.link`, { force: true })
  }
}

/** What runs that died left behind. One that is still writing has touched its file since. */
async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = `${folder}/${name}`
    const facts = await lstat(path).catch(unless('ENOENT'))
    if (facts?.isFile() && Date.now() - facts.mtimeMs > staleAfterMs)
      await rm(path, { force: true })
  }
}

async function removeEmptyFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path)
    return true
  } catch (error) {
    const code = systemCodeOf(error) ?? ''
    if (code === 'ENOENT') return true
    if (['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(code)) return false
    throw error
  }
}

function isUnwritable(error: unknown): boolean {
  return ['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT'].includes(linuxCodeOf(error) ?? '')
}

function unless(code: string): (error: unknown) => undefined {
  return error => {
    if (systemCodeOf(error) !== code) throw error
  }
}
