// What there is after a run that goes as planned. For looking ahead: snapshots and backups that are
// made here have uuids and hashes of no meaning, each its own.

import type { Backup } from '../model/backup.ts'
import type { RepositoryId, RunId, SeriesId, Sha256, Uuid } from '../model/ids.ts'
import type { SendStep, Step } from '../model/plan.ts'
import type { Subvolume } from '../model/subvolume.ts'
import { nextSeqOn, type RemoteSituation, type SourceSituation } from './situation.ts'

/** Only what is made: nothing is released, forgotten or pruned. */
export function situationAfter(
  situation: SourceSituation,
  { steps, now }: { readonly steps: readonly Step[]; readonly now: Date },
): SourceSituation {
  let { subvolume, snapshots, remotes } = situation
  for (const step of steps) {
    if (step.kind === 'snapshot') {
      const made = madeSnapshot({ ...situation, subvolume, snapshots }, step.name, now)
      snapshots = [...snapshots, made]
      subvolume = { ...subvolume, generation: made.creationGeneration }
    }
    if (step.kind !== 'send') continue
    const snapshot =
      step.snapshot === null
        ? snapshots.at(-1)
        : snapshots.find(({ uuid }) => uuid === step.snapshot)
    if (snapshot === undefined) throw new Error('a send step names a snapshot that is not there')
    remotes = remotes.map(remote =>
      remote.remote === step.remote ? withSent(remote, { step, snapshot, now }) : remote,
    )
  }
  return { ...situation, subvolume, snapshots, remotes }
}

function madeSnapshot({ subvolume, snapshots }: SourceSituation, name: string, now: Date) {
  const generation = subvolume.generation + 1
  const made: Subvolume = {
    path: name,
    id: snapshots.reduce((most, { id }) => Math.max(most, id), subvolume.id) + 1,
    name,
    uuid: `planned ${name}` as Uuid,
    sourceUuid: subvolume.uuid,
    receivedUuid: null,
    generation,
    creationGeneration: generation,
    sendTransid: 0,
    receiveTransid: 0,
    readOnly: true,
    createdAt: now,
  }
  return made
}

interface Sent {
  readonly step: SendStep
  readonly snapshot: Subvolume
  readonly now: Date
}

function withSent(remote: RemoteSituation, { step, snapshot, now }: Sent): RemoteSituation {
  const { backups, epochNames } = remote
  const [epoch] = [...epochNames].find(([, name]) => name === step.epoch) ?? []
  const { uuid, sourceUuid, creationGeneration: generation, createdAt } = snapshot
  const isFinished = remote.unfinished === uuid && remote.unfinishedEpoch === epoch
  const unfinished = isFinished ? undefined : remote.unfinished
  // An unfinished run may be finished though another one committed its snapshot meanwhile.
  const isThis = ({ manifest }: Backup) =>
    manifest.snapshot.uuid === uuid && manifest.epoch === epoch
  if (backups.some(isThis)) {
    return { ...remote, unfinished }
  }
  const seq = nextSeqOn(remote)
  const from = step.parents[0]
  const same = backups.filter(({ manifest }) => manifest.snapshot.uuid === from?.snapshot)
  const parent = same.find(({ manifest }) => manifest.seq === from?.seq) ?? same[0]
  const link = parent && {
    seq: parent.manifest.seq,
    snapshot: parent.manifest.snapshot.uuid,
    manifest: parent.manifestSha256,
  }
  const made: Backup = {
    manifest: {
      ...plannedFacts,
      ...(epoch !== undefined && { epoch }),
      seq,
      createdAt: now,
      snapshot: { uuid, sourceUuid, generation, createdAt },
      stream: { uuid, ctransid: generation, version: 2, bytes: 0 },
      parent: link ?? null,
      previous: backups.at(-1)?.manifestSha256 ?? null,
    },
    manifestSha256: `planned ${step.remote} ${seq} ${uuid}` as Sha256,
    signer: '',
  }
  return { ...remote, backups: [...backups, made], unfinished }
}

const plannedFacts = {
  repository: '' as RepositoryId,
  series: '' as SeriesId,
  run: '' as RunId,
  segments: [],
  indexes: [],
  parameters: { segmentSize: 0, frameSize: 0, compress: 'zstd', encrypt: 'age' },
  program: '',
} as const
