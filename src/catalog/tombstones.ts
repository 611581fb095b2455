// Which backups are forgotten: tombstones, believed only when a key signed them that may forget.
// Putting one hides a backup; removing it, as long as the objects are there, brings it back.

import { equalBytes } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { tombstoneKey, tombstoneSignatureKey } from '../format/object-key.ts'
import { decodeTombstone, encodeTombstone, tombstoneNamespace } from '../format/tombstone.ts'
import type { SeriesId } from '../model/ids.ts'
import type { Tombstone } from '../model/tombstone.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import type { ManifestCache, SignedTombstone } from './manifest-cache.ts'
import { checkPlace, getIfPresent, hashed, type Repository } from './repository.ts'
import { type SigningKey, sign, verifySignature } from './signing.ts'

export interface TombstoneOptions {
  readonly signers: readonly AllowedSigner[]
  readonly cache?: ManifestCache | undefined
  readonly reread?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

interface Place {
  readonly series: SeriesId
  readonly seq: number
}

const longestTombstoneBytes = 64 * 1024

/**
 * A trusted tombstone. Failure 'untrusted', 'corrupt' or 'refused' for one that can't be believed;
 * undefined when it was removed since it was listed.
 */
export async function loadTombstone(
  repository: Repository,
  place: Place,
  options: TombstoneOptions,
): Promise<Tombstone | undefined> {
  const cached = options.reread ? undefined : await cachedTombstone(repository, place, options)
  if (cached !== undefined) return cached
  const { series, seq } = place
  const limits = { signal: options.signal, maxBytes: longestTombstoneBytes }
  const [tombstone, signature] = await Promise.all([
    getIfPresent(repository.store, tombstoneKey(series, seq), limits),
    getIfPresent(repository.store, tombstoneSignatureKey(series, seq), limits),
  ])
  if (tombstone === undefined || signature === undefined) return undefined
  const text = Buffer.from(signature).toString('latin1')
  const signed = { series, seq, tombstone, signature: text }
  const opened = openTombstone(repository, signed, options.signers)
  await options.cache?.storeTombstone(signed)
  return opened
}

/** What this machine read once. L8: a damaged one, or one that is no longer believed, is none. */
export async function cachedTombstone(
  repository: Repository,
  { series, seq }: Place,
  { cache, signers }: TombstoneOptions,
): Promise<Tombstone | undefined> {
  const signed = await cache?.loadTombstone(series, seq)
  if (signed === undefined) return undefined
  try {
    return openTombstone(repository, signed, signers)
  } catch (error) {
    if (isFailure(error)) return undefined
    throw error
  }
}

/** Signature before contents; then that the contents are what their name says. */
export function openTombstone(
  repository: Repository,
  { series, seq, tombstone: bytes, signature }: SignedTombstone,
  signers: readonly AllowedSigner[],
): Tombstone {
  const label = tombstoneKey(series, seq)
  verifySignature(bytes, signature, {
    signers,
    namespace: tombstoneNamespace,
    at: () => decodeTombstone(bytes, label).createdAt,
    what: `tombstone ${label}`,
  })
  const tombstone = decodeTombstone(bytes, label)
  checkPlace(tombstone, { repository: repository.id, series, seq }, `tombstone ${label}`)
  return tombstone
}

export function signTombstone(tombstone: Tombstone, key: SigningKey): SignedTombstone {
  const bytes = encodeTombstone(tombstone)
  const { series, seq } = tombstone
  const signature = sign(bytes, { key, namespace: tombstoneNamespace })
  return { series, seq, tombstone: bytes, signature }
}

/** The signature, then the tombstone. Failure 'refused' when another machine forgot it just now. */
export async function putTombstone(
  { store }: Repository,
  { series, seq, tombstone, signature }: SignedTombstone,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = new Uint8Array(Buffer.from(signature, 'latin1'))
  await putSignature({ store, series, seq, bytes, signal })
  try {
    await store.put(tombstoneKey(series, seq), hashed(tombstone), { signal, kind: 'metadata' })
  } catch (error) {
    if (!isFailure(error, 'object-exists')) throw error
    // A put whose answer was lost, or somebody else's tombstone.
    if (equalBytes(await store.get(tombstoneKey(series, seq), { signal }), tombstone)) return
    throw forgottenElsewhere(seq, error)
  }
}

interface NewSignature extends Place {
  readonly store: Repository['store']
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly signal: AbortSignal | undefined
}

/** One that an undelete, or a forget, left when it was cut says nothing: it makes room. */
async function putSignature({ store, series, seq, bytes, signal }: NewSignature): Promise<void> {
  const key = tombstoneSignatureKey(series, seq)
  const put = async () => store.put(key, hashed(bytes), { signal, kind: 'metadata' })
  try {
    await put()
  } catch (error) {
    if (!isFailure(error, 'object-exists')) throw error
    if ((await getIfPresent(store, tombstoneKey(series, seq), { signal })) !== undefined) {
      throw forgottenElsewhere(seq, error)
    }
    await store.delete(key, { signal })
    await put()
  }
}

function forgottenElsewhere(seq: number, cause: unknown): Failure {
  return new Failure('refused', `cannot forget backup ${seq}: it has a tombstone already`, {
    hint: 'run forget again; btrvault verify says when that tombstone is not trusted',
    cause,
  })
}

/** The tombstone first: a signature alone says nothing. */
export async function removeTombstone(
  { store }: Repository,
  { series, seq }: Place,
  signal?: AbortSignal,
): Promise<void> {
  await store.delete(tombstoneKey(series, seq), { signal })
  await store.delete(tombstoneSignatureKey(series, seq), { signal })
}
