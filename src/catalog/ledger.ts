// What a machine knows of a remote that it may only write to: every manifest that it signed, on the
// disk before anything of it is put. So no number is taken twice, whatever is cut, and the next
// backup finds its parent without a question to the store.
//
// It may be deleted (L8): the next backup then is a full one, in a series of another id.

import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { LineFile, readTextIfPresent, writeFailure } from '../base/atomic-file.ts'
import { isFailure } from '../base/failure.ts'
import { countField, repositoryIdField, seriesField } from '../format/json-document.ts'
import type { Backup } from '../model/backup.ts'
import type { RepositoryId, SeriesId, Sha256, SourceName } from '../model/ids.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import { type CatalogProblem, openManifest, sha256Of } from './catalog.ts'
import { checkedLine, parseCheckedLine } from './checked-line.ts'
import type { SignedManifest } from './manifest-cache.ts'
import type { Repository } from './repository.ts'
import { ledgerSeriesOf } from './series-id.ts'

const headRecord = z.strictObject({
  kind: z.literal('ledger'),
  version: z.literal(1),
  repository: repositoryIdField,
  source: z.string(),
  series: seriesField,
  id: z.string().regex(/^[0-9a-f]{32}$/),
})

/** Signed, and about to be put: from here on the number is taken. */
const begunRecord = z.strictObject({
  kind: z.literal('begun'),
  seq: countField.min(1),
  manifest: z.string(),
  signature: z.string(),
})

/** The store took the manifest of that number. */
const storedRecord = z.strictObject({ kind: z.literal('stored'), seq: countField.min(1) })

const record = z.discriminatedUnion('kind', [headRecord, begunRecord, storedRecord])
type LedgerRecord = z.infer<typeof record>

export interface LedgerPlace {
  readonly state: string
  readonly repository: RepositoryId
  readonly source: SourceName
  /** seriesSecretOf(signing key). */
  readonly secret: Uint8Array
}

/** Why it says nothing any more: a sentence for people, lower case, no full stop. */
export interface UnusableLedger {
  readonly unusable: string
}

export class Ledger {
  readonly series: SeriesId
  readonly #path: string
  /** By seq, ascending. */
  readonly #entries: SignedManifest[]
  #stored: number

  constructor(path: string, facts: LedgerFacts) {
    this.#path = path
    this.series = facts.series
    this.#entries = [...facts.entries]
    this.#stored = facts.stored
  }

  get path(): string {
    return this.#path
  }

  get entries(): readonly SignedManifest[] {
    return this.#entries
  }

  get highestSeq(): number {
    return this.#entries.at(-1)?.seq ?? 0
  }

  /** SHA-256 of the last manifest, whether the store has it or not. */
  get newest(): Sha256 | null {
    const last = this.#entries.at(-1)
    return last === undefined ? null : sha256Of(last.manifest)
  }

  /** Begun last, and nobody heard that the store took it: its puts are to be repeated. */
  get unsettled(): SignedManifest | undefined {
    const last = this.#entries.at(-1)
    return last !== undefined && last.seq > this.#stored ? last : undefined
  }

  /** When it resolves, the number is taken for good: its puts may begin. */
  async begin(signed: SignedManifest): Promise<void> {
    if (this.unsettled !== undefined || signed.seq <= this.highestSeq) {
      throw new Error(`number ${signed.seq} of the ledger is not free`)
    }
    if (signed.series !== this.series) throw new Error('the ledger is of another series')
    const { seq, signature } = signed
    const manifest = Buffer.from(signed.manifest).toString('base64')
    await append(this.#path, { kind: 'begun', seq, manifest, signature })
    this.#entries.push(signed)
  }

  /** Both puts were confirmed. */
  async settle(seq: number): Promise<void> {
    await append(this.#path, { kind: 'stored', seq })
    this.#stored = Math.max(seq, this.#stored)
  }

  /** Never read again, and never deleted: the next backup begins another. */
  async retire(): Promise<void> {
    await setAside(this.#path)
  }
}

interface LedgerFacts {
  readonly series: SeriesId
  readonly entries: readonly SignedManifest[]
  readonly stored: number
}

/** Undefined when there is none. */
export async function readLedger(place: LedgerPlace): Promise<Ledger | UnusableLedger | undefined> {
  const path = ledgerPath(place)
  const text = await readTextIfPresent(path)
  // What follows the last line feed was cut while it was written: nothing was done by it yet.
  const lines = text?.split('\n').slice(0, -1) ?? []
  const records: LedgerRecord[] = []
  for (const line of lines) {
    const entry = parseCheckedLine(line, record)
    if (entry === undefined) return { unusable: `line ${records.length + 1} of it is damaged` }
    records.push(entry)
  }
  const [head, ...rest] = records
  if (head === undefined) return undefined
  if (head.kind !== 'ledger') return { unusable: 'its beginning is lost' }
  if (head.repository !== place.repository || head.source !== place.source) {
    return { unusable: 'it is of another source or repository' }
  }
  const series = ledgerSeriesOf(place.secret, { ...place, ledger: head.id })
  if (head.series !== series) return { unusable: 'it was begun with another signing key' }
  const facts = factsOf(series, rest)
  return 'unusable' in facts ? facts : new Ledger(path, facts)
}

function factsOf(series: SeriesId, records: readonly LedgerRecord[]): LedgerFacts | UnusableLedger {
  const entries: SignedManifest[] = []
  let stored = 0
  for (const entry of records) {
    const highest = entries.at(-1)?.seq ?? 0
    const isInOrder =
      entry.kind === 'begun'
        ? entry.seq > highest && stored === highest
        : entry.kind === 'stored' && entry.seq === highest
    if (!isInOrder) return { unusable: 'its lines are not in order' }
    if (entry.kind === 'stored') stored = entry.seq
    if (entry.kind !== 'begun') continue
    const manifest = new Uint8Array(Buffer.from(entry.manifest, 'base64'))
    entries.push({ series, seq: entry.seq, manifest, signature: entry.signature })
  }
  return { series, entries, stored }
}

/** A new one; what was there under its name is set aside. `id`: 16 random bytes in hexadecimal. */
export async function beginLedger(place: LedgerPlace, id: string): Promise<Ledger> {
  const path = ledgerPath(place)
  await setAside(path)
  const { repository, source, secret } = place
  const series = ledgerSeriesOf(secret, { repository, source, ledger: id })
  await append(path, { kind: 'ledger', version: 1, repository, source, series, id })
  return new Ledger(path, { series, entries: [], stored: 0 })
}

export interface LedgerBackups {
  /** By seq, ascending: trusted, and with every ancestor there. */
  readonly backups: readonly Backup[]
  readonly problems: readonly CatalogProblem[]
}

/** L6: here too, only what an allowed key signed is a backup. */
export function backupsIn(
  ledger: Ledger,
  repository: Repository,
  signers: readonly AllowedSigner[],
): LedgerBackups {
  const backups: Backup[] = []
  const problems: CatalogProblem[] = []
  const known = new Set<Sha256>()
  for (const signed of ledger.entries) {
    const { series, seq } = signed
    try {
      const backup = openManifest(repository, signed, signers)
      const { parent } = backup.manifest
      if (parent !== null && !known.has(parent.manifest)) {
        const text = `backup ${seq} needs backup ${parent.seq}, which the ledger does not have`
        problems.push({ kind: 'parent-missing', series, seq, text })
        continue
      }
      known.add(backup.manifestSha256)
      backups.push(backup)
    } catch (error) {
      if (!isFailure(error)) throw error
      const kind = error.code === 'untrusted' ? 'untrusted' : 'unreadable'
      problems.push({ kind, series, seq, text: error.message })
    }
  }
  return { backups, problems }
}

export function ledgerPath({ state, repository, source }: Omit<LedgerPlace, 'secret'>): string {
  return join(state, 'sources', source, `ledger-${repository}`)
}

async function append(path: string, entry: LedgerRecord): Promise<void> {
  const file = await LineFile.open(path)
  try {
    await file.append(checkedLine(entry))
  } finally {
    await file.close()
  }
}

async function setAside(path: string): Promise<void> {
  const text = await readTextIfPresent(path)
  if (text === undefined) return
  // Named by what it holds, so that no two of them are in each other's way.
  const name = sha256Of(Buffer.from(text)).slice(0, 12)
  try {
    await rename(path, `${path}.retired-${name}`)
  } catch (error) {
    throw writeFailure(path, error)
  }
}
