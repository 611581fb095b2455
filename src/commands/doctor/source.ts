// What doctor asks of a source: whether a snapshot of it can be made, sent, and meant what it says.

import { formatBytes, formatDuration, plural } from '../../base/units.ts'
import type { Filesystem } from '../../btrfs/filesystem.ts'
import { metadataSpace } from '../../btrfs/metadata-space.ts'
import { activeSwapFiles, mountOf } from '../../btrfs/mounts.ts'
import type { SourceConfig } from '../../config/config.ts'
import type { Uuid } from '../../model/ids.ts'
import type { SkipReason } from '../../model/plan.ts'
import { unmentioned } from '../backup/situation.ts'
import { lookForSnapshots, type SourceSnapshots } from '../backup/snapshots.ts'
import type { Context } from '../shared/context.ts'
import { refusal, skippedInWords } from '../shared/words.ts'
import { Area, bad, type Check, type Finding, ok, warn } from './checks.ts'
import { nearestFolder } from './machine.ts'

const mebibyte = 1024 ** 2
/** A commit needs some; a snapshot and its deletion each need more. */
const scarceMetadataBytes = 512 * mebibyte
const noMetadataBytes = 64 * mebibyte
const scarceShare = 0.05

export async function checkSource(
  context: Context,
  source: SourceConfig,
): Promise<readonly Check[]> {
  const area = new Area(`source ${source.name}`)
  const { btrfs, signal } = context
  const subvolume = await area.obtain('subvolume', () => btrfs.show(source.path, { signal }))
  if (subvolume === undefined) return area.checks
  area.add('subvolume', subvolume.receivedUuid === null ? ok(source.path) : receivedFinding(source))
  const { snapshots } = source
  const known = { source, subvolume, made: new Set<Uuid>(), backedUp: new Set<Uuid>() }
  const adopted =
    snapshots.kind === 'adopted'
      ? await area.obtain('snapshots', () => lookForSnapshots(context, known))
      : undefined
  const isApart = adopted?.isApart ?? (() => false)
  await area.check('inside', () => nestedFinding(context, source, isApart))
  await area.check('swap', () => swapFinding(source.path))
  if (adopted !== undefined) area.add('snapshots', adoptedFinding(context, source, adopted))
  if (snapshots.kind === 'own') {
    await area.check('snapshots', () => snapshotsFinding(context, source, snapshots.folder))
  }
  const filesystem = await area.obtain('filesystem', () => btrfs.filesystemOf(source.path))
  if (filesystem === undefined) return area.checks
  area.add('filesystem', filesystemFinding(filesystem))
  await area.check('space', () => spaceFinding(filesystem))
  area.add('quotas', quotaFinding(filesystem))
  area.add('devices', deviceFinding(filesystem))
  area.add('maintenance', maintenanceFinding(filesystem))
  return area.checks
}

function receivedFinding(source: SourceConfig): Finding {
  const { message, hint } = refusal(
    { kind: 'received-source', source: source.name, names: [] },
    source,
  )
  return bad(message, hint)
}

async function nestedFinding(
  { btrfs, signal }: Context,
  source: SourceConfig,
  isApart: SourceSnapshots['isApart'],
): Promise<Finding> {
  const all = await btrfs.nested(source.path, { signal })
  const nested = all.filter(one => !isApart(one))
  const names = unmentioned(nested, source.nested)
  if (names.length > 0) {
    const { message, hint } = refusal({ kind: 'nested', source: source.name, names }, source)
    return bad(message, hint)
  }
  if (nested.length === 0) return ok('no subvolumes inside: snapshots hold all of it')
  const count = plural(nested.length, 'subvolume')
  return warn(
    `${count} inside are left out of its backups, as the configuration says`,
    'make each that matters a source of its own',
  )
}

async function swapFinding(path: string): Promise<Finding> {
  const files = await activeSwapFiles(path)
  if (files.length === 0) return ok('no swap file in use inside')
  return bad(
    `the swap file ${files.join(', ')} is in use: no snapshot can be made`,
    `run "swapoff ${files[0]}" and make the swap file anew in a subvolume of its own`,
  )
}

async function snapshotsFinding(
  { btrfs }: Context,
  source: SourceConfig,
  wanted: string,
): Promise<Finding> {
  const folder = await nearestFolder(wanted)
  const [here, there] = [await btrfs.filesystemOf(source.path), await btrfs.filesystemOf(folder)]
  if (here.uuid !== there.uuid) {
    return bad(
      `${wanted} is on another filesystem`,
      'choose a folder on the same btrfs as the source',
    )
  }
  const mount = await mountOf(folder)
  if (mount?.readOnly) return bad(`${wanted} is on a read-only mount`, 'mount it writable')
  if (folder !== wanted) return ok(`${wanted} will be made by the first backup`)
  return ok(wanted)
}

const skipsToMind: readonly SkipReason[] = ['writable', 'received', 'name', 'unfinished']

/** What others keep of other sources in the same place is nothing to mind. */
function adoptedFinding(
  { clock }: Context,
  source: SourceConfig,
  { snapshots, adopted }: SourceSnapshots,
): Finding {
  const skipped = adopted?.skipped ?? []
  const newest = Math.max(...snapshots.map(({ createdAt }) => createdAt.getTime()))
  if (snapshots.length === 0) {
    const { message, hint } = refusal(
      { kind: 'no-snapshots', source: source.name, names: [], skipped },
      source,
    )
    return bad(message, hint)
  }
  const many = `${plural(snapshots.length, 'snapshot')} of others`
  const age = `the newest is ${formatDuration(Math.max(0, clock.now() - newest))} old`
  const minded = skipped.filter(({ reason }) => skipsToMind.includes(reason))
  if (minded.length === 0) return ok(`${many}; ${age}`)
  return warn(
    `${many}; ${age}; left out: ${skippedInWords(minded).join('; ')}`,
    'btrvault plan tells which',
  )
}

function filesystemFinding({ readOnly, mountPoint }: Filesystem): Finding {
  if (!readOnly) return ok(`mounted at ${mountPoint}`)
  return bad(
    `${mountPoint} is mounted read-only, by intent or after an error`,
    'see "dmesg"; a source needs a writable mount, at least for its snapshots',
  )
}

async function spaceFinding({ uuid, freeBytes, totalBytes }: Filesystem): Promise<Finding> {
  const free = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`
  const metadata = await metadataSpace(uuid)
  const room = metadata && metadata.freeBytes + metadata.unallocatedBytes
  if (room !== undefined && room < scarceMetadataBytes && room < totalBytes * scarceShare) {
    const words = `${formatBytes(room)} left for metadata, ${free} for data`
    const hint = 'run "btrfs balance start -dusage=10" on it, or delete old snapshots'
    return room < noMetadataBytes ? bad(words, hint) : warn(words, hint)
  }
  if (freeBytes < totalBytes * scarceShare) {
    return warn(free, 'a snapshot keeps what is deleted after it: free some space')
  }
  return ok(free)
}

function quotaFinding({ quotas }: Filesystem): Finding {
  if (quotas !== 'full') return ok(quotas === 'off' ? 'off' : 'simple')
  return warn(
    'full quotas are on: making and deleting snapshots can stall the machine',
    'if you do not need them: btrfs quota disable (or simple quotas)',
  )
}

function deviceFinding({ deviceErrorCount }: Filesystem): Finding {
  if (deviceErrorCount === 0) return ok('no errors recorded')
  return warn(
    `${plural(deviceErrorCount, 'error')} recorded: files that cannot be read cannot be sent`,
    'see "btrfs device stats" and run "btrfs scrub start"; then "btrfs device stats -z"',
  )
}

function maintenanceFinding({ exclusiveOperation }: Filesystem): Finding {
  if (exclusiveOperation === 'none') return ok('nothing under way')
  if (exclusiveOperation === 'unknown') return ok('this kernel does not say')
  return warn(
    `${exclusiveOperation} is under way: a send may have to wait, or begin anew`,
    'back up when it has finished',
  )
}
