// A verified send stream to an output of the user's, instead of into btrfs receive.

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { Failure } from '../base/failure.ts'
import type { Repository } from '../catalog/repository.ts'
import type { Backup, StreamFacts } from '../model/backup.ts'
import type { Identity } from '../pack/identities.ts'
import type { WorkerPool } from '../pack/worker-pool.ts'
import { SymlinkNames } from '../stream/symlink-names.ts'
import { readIndex } from './read-index.ts'
import { readStream } from './read-stream.ts'
import { guardFor } from './receive.ts'

export interface WriteStreamTask {
  readonly repository: Repository
  readonly backup: Backup
  readonly parent: StreamFacts | null
  readonly identities: readonly Identity[]
  readonly pool: WorkerPool
  readonly output: Writable
  readonly signal: AbortSignal
  readonly onFetched?: (bytes: number) => void
  readonly onWritten?: (bytes: number) => void
}

/** The last bytes, with END, are written only when the whole stream was found to be right. */
export async function writeStream(task: WriteStreamTask): Promise<void> {
  const { repository, backup, parent, identities, pool, signal, onFetched } = task
  const index = await readIndex(repository, backup, { identities, signal, onFetched })
  const guard = guardFor({ backup, parent, symlinks: new SymlinkNames() })
  let held: Uint8Array | undefined
  for await (const bytes of readStream(
    repository,
    { backup, index },
    { pool, signal, onFetched },
  )) {
    guard.write(bytes)
    if (held !== undefined) await write(task, held)
    held = bytes
  }
  guard.finish()
  if (held !== undefined) await write(task, held)
}

async function write({ output, onWritten, signal }: WriteStreamTask, bytes: Uint8Array) {
  if (output.destroyed) throw gone()
  const isFull = !output.write(bytes)
  onWritten?.(bytes.length)
  if (!isFull) return
  const giveUp = new AbortController()
  const any = AbortSignal.any([signal, giveUp.signal])
  try {
    const closed = once(output, 'close', { signal: any }).then(() => {
      throw gone()
    })
    await Promise.race([once(output, 'drain', { signal: any }), closed])
  } finally {
    giveUp.abort()
  }
}

function gone(): Failure {
  return new Failure('failed', 'cannot write the send stream: its reader went away')
}
