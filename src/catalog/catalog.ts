// What we have: every backup of a repository, read from its manifests and believed only when a
// key in our own allowed_signers signed it.

import { createHash } from 'node:crypto'
import { equalBytes } from '../base/bytes.ts'
import { mapInOrder } from '../base/concurrency.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { decodeManifest, manifestNamespace } from '../format/manifest.ts'
import {
  manifestKey,
  manifestPrefix,
  parseManifestKey,
  signatureKey,
} from '../format/object-key.ts'
import type { Backup } from '../model/backup.ts'
import type { SeriesId, Sha256 } from '../model/ids.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import type { ManifestCache, SignedManifest } from './manifest-cache.ts'
import type { Repository } from './repository.ts'
import { verifySignature } from './signing.ts'

export interface Catalog {
  /** By seq, ascending; trusted, and with every ancestor there. */
  readonly series: ReadonlyMap<SeriesId, readonly Backup[]>
  readonly problems: readonly CatalogProblem[]
  /** The highest seq that is taken in any way: a manifest, a bare signature, or one seen before. */
  readonly highestSeqs: ReadonlyMap<SeriesId, number>
}

export interface CatalogProblem {
  readonly kind:
    | 'untrusted'
    | 'unreadable'
    | 'parent-missing'
    | 'signature-missing'
    | 'vanished'
    | 'fork'
    /** Signed, and not what this machine read under its name before. */
    | 'replaced'
    /** The store did not give it, though it listed it; only when `reread`. */
    | 'unreachable'
  readonly series: SeriesId
  readonly seq: number
  /** A sentence for people. */
  readonly text: string
}

export interface CatalogOptions {
  readonly signers: readonly AllowedSigner[]
  readonly cache?: ManifestCache | undefined
  /**
   * Read every manifest from the store, though the cache has it; one that can't be read is then a
   * problem and stops nothing.
   */
  readonly reread?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Manifests fetched at a time: they are small, so it is the round trips that count. */
const fetchesAtOnce = 8

/** L9: an error while listing or reading throws; a catalog that is returned is the whole one. */
export async function loadCatalog(
  repository: Repository,
  options: CatalogOptions,
): Promise<Catalog> {
  const present = await listManifests(repository, options.signal)
  const draft = new CatalogDraft()
  const signed = present.filter(place => place.manifest)
  let unreachable = 0
  const load = (place: Presence) => loadSigned(repository, place, options)
  for await (const loaded of mapInOrder(signed, fetchesAtOnce, load)) {
    if ('backup' in loaded) draft.add(loaded.backup)
    else draft.problem(loaded)
    unreachable = 'kind' in loaded && loaded.kind === 'unreachable' ? unreachable + 1 : 0
    if (unreachable < fetchesAtOnce || !('text' in loaded)) continue
    throw new Failure('store-unavailable', loaded.text)
  }
  for (const { series, seq } of present) draft.sawSeq(series, seq)
  for (const { series, seq } of (await options.cache?.list()) ?? []) {
    draft.sawSeq(series, seq)
    // A machine with memory notices when a store shows it less than before (a rollback).
    if (!signed.some(place => place.series === series && place.seq === seq)) {
      const text = `backup ${seq} was there before and is gone from the store`
      draft.problem({ kind: 'vanished', series, seq, text })
    }
  }
  return draft.finish()
}

/** The chain of a backup, full first. Failure 'object-missing' when an ancestor is not there. */
export function chainOf(backup: Backup, series: readonly Backup[]): Backup[] {
  const chain = [backup]
  for (let link = backup.manifest.parent; link !== null; ) {
    const parent = findParent(link, series)
    if (parent === undefined) {
      throw new Failure(
        'object-missing',
        `cannot use backup ${backup.manifest.seq}: its ancestor ${link.seq} is not in the repository`,
      )
    }
    chain.unshift(parent)
    link = parent.manifest.parent
  }
  return chain
}

interface Presence {
  readonly series: SeriesId
  readonly seq: number
  manifest: boolean
  signature: boolean
}

async function listManifests(repository: Repository, signal?: AbortSignal): Promise<Presence[]> {
  const found = new Map<string, Presence>()
  for await (const { key } of repository.store.list(manifestPrefix, { signal })) {
    const place = parseManifestKey(key)
    if (place === undefined) continue
    const id = `${place.series}/${place.seq}`
    const presence = found.get(id) ?? { ...place, manifest: false, signature: false }
    presence[place.part] = true
    found.set(id, presence)
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq)
}

async function loadSigned(
  repository: Repository,
  place: Presence,
  options: CatalogOptions,
): Promise<{ backup: Backup } | CatalogProblem> {
  const { series, seq } = place
  if (!place.signature) {
    const text = `manifest ${seq} has no signature beside it`
    return { kind: 'signature-missing', series, seq, text }
  }
  try {
    const cached = await loadCached(repository, place, options)
    if (cached !== undefined && !options.reread) return { backup: cached.backup }
    const signed = await fetchSigned(repository, place, options.signal)
    const backup = openManifest(repository, signed, options.signers)
    if (cached !== undefined && !equalBytes(cached.manifest, signed.manifest)) {
      const text = `manifest ${seq} was replaced: it is not the one that was there before`
      return { kind: 'replaced', series, seq, text }
    }
    if (cached === undefined) await options.cache?.store(signed)
    return { backup }
  } catch (error) {
    if (isFailure(error, 'untrusted'))
      return { kind: 'untrusted', series, seq, text: error.message }
    if (isFailure(error, 'corrupt') || isFailure(error, 'refused')) {
      return { kind: 'unreadable', series, seq, text: error.message }
    }
    if (options.reread && isFailure(error) && error.code !== 'interrupted') {
      return { kind: 'unreachable', series, seq, text: error.message }
    }
    throw error
  }
}

/** L8: a cache that was damaged, or is not believed any more, is as good as none. */
async function loadCached(
  repository: Repository,
  { series, seq }: Presence,
  { cache, signers }: CatalogOptions,
): Promise<(SignedManifest & { readonly backup: Backup }) | undefined> {
  const signed = await cache?.load(series, seq)
  if (signed === undefined) return undefined
  try {
    return { ...signed, backup: openManifest(repository, signed, signers) }
  } catch (error) {
    if (isFailure(error)) return undefined
    throw error
  }
}

/** A manifest has about 110 bytes a segment; more than this a hostile store made up. */
const longestManifestBytes = 256 * 1024 * 1024
const longestSignatureBytes = 64 * 1024

async function fetchSigned(
  { store }: Repository,
  { series, seq }: Presence,
  signal?: AbortSignal,
): Promise<SignedManifest> {
  const [manifest, signature] = await Promise.all([
    store.get(manifestKey(series, seq), { signal, maxBytes: longestManifestBytes }),
    store.get(signatureKey(series, seq), { signal, maxBytes: longestSignatureBytes }),
  ])
  return { series, seq, manifest, signature: Buffer.from(signature).toString('latin1') }
}

/** L6: signature before contents; then that the contents are what their name says. */
export function openManifest(
  repository: Repository,
  { series, seq, manifest: bytes, signature }: SignedManifest,
  signers: readonly AllowedSigner[],
): Backup {
  const label = manifestKey(series, seq)
  const { fingerprint } = verifySignature(bytes, signature, {
    signers,
    namespace: manifestNamespace,
    // The signer's own claim: that is what an expired key's old signatures are judged by.
    at: () => decodeManifest(bytes, label).createdAt,
    what: `manifest ${label}`,
  })
  const manifest = decodeManifest(bytes, label)
  const misplaced =
    manifest.repository !== repository.id
      ? 'it belongs to another repository'
      : manifest.series !== series || manifest.seq !== seq
        ? 'it belongs under another name'
        : undefined
  if (misplaced) throw new Failure('untrusted', `cannot trust manifest ${label}: ${misplaced}`)
  return { manifest, manifestSha256: sha256Of(bytes), signer: fingerprint }
}

export function sha256Of(bytes: Uint8Array): Sha256 {
  return createHash('sha256').update(bytes).digest('hex') as Sha256
}

function findParent(
  link: { readonly seq: number; readonly manifest: Sha256 },
  series: readonly Backup[],
): Backup | undefined {
  return series.find(
    ({ manifest, manifestSha256 }) => manifest.seq === link.seq && manifestSha256 === link.manifest,
  )
}

class CatalogDraft {
  readonly #series = new Map<SeriesId, Backup[]>()
  readonly #highest = new Map<SeriesId, number>()
  readonly #problems: CatalogProblem[] = []

  /** In ascending order of seq: an ancestor is added before its descendants. */
  add(backup: Backup): void {
    const { series, seq, parent, previous } = backup.manifest
    const backups = this.#series.get(series) ?? []
    this.#series.set(series, backups)
    // L3: what it is a difference from is there, and is the very manifest that it was made with.
    if (parent !== null && findParent(parent, backups) === undefined) {
      const text = `backup ${seq} needs backup ${parent.seq}, which is not there`
      this.problem({ kind: 'parent-missing', series, seq, text })
      return
    }
    if (backups.some(({ manifest }) => manifest.previous === previous)) {
      const text = `backup ${seq} and an older one both follow the same backup: two machines write with one key`
      this.problem({ kind: 'fork', series, seq, text })
    }
    backups.push(backup)
  }

  problem(problem: CatalogProblem): void {
    this.#problems.push(problem)
  }

  sawSeq(series: SeriesId, seq: number): void {
    this.#highest.set(series, Math.max(seq, this.#highest.get(series) ?? 0))
  }

  finish(): Catalog {
    return { series: this.#series, problems: this.#problems, highestSeqs: this.#highest }
  }
}
