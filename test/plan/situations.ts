// Situations in few words, and what a run makes of one: a btrfs and remotes of plain data.

import type { Backup } from '../../src/model/backup.ts'
import type { SourceName, Uuid } from '../../src/model/ids.ts'
import type { Plan, SendStep, SkippedSnapshot } from '../../src/model/plan.ts'
import { keepEverything, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import type { Subvolume } from '../../src/model/subvolume.ts'
import { releasableSnapshots } from '../../src/plan/plan-backup.ts'
import type { RemoteSituation, SourceSituation } from '../../src/plan/situation.ts'
import { manifestOf, uuidOf } from '../catalog/sample-series.ts'
import { sha256Of } from '../format/samples.ts'

export const sourceUuid = uuidOf(0xfff)
/** When the runs of these situations are. */
const runAt = new Date('2026-11-22T09:30:00.000Z')
const epoch = Date.parse('2026-11-21T09:30:00Z')

/** A snapshot by its number: taken at generation 10 × n, n hours after the epoch. */
export function snapshotOf(n: number, changes: Partial<Subvolume> = {}): Subvolume {
  const name = `home.${n}`
  return {
    path: `/.snapshots/home/${name}`,
    id: 256 + n,
    name,
    uuid: uuidOf(n),
    sourceUuid,
    receivedUuid: null,
    generation: 10 * n,
    creationGeneration: 10 * n,
    sendTransid: 0,
    receiveTransid: 0,
    readOnly: true,
    createdAt: new Date(epoch + n * 3_600_000),
    ...changes,
  }
}

/** Number `seq` on a remote: of snapshot `snapshot`, a difference from number `parent`. */
export function backupOf(
  seq: number,
  snapshot: Uuid,
  parent: number | null = seq > 1 ? seq - 1 : null,
): Backup {
  const base = manifestOf(seq)
  const link =
    parent === null ? null : { seq: parent, snapshot: uuidOf(parent), manifest: sha256Of('d') }
  const manifest = {
    ...base,
    snapshot: { ...base.snapshot, uuid: snapshot, sourceUuid },
    parent: link,
  }
  return { manifest, manifestSha256: sha256Of((seq % 16).toString(16)), signer: 'SHA256:a' }
}

/** A remote that holds the snapshots of these numbers, each a difference from the one before. */
export function remoteOf(
  remote: string,
  held: readonly number[],
  unfinished?: Uuid,
): RemoteSituation {
  const backups = held.map((n, index) => backupOf(index + 1, uuidOf(n)))
  return {
    remote,
    backups,
    unfinished,
    ruleSets: [soleRuleSet(keepEverything)],
    epochNames: new Map(),
  }
}

export function situationOf(changes: {
  /** Numbers of snapshots, or snapshots. */
  readonly snapshots?: readonly (number | Subvolume)[]
  readonly remotes?: readonly RemoteSituation[]
  /** The source's own; default: unchanged since the newest snapshot. */
  readonly generation?: number
  readonly subvolume?: Partial<Subvolume>
  readonly nested?: readonly string[]
  /** Others make the snapshots; these of theirs can't be sent. */
  readonly skipped?: readonly SkippedSnapshot[]
  /** `7d 24h`: what snapshots.keep says. */
  readonly localKeep?: string
}): SourceSituation {
  const snapshots = (changes.snapshots ?? []).map(one =>
    typeof one === 'number' ? snapshotOf(one) : one,
  )
  const newest = Math.max(5, ...snapshots.map(({ creationGeneration }) => creationGeneration))
  return {
    name: 'home' as SourceName,
    subvolume: snapshotOf(0, {
      path: '/home',
      name: 'home',
      uuid: sourceUuid,
      sourceUuid: null,
      readOnly: false,
      generation: changes.generation ?? newest,
      ...changes.subvolume,
    }),
    nested: changes.nested ?? [],
    snapshots,
    remotes: changes.remotes ?? [remoteOf('nas', [])],
    adopted: changes.skipped
      ? { names: new Map(snapshots.map(one => [one.uuid, one.name])), skipped: changes.skipped }
      : null,
    timeZone: 'UTC',
    localKeep: changes.localKeep === undefined ? null : (parseKeepRule(changes.localKeep) ?? null),
    otherNames: [],
  }
}

/** What is there after a run that went well: snapshots made, streams committed, the rest released. */
export function executed(situation: SourceSituation, plan: Plan): SourceSituation {
  let { subvolume, snapshots, remotes } = situation
  for (const step of plan.steps) {
    if (step.kind === 'snapshot') {
      const generation = subvolume.generation + 1
      const id = Math.max(300, ...snapshots.map(one => one.id)) + 1
      subvolume = { ...subvolume, generation }
      const facts = { id, name: step.name, uuid: uuidOf(0x10000 + id), sourceUuid: subvolume.uuid }
      snapshots = [
        ...snapshots,
        snapshotOf(id, { ...facts, generation, creationGeneration: generation, createdAt: runAt }),
      ]
    }
    if (step.kind === 'send') {
      const uuid = step.snapshot ?? snapshots.at(-1)?.uuid
      const sent = snapshots.find(one => one.uuid === uuid)
      if (sent === undefined) throw new Error('a send of no snapshot')
      remotes = remotes.map(one => (one.remote === step.remote ? withBackup(one, sent, step) : one))
    }
  }
  const after = { ...situation, subvolume, snapshots, remotes }
  const released = new Set(releasableSnapshots(after, runAt))
  return { ...after, snapshots: after.snapshots.filter(one => !released.has(one)) }
}

function withBackup(remote: RemoteSituation, sent: Subvolume, step: SendStep): RemoteSituation {
  const seq = remote.backups.reduce((most, { manifest }) => Math.max(most, manifest.seq), 0) + 1
  const epoch = [...remote.epochNames].find(([, name]) => name === step.epoch)?.[0]
  const isFinished = remote.unfinished === sent.uuid && remote.unfinishedEpoch === epoch
  const unfinished = isFinished ? undefined : remote.unfinished
  const { manifest, ...facts } = backupOf(seq, sent.uuid, step.parents[0]?.seq ?? null)
  const { createdAt, creationGeneration: generation } = sent
  const snapshot = { ...manifest.snapshot, createdAt, generation }
  const backup = { ...facts, manifest: { ...manifest, ...(epoch && { epoch }), snapshot } }
  return { ...remote, backups: [...remote.backups, backup], unfinished }
}
