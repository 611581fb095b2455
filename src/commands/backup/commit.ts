// The end of a run: a manifest out of what was stored, and the puts that make the backup exist.

import { Failure, isFailure, throwIfAborted } from '../../base/failure.ts'
import { sha256Of } from '../../catalog/catalog.ts'
import { lockCommit, lockObjects } from '../../catalog/chain-lock.ts'
import { confirmObjects, confirmParent, putManifest, signManifest } from '../../catalog/commit.ts'
import type { CommitRecord, Journal, RunRecord } from '../../catalog/journal.ts'
import type { Ledger } from '../../catalog/ledger.ts'
import type { SignedManifest } from '../../catalog/manifest-cache.ts'
import { decodeManifest, encodeManifest } from '../../format/manifest.ts'
import type { Backup, BackupParameters, Manifest, StoredObject } from '../../model/backup.ts'
import type { StreamSummary } from '../../stream/guard.ts'
import { nowOf } from '../shared/context.ts'
import { lockAncestors, lockedNow, type RunLock } from './lock.ts'
import { storeUnseen } from './store-unseen.ts'
import type { RunTask } from './task.ts'

export interface StoredRun {
  readonly record: RunRecord
  readonly summary: StreamSummary
  readonly parameters: BackupParameters
  readonly segments: readonly StoredObject[]
  readonly indexes: readonly StoredObject[]
}

export async function commitRun(task: RunTask, run: StoredRun, journal: Journal): Promise<Backup> {
  const { context, remote, signingKey } = task
  const manifest = manifestOf(task, run)
  tellLongPath(task, run.summary)
  if (task.ledger !== undefined) return await commitUnseen(task, manifest, task.ledger)
  // L2: until here nothing names the objects; from here on all of them are there.
  await confirmObjects(remote.repository, manifest, context.signal)
  await confirmParent(remote.repository, manifest, context.signal)
  const lock = task.lock && lockedNow(task.lock, context)
  if (lock) await lockAncestors(context, remote, lock)
  throwIfAborted(context.signal)
  const signed = signManifest(manifest, encodeManifest(manifest), signingKey)
  await journal.addCommit({
    manifest: Buffer.from(signed.manifest).toString('base64'),
    signature: signed.signature,
  })
  return commitSigned(task, signed, lock)
}

/** The longest that btrfs receive puts together, with a NUL at its end: it has two slashes in front. */
const receivedPathBytes = 4095

/** Stored all the same: the stream is right, and may be received elsewhere or otherwise some day. */
function tellLongPath({ context, source, snapshot }: RunTask, summary: StreamSummary): void {
  const { longestPathBytes } = summary
  const most = receivedPathBytes - Buffer.byteLength(`//${snapshot.name}/\0`)
  if (longestPathBytes <= most) return
  context.emit({
    kind: 'warning',
    source,
    text: `the backup has a path of ${longestPathBytes} bytes, and btrfs receive can make none above ${most}: as it is, it can't be restored`,
    hint: 'shorten the names of folders on the longest paths, then run btrvault backup --now',
  })
}

/**
 * L2: that the store confirmed the put of each object is all there is, and L3: that the ledger has the
 * parent. It also has this one before anything of it is put, and so finishes what is cut from here on.
 */
async function commitUnseen(task: RunTask, manifest: Manifest, ledger: Ledger): Promise<Backup> {
  const { remote, context, signingKey } = task
  throwIfAborted(context.signal)
  const signed = signManifest(manifest, encodeManifest(manifest), signingKey)
  await ledger.begin(signed)
  try {
    await storeUnseen(remote, { ledger, signed, again: false }, context.signal)
  } catch (error) {
    if (!isFailure(error, 'refused')) throw error
    await ledger.retire()
    throw new Failure(
      'refused',
      `cannot commit backup ${manifest.seq}: its number is taken, and the ledger does not know it`,
      {
        hint: 'was this machine’s state set back, or do two machines share it? Run backup again: it begins a new series with a full backup',
        cause: error,
      },
    )
  }
  const manifestSha256 = sha256Of(signed.manifest)
  return { manifest, manifestSha256, signer: signingKey.fingerprint }
}

/** An earlier run signed and was cut before the manifest stood: the same bytes are put again. */
export async function finishCommit(task: RunTask, commit: CommitRecord): Promise<Backup> {
  const { series, seq, remote, context } = task
  const manifest = new Uint8Array(Buffer.from(commit.manifest, 'base64'))
  const decoded = decodeManifest(manifest, `of the unfinished run ${seq}`)
  await confirmObjects(remote.repository, decoded, context.signal)
  await confirmParent(remote.repository, decoded, context.signal)
  const lock = task.lock && lockedNow(task.lock, context)
  if (lock) await lockAncestors(context, remote, lock)
  return commitSigned(task, { series, seq, manifest, signature: commit.signature }, lock)
}

async function commitSigned(
  task: RunTask,
  signed: SignedManifest,
  lock: RunLock | undefined,
): Promise<Backup> {
  const { remote, context, signingKey } = task
  const manifest = decodeManifest(signed.manifest, 'just signed')
  const manifestSha256 = sha256Of(signed.manifest)
  const isResumed = task.unfinished !== undefined
  // What was put before, by this run or an earlier one, may be locked for less.
  const isLonger = isResumed || lock?.retention !== task.lock?.retention
  if (lock && isLonger) await lockObjects(remote.repository, manifest, lock)
  const retain = lock?.retention
  await putManifest(remote.repository, signed, { signal: context.signal, retain })
  await remote.cache.store(signed)
  if (lock && isResumed) await lockCommit(remote.repository, manifest, lock)
  await lock?.memory.remember(manifestSha256, lock.retention, lock.now)
  return { manifest, manifestSha256, signer: signingKey.fingerprint }
}

function manifestOf(task: RunTask, run: StoredRun): Manifest {
  const { snapshot, parent, context, previous } = task
  const { repository, series, seq, run: runId, epoch } = run.record
  const { uuid, ctransid, version, bytes } = run.summary
  return {
    repository,
    series,
    seq,
    run: runId,
    ...(epoch !== undefined && { epoch }),
    createdAt: nowOf(context),
    snapshot: {
      uuid: snapshot.uuid,
      sourceUuid: snapshot.sourceUuid,
      generation: snapshot.creationGeneration,
      createdAt: snapshot.createdAt,
    },
    stream: { uuid, ctransid, version, bytes },
    parent: parent && {
      seq: parent.backup.manifest.seq,
      snapshot: parent.snapshot.uuid,
      manifest: parent.backup.manifestSha256,
    },
    previous,
    segments: run.segments,
    indexes: run.indexes,
    parameters: run.parameters,
    program: context.program,
  }
}
