// The keys below a folder in the order of their bytes, holding one folder's names at a time.

import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { systemCodeOf } from '../../base/failure.ts'
import { isKeyPart } from '../keys.ts'
import type { ListedObject } from '../store.ts'

export interface FileListing {
  readonly root: string
  readonly prefix: string
  /** Only keys that come after this one. */
  readonly after: string
}

/** Names that no key can have (temporary files, lost+found's content, other people's) are left out. */
export async function* listFiles(listing: FileListing): AsyncGenerator<ListedObject, void> {
  const folder = listing.prefix.slice(0, listing.prefix.lastIndexOf('/') + 1)
  yield* listFolder(folder, listing)
}

/** `folder` is empty or ends at a `/`. */
async function* listFolder(
  folder: string,
  listing: FileListing,
): AsyncGenerator<ListedObject, void> {
  for (const name of await readFolder(`${listing.root}/${folder}`)) {
    const path = folder + name
    if (!mayHold(path, listing)) continue
    if (path.endsWith('/')) yield* listFolder(path, listing)
    else yield* listFile(path, listing.root)
  }
}

// In a key's bytes a folder's name is followed by a `/`, so that is what it is sorted with. All
// names are ASCII here, where the order of strings is the order of bytes.
async function readFolder(path: string): Promise<string[]> {
  return (await entriesOf(path))
    .filter(entry => isKeyPart(entry.name) && (entry.isFile() || entry.isDirectory()))
    .map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort()
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    // No such folder: nothing was ever put there, or a delete emptied it a moment ago.
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return []
    throw error
  }
}

function mayHold(path: string, { prefix, after }: FileListing): boolean {
  if (!path.endsWith('/')) return path.startsWith(prefix) && path > after
  const inPrefix = path.startsWith(prefix) || prefix.startsWith(path)
  return inPrefix && (path > after || after.startsWith(path))
}

async function* listFile(key: string, root: string): AsyncGenerator<ListedObject, void> {
  try {
    const { size, mtime } = await lstat(`${root}/${key}`)
    yield { key, bytes: size, modifiedAt: mtime }
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
}
