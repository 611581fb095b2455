// Pipes between a program and a thread of ours. Node's own are sockets that the event loop reads
// 64 KiB at a time; a blocking read or write in a thread of its own costs a third of that.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from './process.ts'

/** Two descriptors; whoever takes one closes it. No program inherits them unless told to. */
export interface Pipe {
  readonly readEnd: number
  readonly writeEnd: number
}

export async function openPipe(): Promise<Pipe> {
  const folder = await mkdtemp(join(tmpdir(), 'btrvault-pipe-'))
  try {
    const path = join(folder, randomBytes(4).toString('hex'))
    await runProgram({ program: 'mkfifo', args: ['-m', '600', path] })
    // Opened for both, a FIFO blocks nobody; it stands in until each end has its own side.
    const keeper = openSync(path, constants.O_RDWR)
    try {
      const readEnd = openSync(path, constants.O_RDONLY)
      const writeEnd = openSync(path, constants.O_WRONLY)
      return { readEnd, writeEnd }
    } finally {
      closeSync(keeper)
    }
  } finally {
    // Both ends are open: nobody needs the name any more, and a run that is killed leaves none.
    await rm(folder, { recursive: true, force: true })
  }
}
