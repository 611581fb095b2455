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
import type { Tombstone } from '../model/tombstone.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import type { ManifestCache, SignedManifest } from './manifest-cache.ts'
import { checkPlace, type Repository } from './repository.ts'
import { verifySignature } from './signing.ts'
import { cachedTombstone, loadTombstone } from './tombstones.ts'

export interface Catalog {
  /** By seq, ascending; trusted, not forgotten or still needed, and with every ancestor there. */
  readonly series: ReadonlyMap<SeriesId, readonly Backup[]>
  /** Forgotten, and needed by none of `series`; whole until prune takes them. By seq, ascending. */
  readonly hidden: ReadonlyMap<SeriesId, readonly HiddenBackup[]>
  /** Every one that is trusted, also of backups that are gone, or that one of `series` needs. */
  readonly tombstones: readonly Tombstone[]
  readonly problems: readonly CatalogProblem[]
  /** The highest seq that is taken in any way: a manifest, a signature, a tombstone, or one seen before. */
  readonly highestSeqs: ReadonlyMap<SeriesId, number>
}

export interface HiddenBackup {
  readonly backup: Backup
  readonly tombstone: Tombstone
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
    /** Nothing is hidden by it. */
    | 'tombstone-untrusted'
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
  /** Of no other series is anything read. */
  readonly only?: SeriesId | undefined
  readonly signal?: AbortSignal | undefined
}

/** Manifests fetched at a time: they are small, so it is the round trips that count. */
const fetchesAtOnce = 8

/** L9: an error while listing or reading throws; a catalog that is returned is the whole one. */
export async function loadCatalog(
  repository: Repository,
  options: CatalogOptions,
): Promise<Catalog> {
  const present = await listManifests(repository, options)
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
  const buried = present.filter(place => place.tombstone)
  const dig = (place: Presence) => loadBuried(repository, place, options)
  for await (const found of mapInOrder(buried, fetchesAtOnce, dig)) {
    if (found === undefined) continue
    if ('kind' in found) draft.problem(found)
    else draft.bury(found)
  }
  await compareWithCache({ repository, options, draft, signed, buried })
  return draft.finish()
}

interface Comparison {
  readonly repository: Repository
  readonly options: CatalogOptions
  readonly draft: CatalogDraft
  readonly signed: readonly Presence[]
  readonly buried: readonly Presence[]
}

/** A machine with memory notices when a store shows it less than before (a rollback). */
async function compareWithCache(comparison: Comparison): Promise<void> {
  const { repository, options, draft, signed, buried } = comparison
  const { cache } = options
  const absent = ((await cache?.list()) ?? []).filter(({ series, seq, part }) => {
    if (options.only !== undefined && options.only !== series) return false
    draft.sawSeq(series, seq)
    const there = part === 'manifest' ? signed : buried
    return !there.some(place => place.series === series && place.seq === seq)
  })
  for (const { series, seq } of absent.filter(({ part }) => part === 'manifest')) {
    // A backup that was forgotten may go; what this machine remembers of it goes too.
    const tombstone =
      draft.tombstoneOf(series, seq) ??
      (await cachedTombstone(repository, { series, seq }, options))
    const manifest = await cache?.load(series, seq)
    if (manifest && sha256Of(manifest.manifest) === tombstone?.manifest) {
      await cache?.drop(series, seq)
      continue
    }
    const text = `backup ${seq} was there before and is gone from the store`
    draft.problem({ kind: 'vanished', series, seq, text })
  }
  for (const { series, seq } of absent.filter(({ part }) => part === 'tombstone')) {
    await cache?.dropTombstone(series, seq)
  }
}

/** Undefined when it was removed since it was listed. */
async function loadBuried(
  repository: Repository,
  { series, seq, 'tombstone-signature': isSigned }: Presence,
  options: CatalogOptions,
): Promise<Tombstone | CatalogProblem | undefined> {
  const kind = 'tombstone-untrusted'
  if (!isSigned) {
    return { kind, series, seq, text: `tombstone ${seq} has no signature beside it` }
  }
  try {
    return await loadTombstone(repository, { series, seq }, options)
  } catch (error) {
    if (!isFailure(error) || !['untrusted', 'corrupt', 'refused'].includes(error.code)) throw error
    return { kind, series, seq, text: error.message }
  }
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
  tombstone: boolean
  'tombstone-signature': boolean
}

const nothingThere = {
  manifest: false,
  signature: false,
  tombstone: false,
  'tombstone-signature': false,
}

async function listManifests(
  repository: Repository,
  { only, signal }: CatalogOptions,
): Promise<Presence[]> {
  const prefix = only === undefined ? manifestPrefix : `${manifestPrefix}${only}/`
  const found = new Map<string, Presence>()
  for await (const { key } of repository.store.list(prefix, { signal })) {
    const place = parseManifestKey(key)
    if (place === undefined) continue
    const id = `${place.series}/${place.seq}`
    const presence = found.get(id) ?? { series: place.series, seq: place.seq, ...nothingThere }
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
  checkPlace(manifest, { repository: repository.id, series, seq }, `manifest ${label}`)
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
  readonly #tombstones = new Map<string, Tombstone>()

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

  bury(tombstone: Tombstone): void {
    this.#tombstones.set(`${tombstone.series}/${tombstone.seq}`, tombstone)
  }

  tombstoneOf(series: SeriesId, seq: number): Tombstone | undefined {
    return this.#tombstones.get(`${series}/${seq}`)
  }

  problem(problem: CatalogProblem): void {
    this.#problems.push(problem)
  }

  sawSeq(series: SeriesId, seq: number): void {
    this.#highest.set(series, Math.max(seq, this.#highest.get(series) ?? 0))
  }

  finish(): Catalog {
    const series = new Map<SeriesId, Backup[]>()
    const hidden = new Map<SeriesId, HiddenBackup[]>()
    for (const [id, backups] of this.#series) {
      const parts = this.#divide(backups)
      series.set(id, parts.live)
      if (parts.hidden.length > 0) hidden.set(id, parts.hidden)
    }
    return {
      series,
      hidden,
      tombstones: [...this.#tombstones.values()],
      problems: this.#problems,
      highestSeqs: this.#highest,
    }
  }

  /** L3: what a live backup needs is live itself, whatever tombstone was put beside it. */
  #divide(backups: readonly Backup[]): { live: Backup[]; hidden: HiddenBackup[] } {
    const live: Backup[] = []
    const hidden: HiddenBackup[] = []
    const needed = new Set<Sha256>()
    // Newest first: a child has a higher number than its parent.
    for (const backup of backups.toReversed()) {
      const { series, seq, parent } = backup.manifest
      const tombstone = this.tombstoneOf(series, seq)
      const isForgotten = tombstone?.manifest === backup.manifestSha256
      if (tombstone && isForgotten && !needed.has(backup.manifestSha256)) {
        hidden.unshift({ backup, tombstone })
        continue
      }
      live.unshift(backup)
      if (parent !== null) needed.add(parent.manifest)
    }
    return { live, hidden }
  }
}
