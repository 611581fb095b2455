// How much file data a send would carry, asked of the filesystem's trees without making a snapshot
// or reading a file.

import { Failure, throwIfAborted } from '../base/failure.ts'
import { startProgram } from '../base/process.ts'
import { type BtrfsOptions, btrfsFailure, succeeded } from './run.ts'

/** Of a line; a name may be 255 bytes, and a path to it 4095. */
const lineMaxBytes = 8 * 1024

/**
 * Bytes of file data in the subvolume at `path` that were written in generation `since` or later;
 * 0 counts all. Holes and preallocated space, which a send leaves out, are not counted; data that is
 * shared by reflink is counted at each place.
 */
export async function writtenSince(
  path: string,
  since: number,
  { signal }: BtrfsOptions = {},
): Promise<number> {
  const args = ['subvolume', 'find-new', path, String(since)]
  const running = startProgram({ program: 'btrfs', args, stdout: 'pipe', signal })
  if (running.stdout === null) throw new Error('a pipe was asked for')
  const sum = new ExtentSum()
  for await (const chunk of running.stdout) sum.add((chunk as Buffer).toString('latin1'))
  throwIfAborted(signal)
  const outcome = await running.done
  // Without the right it lists nothing, says so on stderr only, and ends with status 0.
  if (succeeded(outcome) && outcome.stderr.trim() === '') return sum.finish()
  if (/not permitted|denied/.test(outcome.stderr)) {
    throw new Failure(
      'btrfs-failed',
      `cannot look for what was written in ${path}: permission denied`,
      {
        hint: 'run as root, or with the capability CAP_SYS_ADMIN',
      },
    )
  }
  throw btrfsFailure(`look for what was written in ${path}`, outcome)
}

/** A name may hold line feeds and look like a line of its own: that can only make the sum wrong. */
class ExtentSum {
  #bytes = 0
  #rest = ''

  add(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() as string).slice(0, lineMaxBytes)
    for (const line of lines) this.#take(line)
  }

  finish(): number {
    this.#take(this.#rest)
    return this.#bytes
  }

  #take(line: string): void {
    const match =
      /^inode \d+ file offset \d+ len (\d+) disk start (\d+) offset \d+ gen \d+ flags (\S+) /.exec(
        line,
      )
    if (match === null) return
    const [, length, start, flags] = match as unknown as [string, string, string, string]
    const isHole = start === '0' && !flags.includes('INLINE')
    if (!isHole && !flags.includes('PREALLOC')) this.#bytes += Number(length)
  }
}
