// Manifests and signatures as they were read. They never change, so one list and what is new is
// all that a run asks for. The folder may be deleted at any time (L8).

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../base/atomic-file.ts'
import { isFailure, systemCodeOf } from '../base/failure.ts'
import { manifestKey, parseManifestKey, signatureKey } from '../format/object-key.ts'
import type { RepositoryId, SeriesId } from '../model/ids.ts'

export interface SignedManifest {
  readonly series: SeriesId
  readonly seq: number
  readonly manifest: Uint8Array<ArrayBuffer>
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
    try {
      const manifest = new Uint8Array(await readFile(this.#path(manifestKey(series, seq))))
      const signature = await readFile(this.#path(signatureKey(series, seq)), 'utf8')
      return { series, seq, manifest, signature }
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** What there is no space for is fetched again next time (L8). */
  async store({ series, seq, manifest, signature }: SignedManifest): Promise<void> {
    if (!this.#keeps) return
    try {
      await writeFileAtomic(this.#path(signatureKey(series, seq)), signature)
      await writeFileAtomic(this.#path(manifestKey(series, seq)), manifest)
    } catch (error) {
      if (!isFailure(error)) throw error
    }
  }

  /** Every backup that this machine has seen in the repository. */
  async list(): Promise<{ series: SeriesId; seq: number }[]> {
    const names = await this.#names()
    return names.flatMap(name => {
      const place = parseManifestKey(name)
      return place?.part === 'manifest' ? [{ series: place.series, seq: place.seq }] : []
    })
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
