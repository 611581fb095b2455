// Files that we keep (state, cache, keys): a reader sees the old file or the new one, and what
// was acknowledged survives a power cut.

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCodeOf } from './failure.ts'

/** Temp file in the same folder, fsync, rename, fsync of the folder. Makes missing folders (0700). */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(folder)
}

/** Makes the entries of a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The file's text, or undefined when there is none. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** A file of lines that only grows; append() returns once the line is on the disk. */
export class LineFile {
  readonly #file: FileHandle
  #last: Promise<void> = Promise.resolve()

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<LineFile> {
    const folder = dirname(path)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await open(path, 'a', 0o600)
    await syncFolder(folder)
    return new LineFile(file)
  }

  /** Appends in the order of the calls, also when they overlap. */
  async append(line: string): Promise<void> {
    const turn = this.#last.then(async () => {
      await this.#file.appendFile(`${line}\n`)
      await this.#file.datasync()
    })
    this.#last = turn.catch(() => {})
    await turn
  }

  async close(): Promise<void> {
    await this.#last
    await this.#file.close()
  }
}
