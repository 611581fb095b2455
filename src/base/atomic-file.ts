// Files that we keep (state, cache, keys): a reader sees the old file or the new one, and what
// was acknowledged survives a power cut.

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, systemCodeOf } from './failure.ts'

/**
 * Temp file in the same folder, fsync, rename, fsync of the folder. Makes missing folders (0700).
 * Failure 'no-space' or 'failed'; then the old file is as it was.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  try {
    await replaceFile(path, content, mode)
  } catch (error) {
    throw writeFailure(path, error)
  }
}

async function replaceFile(path: string, content: string | Uint8Array, mode: number) {
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

/** What the system refused, as a Failure that names the file; anything else is given back. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = error instanceof Failure ? undefined : systemCodeOf(error)
  if (code === undefined) return error
  const cause = error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const why = code === 'ENOSPC' ? 'no space is left there' : 'the quota there is used up'
    const hint = 'free space there, then run it again: it goes on where it was'
    return new Failure('no-space', `cannot write ${path}: ${why}`, { hint, cause })
  }
  const hint = hints[code]
  return new Failure('failed', `cannot write ${path}: the system says ${code}`, { hint, cause })
}

const hints: Readonly<Record<string, string>> = {
  EACCES: 'run as root, or give yourself the right to write there',
  EPERM: 'run as root, or give yourself the right to write there',
  EROFS: 'the filesystem is mounted read-only, after an error perhaps: see "dmesg"',
  EIO: 'the disk reports errors: see "dmesg"',
}

/**
 * A file of lines that only grows; append() returns once the line is on the disk. Failure 'no-space'
 * or 'failed'; then half a line may be there, which readers pass over.
 */
export class LineFile {
  readonly #file: FileHandle
  readonly #path: string
  #last: Promise<void> = Promise.resolve()

  private constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  static async open(path: string): Promise<LineFile> {
    const folder = dirname(path)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const file = await open(path, 'a', 0o600)
      try {
        await dropHalfLine(path, file)
        await syncFolder(folder)
      } catch (error) {
        await file.close()
        throw error
      }
      return new LineFile(file, path)
    } catch (error) {
      throw writeFailure(path, error)
    }
  }

  /** Appends in the order of the calls, also when they overlap. */
  async append(line: string): Promise<void> {
    const turn = this.#last.then(async () => {
      await this.#file.appendFile(`${line}\n`)
      await this.#file.datasync()
    })
    this.#last = turn.catch(() => {})
    try {
      await turn
    } catch (error) {
      throw writeFailure(this.#path, error)
    }
  }

  async close(): Promise<void> {
    await this.#last
    await this.#file.close()
  }
}

/** What a cut left of a line would swallow the next one, and with it whatever that one says. */
async function dropHalfLine(path: string, file: FileHandle): Promise<void> {
  const bytes = await readFile(path)
  const whole = bytes.lastIndexOf(0x0a) + 1
  if (whole < bytes.length) await file.truncate(whole)
}
