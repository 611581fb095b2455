// The commit: everything confirmed, then the signature, then the manifest. Nothing before the
// last put makes a backup exist.

import { equalBytes } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { manifestNamespace } from '../format/manifest.ts'
import {
  manifestKey,
  type ObjectRole,
  objectEnding,
  objectKey,
  runPrefix,
  signatureKey,
} from '../format/object-key.ts'
import type { Manifest, StoredObject } from '../model/backup.ts'
import type { PutOptions } from '../store/store.ts'
import type { SignedManifest } from './manifest-cache.ts'
import { hashed, type Repository } from './repository.ts'
import { type SigningKey, sign } from './signing.ts'

/** The key of every object that the manifest names, with what it must be like. */
export function* namedObjects(
  manifest: Manifest,
): Generator<StoredObject & { readonly key: string; readonly role: ObjectRole }> {
  const { series, run } = manifest
  const ending = objectEnding(manifest.parameters)
  for (const role of ['segment', 'index'] as const) {
    const objects = role === 'segment' ? manifest.segments : manifest.indexes
    for (const [n, object] of objects.entries()) {
      const key = objectKey({ role, series, run, n, sha256: object.sha256 }, ending)
      yield { ...object, key, role }
    }
  }
}

/**
 * L2: every object that the manifest names is stored, with the size it must have; its hash was
 * checked when it was put and is part of its name. Failure 'object-missing' or 'corrupt'.
 */
export async function confirmObjects(
  repository: Repository,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<void> {
  const stored = new Map<string, number>()
  for (const role of ['segment', 'index'] as const) {
    const prefix = runPrefix(role, manifest.series, manifest.run)
    for await (const { key, bytes } of repository.store.list(prefix, { signal })) {
      stored.set(key, bytes)
    }
  }
  for (const { key, bytes } of namedObjects(manifest)) {
    const found = stored.get(key)
    if (found === bytes) continue
    const why =
      found === undefined ? 'is not in the store' : `has ${found} bytes instead of ${bytes}`
    throw new Failure(
      found === undefined ? 'object-missing' : 'corrupt',
      `cannot commit backup ${manifest.seq}: object ${key} ${why} though the store took it`,
      { hint: 'this store loses what it confirmed: do not rely on it' },
    )
  }
}

/** L3: the parent's manifest stands still; another machine may have pruned it during a long run. */
export async function confirmParent(
  { store }: Repository,
  { series, seq, parent }: Manifest,
  signal?: AbortSignal,
): Promise<void> {
  if (parent === null) return
  try {
    await store.size(manifestKey(series, parent.seq), { signal })
  } catch (error) {
    if (!isFailure(error, 'object-missing')) throw error
    throw new Failure(
      'refused',
      `cannot commit backup ${seq}: backup ${parent.seq}, which it is a difference from, is gone`,
      { hint: 'run backup again: it builds on what is there', cause: error },
    )
  }
}

export function signManifest(
  manifest: Manifest,
  bytes: Uint8Array<ArrayBuffer>,
  key: SigningKey,
): SignedManifest {
  const { series, seq } = manifest
  return {
    series,
    seq,
    manifest: bytes,
    signature: sign(bytes, { key, namespace: manifestNamespace }),
  }
}

/**
 * Puts the signature, then the manifest (L5: created, never replaced). Both may be there already
 * from a run that was cut between the two: the same bytes are ours. Failure 'refused' when another
 * writer took this seq.
 */
export async function putManifest(
  { store }: Repository,
  signed: SignedManifest,
  options: Pick<PutOptions, 'signal' | 'retain'> = {},
): Promise<void> {
  const { signal } = options
  const isOurs = async (key: string, bytes: Uint8Array) =>
    equalBytes(await store.get(key, { signal }), bytes)
  await putPair(store, signed, { ...options, isOurs })
}

/**
 * The same where nobody may look: what exists is ours when these puts were begun before (`again`),
 * for nobody else has a ledger of this series. Failure 'refused' else: the ledger was set back.
 */
export async function putManifestUnseen(
  { store }: Repository,
  signed: SignedManifest,
  { again, signal }: { readonly again: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  await putPair(store, signed, { isOurs: async () => again, signal })
}

interface PairOptions extends Pick<PutOptions, 'signal' | 'retain'> {
  /** Of what exists already. */
  readonly isOurs: (key: string, bytes: Uint8Array) => Promise<boolean>
}

async function putPair(
  store: Repository['store'],
  { series, seq, manifest, signature }: SignedManifest,
  { isOurs, signal, retain }: PairOptions,
): Promise<void> {
  const put = async (key: string, bytes: Uint8Array<ArrayBuffer>) => {
    try {
      await store.put(key, hashed(bytes), { signal, kind: 'metadata', retain })
    } catch (error) {
      if (!isFailure(error, 'object-exists')) throw error
      if (await isOurs(key, bytes)) return
      throw new Failure('refused', `cannot commit backup ${seq}: another writer took its number`, {
        hint: 'run backup again; if two machines share one signing key, give each its own',
        cause: error,
      })
    }
  }
  // L2: nothing makes the backup exist before the last put has begun.
  await put(signatureKey(series, seq), new Uint8Array(Buffer.from(signature, 'latin1')))
  await put(manifestKey(series, seq), manifest)
}
