// Manifests, tombstones and signatures as they were read. They hardly ever change, so one list and
// what is new is all that a run asks for. The folder may be deleted at any time (L8).

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../base/atomic-file.ts'
import { isFailure, systemCodeOf } from '../base/failure.ts'
import {
  manifestKey,
  parseManifestKey,
  signatureKey,
  tombstoneKey,
  tombstoneSignatureKey,
} from '../format/object-key.ts'
import type { RepositoryId, SeriesId } from '../model/ids.ts'

export interface SignedManifest {
  readonly series: SeriesId
  readonly seq: number
  readonly manifest: Uint8Array<ArrayBuffer>
  readonly signature: string
}

export interface SignedTombstone {
  readonly series: SeriesId
  readonly seq: number
  readonly tombstone: Uint8Array<ArrayBuffer>
  readonly signature: string
}

export class ManifestCache {
  readonly #folder: string
  readonly #keeps: boolean

  /** Unless it `keeps`, it is only read. */
  constructor(stateFolder: string, repository: RepositoryId, { keeps = true } = {}) {
    this.#folder = join(stateFolder, 'cache', repository)
    this.#keeps = keeps
  }

  async load(series: SeriesId, seq: number): Promise<SignedManifest | undefined> {
    const found = await this.#read(manifestKey(series, seq), signatureKey(series, seq))
    return found && { series, seq, manifest: found.bytes, signature: found.signature }
  }

  async loadTombstone(series: SeriesId, seq: number): Promise<SignedTombstone | undefined> {
    const found = await this.#read(tombstoneKey(series, seq), tombstoneSignatureKey(series, seq))
    return found && { series, seq, tombstone: found.bytes, signature: found.signature }
  }

  /** What there is no space for is fetched again next time (L8). */
  async store({ series, seq, manifest, signature }: SignedManifest): Promise<void> {
    await this.#write([signatureKey(series, seq), signature], [manifestKey(series, seq), manifest])
  }

  async storeTombstone({ series, seq, tombstone, signature }: SignedTombstone): Promise<void> {
    const key = tombstoneKey(series, seq)
    await this.#write([tombstoneSignatureKey(series, seq), signature], [key, tombstone])
  }

  /** The backup is gone, and rightly so. */
  async drop(series: SeriesId, seq: number): Promise<void> {
    await this.#remove(manifestKey(series, seq), signatureKey(series, seq))
  }

  async dropTombstone(series: SeriesId, seq: number): Promise<void> {
    await this.#remove(tombstoneKey(series, seq), tombstoneSignatureKey(series, seq))
  }

  /** Every manifest and tombstone that this machine has seen in the repository. */
  async list(): Promise<{ series: SeriesId; seq: number; part: 'manifest' | 'tombstone' }[]> {
    const names = await this.#names()
    return names.flatMap(name => {
      const { series, seq, part } = parseManifestKey(name) ?? {}
      if (series === undefined || seq === undefined) return []
      return part === 'manifest' || part === 'tombstone' ? [{ series, seq, part }] : []
    })
  }

  async #read(key: string, signatureOf: string) {
    try {
      const bytes = new Uint8Array(await readFile(this.#path(key)))
      return { bytes, signature: await readFile(this.#path(signatureOf), 'utf8') }
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #write(...files: readonly [key: string, content: string | Uint8Array][]): Promise<void> {
    if (!this.#keeps) return
    try {
      for (const [key, content] of files) await writeFileAtomic(this.#path(key), content)
    } catch (error) {
      if (!isFailure(error)) throw error
    }
  }

  /** What can't be removed is met again next time. */
  async #remove(...keys: readonly string[]): Promise<void> {
    if (!this.#keeps) return
    for (const key of keys) await rm(this.#path(key), { force: true }).catch(() => {})
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder, { recursive: true })
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  #path(key: string): string {
    return join(this.#folder, key)
  }
}
