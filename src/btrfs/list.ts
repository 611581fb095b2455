// Finding subvolumes anywhere on a filesystem: those that a snapshot leaves out, and those that
// `btrfs receive` could build on.

import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import { asUuid, type Uuid } from '../model/ids.ts'
import type { NestedSubvolume, ReceivedMatches, Subvolume } from '../model/subvolume.ts'
import { type Mount, mountOf, pathBelow } from './mounts.ts'
import { type BtrfsOptions, btrfsFailure, runBtrfs, succeeded } from './run.ts'
import { findSubvolume, showSubvolume } from './subvolume.ts'

const topLevelId = 5

interface ListedSubvolume {
  readonly id: number
  /** Of the subvolume that holds its directory entry. */
  readonly upperId: number
  readonly uuid: Uuid
  readonly receivedUuid: Uuid | null
  /** From the filesystem's top level, whatever part of it is mounted. */
  readonly path: string
}

/** Every subvolume strictly below the subvolume at `path`, at any depth, by path. */
export async function nestedSubvolumes(
  path: string,
  options: BtrfsOptions = {},
): Promise<readonly NestedSubvolume[]> {
  const upper = await showSubvolume(path, options)
  const all = await listFilesystem(path, options)
  const top = upper.id === topLevelId ? '' : all.find(one => one.id === upper.id)?.path
  const nested: NestedSubvolume[] = []
  for (const one of below(all, upper.id)) {
    const relative = top === undefined || top === '' ? one.path : pathBelow(top, one.path)
    nested.push({ id: one.id, uuid: one.uuid, path: relative ?? one.path })
  }
  return nested.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * The subvolumes of the filesystem at `anyPath` that stand for the snapshot `uuid`: received from
 * it, or itself. Oldest first.
 */
export async function findReceived(
  anyPath: string,
  uuid: Uuid,
  options: BtrfsOptions = {},
): Promise<ReceivedMatches> {
  const all = await listFilesystem(anyPath, options)
  const matches = all.filter(one => one.receivedUuid === uuid || one.uuid === uuid)
  const mount = matches.length > 0 ? await mountOf(anyPath) : undefined
  const usable: Subvolume[] = []
  const inTheWay: number[] = []
  for (const match of matches) {
    const found = mount && (await reach(match, mount, options))
    if (found?.readOnly) usable.push(found)
    else inTheWay.push(match.id)
  }
  return { usable, inTheWay }
}

/** The listed subvolume through this mount, if the mount shows it. */
async function reach(
  listed: ListedSubvolume,
  mount: Mount,
  options: BtrfsOptions,
): Promise<Subvolume | undefined> {
  const relative = pathBelow(mount.root, `/${listed.path}`)
  if (relative === undefined || relative.includes('\uFFFD')) return undefined
  try {
    const found = await findSubvolume(join(mount.mountPoint, relative), options)
    return found?.id === listed.id ? found : undefined
  } catch (error) {
    // Something else is mounted over it: it can't be reached, which is what was asked.
    if (error instanceof Failure && error.code === 'btrfs-failed') return undefined
    throw error
  }
}

async function listFilesystem(
  path: string,
  options: BtrfsOptions,
): Promise<readonly ListedSubvolume[]> {
  const { outcome, stdout } = await runBtrfs(['subvolume', 'list', '-apuR', path], options)
  if (succeeded(outcome)) return parseList(stdout)
  throw btrfsFailure(
    `list the subvolumes of the filesystem at ${path}`,
    outcome,
    /not permitted|denied/.test(outcome.stderr)
      ? 'run as root, or with the capability CAP_SYS_ADMIN'
      : undefined,
  )
}

/**
 * Reads the answer of `btrfs subvolume list -apuR`. A name may hold line feeds and look like
 * further lines: that can add an entry but never hide one, so entries are leads to be checked.
 */
export function parseList(answer: Uint8Array): readonly ListedSubvolume[] {
  const text = Buffer.from(answer).toString('utf8')
  const line =
    /^ID (\d+) gen \d+ parent (\d+) top level \d+ received_uuid (\S+)\s+uuid (\S+)\s+path /gm
  const starts = [...text.matchAll(line)]
  return starts.flatMap((match, index) => {
    const end = starts[index + 1]?.index ?? text.length
    const [whole, id, upperId, received, own] = match
    const uuid = asUuid(own as string)
    if (uuid === undefined) return []
    const path = text.slice(match.index + whole.length, end).replace(/\n$/, '')
    return [
      {
        id: Number(id),
        upperId: Number(upperId),
        uuid,
        receivedUuid: asUuid(received as string) ?? null,
        path: path.replace(/^<FS_TREE>\//, ''),
      },
    ]
  })
}

function below(all: readonly ListedSubvolume[], id: number): readonly ListedSubvolume[] {
  const uppers = new Set([id])
  const found = new Set<ListedSubvolume>()
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const one of all) {
      if (!uppers.has(one.upperId) || one.id === id) continue
      found.add(one)
      uppers.add(one.id)
    }
  }
  return [...found]
}
