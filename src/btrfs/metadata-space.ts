// Room for metadata: a btrfs can refuse snapshots and deletions while `df` shows plenty of space.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from '../base/failure.ts'
import type { Uuid } from '../model/ids.ts'

const sectorBytes = 512

export interface MetadataSpace {
  /** In the chunks that metadata has, without the kernel's own reserve. */
  readonly freeBytes: number
  /** Of the devices, in no chunk yet: metadata can grow into it. */
  readonly unallocatedBytes: number
}

/** Undefined where this kernel does not say. */
export async function metadataSpace(filesystem: Uuid): Promise<MetadataSpace | undefined> {
  const folder = join('/sys/fs/btrfs', filesystem)
  try {
    const allocation = (name: string) => numberIn(join(folder, 'allocation', name))
    const kinds = await Promise.all(
      ['data', 'metadata', 'system'].map(async kind => {
        // A filesystem with mixed block groups has one kind less.
        return await allocation(`${kind}/disk_total`).catch(ignoreAbsent)
      }),
    )
    const used = kinds.reduce((sum, bytes) => sum + bytes, 0)
    const total = await allocation('metadata/total_bytes')
    const reserve = await allocation('global_rsv_size')
    const freeBytes = total - (await allocation('metadata/bytes_used')) - reserve
    const devices = await devicesBytes(join(folder, 'devices'))
    return {
      freeBytes: Math.max(0, freeBytes),
      unallocatedBytes: Math.max(0, devices - used),
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function devicesBytes(folder: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(folder)) {
    sum += (await numberIn(join(folder, name, 'size'))) * sectorBytes
  }
  return sum
}

async function numberIn(path: string): Promise<number> {
  return Number((await readFile(path, 'utf8')).trim())
}

function ignoreAbsent(error: unknown): number {
  if (systemCodeOf(error) === 'ENOENT') return 0
  throw error
}
