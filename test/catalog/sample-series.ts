// Signed manifests in a store of memory, as backups would have left them; without their objects
// unless a test asks for them.

import { type AllowedSigner, parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { sha256Of as hashOf } from '../../src/catalog/catalog.ts'
import { putManifest, signManifest } from '../../src/catalog/commit.ts'
import type { SignedManifest } from '../../src/catalog/manifest-cache.ts'
import type { Repository } from '../../src/catalog/repository.ts'
import { SigningKey } from '../../src/catalog/signing.ts'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.ts'
import { formatSshPublicKeyLine } from '../../src/format/ssh-key.ts'
import type { Manifest } from '../../src/model/backup.ts'
import { asUuid, type Uuid } from '../../src/model/ids.ts'
import type { Tombstone } from '../../src/model/tombstone.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { fullManifest, repositoryId } from '../format/samples.ts'

export const key = new SigningKey(new Uint8Array(32).fill(1))
export const foreignKey = new SigningKey(new Uint8Array(32).fill(2))

export function signersOf(...keys: readonly SigningKey[]): readonly AllowedSigner[] {
  const lines = keys.map(one => `btrvault ${formatSshPublicKeyLine(one.publicKey)}`)
  return parseAllowedSigners(lines.join('\n'), 'the signers of a test')
}

export const signers = signersOf(key)

/** The uuid of the n-th snapshot. */
export function uuidOf(n: number): Uuid {
  const uuid = asUuid(`00000000-0000-0000-0000-${n.toString(16).padStart(12, '0')}`)
  if (uuid === undefined) throw new Error('no uuid')
  return uuid
}

export function signed(manifest: Manifest, by: SigningKey = key): SignedManifest {
  return signManifest(manifest, encodeManifest(manifest), by)
}

export function linkTo({ manifest: bytes, seq }: SignedManifest) {
  return { seq, snapshot: uuidOf(seq), manifest: hashOf(bytes) }
}

/** A chain: a full backup, then each a difference from the one before. */
export function chainOfManifests(
  length: number,
  changes: Partial<Manifest> = {},
): SignedManifest[] {
  const chain: SignedManifest[] = []
  for (let seq = 1; seq <= length; seq += 1) {
    const before = chain.at(-1)
    const link = before && linkTo(before)
    chain.push(
      signed(
        manifestOf(seq, { parent: link ?? null, previous: link?.manifest ?? null, ...changes }),
      ),
    )
  }
  return chain
}

export function manifestOf(seq: number, changes: Partial<Manifest> = {}): Manifest {
  const snapshot = { ...fullManifest.snapshot, uuid: uuidOf(seq) }
  const stream = { ...fullManifest.stream, uuid: uuidOf(seq) }
  return { ...fullManifest, seq, snapshot, stream, ...changes }
}

/** Made a day after the backup, for a week. */
export function tombstoneOf({ manifest: bytes, series, seq }: SignedManifest): Tombstone {
  const { run, createdAt, repository } = decodeManifest(bytes, 'a sample')
  const madeAt = createdAt.getTime() + dayMs
  return {
    repository,
    series,
    seq,
    run,
    manifest: hashOf(bytes),
    createdAt: new Date(madeAt),
    notBefore: new Date(madeAt + 7 * dayMs),
    program: 'btrvault test',
  }
}

export const dayMs = 86_400_000

export async function repositoryWith(
  manifests: readonly SignedManifest[],
  store: Store = new MemoryStore(),
): Promise<Repository> {
  const repository = { id: repositoryId, store }
  for (const one of manifests) await putManifest(repository, one)
  return repository
}
