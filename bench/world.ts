// The ground that everybody runs on: a btrfs with the same files every time, a second one to
// restore to, and one S3 server.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type BtrfsWorld, makeBtrfsWorld } from '../test/support/btrfs-world.ts'
import { type Radosgw, startRadosgw } from '../test/support/radosgw.ts'
import { Bucket } from './bucket.ts'
import { change, fill } from './files.ts'

const mebibyte = 1024 * 1024

export interface Ground extends AsyncDisposable {
  readonly world: BtrfsWorld
  readonly bucket: Bucket
  /** Bytes of a send stream of the files as they are at first, and of the change alone. */
  readonly fullBytes: number
  readonly changeBytes: number
}

export async function makeGround(sizeBytes: number, say: (line: string) => void): Promise<Ground> {
  const sizeMiB = Math.ceil((sizeBytes / mebibyte) * 3) + 2048
  say('making two filesystems and an S3 server')
  const world = await makeBtrfsWorld({ sizeMiB, second: { sizeMiB } })
  let server: Radosgw | undefined
  let bucket: Bucket | undefined
  const dispose = async () => {
    bucket?.close()
    await server?.stop()
    await world.destroy()
  }
  try {
    server = await startRadosgw()
    bucket = new Bucket(server, await server.makeBucket())
    say('filling the first filesystem')
    world.sh('btrfs -q subvolume create base')
    fill(world.path('base'), sizeBytes)
    const [fullBytes, changeBytes] = streamSizes(world)
    return { world, bucket, fullBytes, changeBytes, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** A writable subvolume with the files as they are at first. */
export function makeLive(world: BtrfsWorld, name: string): string {
  world.sh('btrfs -q subvolume snapshot base "$1" && sync -f .', name)
  return world.path(name)
}

/** Reads the images once, so that everybody finds them in the page cache. */
export function warm(world: BtrfsWorld): void {
  world.shOutside('sync; cat first.img > /dev/null')
}

/** Of every file below; for repositories in a folder. */
export function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0
  let sum = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).size
  }
  return sum
}

function streamSizes(world: BtrfsWorld): [full: number, change: number] {
  const live = makeLive(world, 'sizes')
  world.sh('btrfs -q subvolume snapshot -r sizes first')
  change(live)
  const sizes = world.sh(`btrfs -q subvolume snapshot -r sizes second
    btrfs send -q --proto 2 first | wc -c
    btrfs send -q --proto 2 -p first second | wc -c
    btrfs -q subvolume delete first second sizes >/dev/null`)
  const [full = 0, changed = 0] = sizes.trim().split('\n').map(Number)
  return [full, changed]
}
