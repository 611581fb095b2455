// A folder under the system's temporary one, for tests that give files to other programs.

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const prefix = 'btrvault-scratch-'
const staleMs = 3_600_000

/** A folder that is gone when `use` ends. What killed runs left is removed an hour later. */
export async function withScratchFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeScratchFolder()
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The caller removes it. */
export async function makeScratchFolder(): Promise<string> {
  await sweep()
  return await mkdtemp(join(tmpdir(), prefix))
}

async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue
    const path = join(tmpdir(), name)
    // Another run may remove it at the same moment.
    const made = await stat(path).catch(() => undefined)
    if (made === undefined || Date.now() - made.mtimeMs < staleMs) continue
    await rm(path, { recursive: true, force: true })
  }
}
