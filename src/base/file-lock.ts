// A lock on a file that the kernel gives back when its holder dies, however it dies. Node has no
// flock(2), so util-linux's `flock` takes it on a descriptor that it shares with us: the lock belongs
// to the open file, and outlives the program that took it.

import { constants, type FileHandle, mkdir, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, systemCodeOf, throwIfAborted } from './failure.ts'
import { collectProgram, describeOutcome } from './process.ts'

const conflictStatus = 75
const holderMaxBytes = 200

export interface LockOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Takes the lock at once or rejects with Failure 'locked' that names the holder. Makes the file and
 * its folder; the file is never removed, for a lock on a removed file protects nothing.
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<FileLock> {
  throwIfAborted(options.signal)
  const file = await openLockFile(path)
  try {
    const { outcome } = await collectProgram({
      program: 'flock',
      args: ['--exclusive', '--nonblock', '--conflict-exit-code', String(conflictStatus), '3'],
      inherit: [file.fd],
      signal: options.signal,
    })
    if (outcome.kind === 'exited' && outcome.status === conflictStatus) {
      throw await lockedFailure(path, file)
    }
    if (outcome.kind !== 'exited' || outcome.status !== 0) {
      throw new Failure('failed', `cannot lock ${path}: ${describeOutcome(outcome)}`)
    }
    await writeHolder(file)
    return new FileLock(path, file)
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Held until released or until this process ends. */
export class FileLock {
  readonly path: string
  #file: FileHandle | undefined

  constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** May be called again. */
  async release(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

/**
 * Who holds the lock now, as far as can be seen without taking it; undefined for nobody. For telling
 * people only: what must be sure takes the lock.
 */
export async function lockHolder(
  path: string,
): Promise<{ readonly pid: number; readonly since: Date } | undefined> {
  try {
    const { ino } = await stat(path)
    // proc(5), /proc/locks: `1: FLOCK ADVISORY WRITE 708 08:01:264315 0 EOF`
    const isHeld = (await readFile('/proc/locks', 'latin1'))
      .split('\n')
      .some(line => / FLOCK +ADVISORY +WRITE /.test(line) && line.includes(`:${ino} 0 EOF`))
    const holder = /^pid (\d+) since (\S+)/.exec(await readFile(path, 'latin1'))
    if (!isHeld || holder === null) return undefined
    await stat(`/proc/${holder[1]}`)
    return { pid: Number(holder[1]), since: new Date(holder[2] as string) }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function openLockFile(path: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    return await open(path, flags, 0o600)
  } catch (error) {
    const code = systemCodeOf(error)
    if (code === undefined) throw error
    throw new Failure('failed', `cannot lock ${path}: ${code}`, {
      hint: 'check that the state folder is writable and not a symbolic link',
      cause: error,
    })
  }
}

/** Only information for people: the lock itself is the kernel's, also where the disk is full. */
async function writeHolder(file: FileHandle): Promise<void> {
  try {
    await file.truncate(0)
    await file.write(`pid ${process.pid} since ${new Date().toISOString()}\n`, 0)
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error
  }
}

async function lockedFailure(path: string, file: FileHandle): Promise<Failure> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(holderMaxBytes), 0, holderMaxBytes, 0)
  const text = buffer.toString('latin1', 0, bytesRead)
  const holder = /^pid \d+ since [0-9T:.Z-]+/.exec(text)?.[0]
  const who = holder === undefined ? 'another process' : `another process (${holder})`
  return new Failure('locked', `cannot lock ${path}: ${who} holds it`, {
    hint: 'wait for it to finish; a lock needs no cleaning up, it ends with its process',
  })
}
