// Remotes that a command works with: opened once, with the repository and what we remember of it.

import { Failure, isFailure } from '../../base/failure.ts'
import type { AllowedSigner } from '../../catalog/allowed-signers.ts'
import { type Catalog, loadCatalog } from '../../catalog/catalog.ts'
import {
  loadRemoteMemory,
  type RemoteMemory,
  storeRemoteMemory,
} from '../../catalog/local-state.ts'
import { LockMemory } from '../../catalog/lock-memory.ts'
import { ManifestCache } from '../../catalog/manifest-cache.ts'
import { openRepository, type Repository } from '../../catalog/repository.ts'
import { withCredentials } from '../../config/access-key.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'
import type { OpenedStore } from '../../store/open.ts'
import type { Store } from '../../store/store.ts'
import { type Context, nowOf } from './context.ts'

export interface OpenedRemote {
  readonly config: RemoteConfig
  readonly repository: Repository
  readonly memory: RemoteMemory
  readonly cache: ManifestCache
  readonly counts: OpenedStore['counts']
  /** SHA-256 of manifests of backups that this machine knows to be locked. */
  readonly locked: ReadonlySet<string>
  /** Nothing but puts is possible: ledgers say what is there. */
  readonly isWriteOnly: boolean
}

/** For commands that somebody watches: long enough for a slow answer, and not for a long outage. */
export const lookPatienceMs = 30_000

export interface RemotesOptions {
  readonly remember?: boolean
  readonly patienceMs?: number
  readonly reread?: boolean
  readonly ledgers?: boolean
  readonly asOf?: Date | undefined
}

/** Opens remotes on first use and closes them all. One that failed fails again the same way. */
export class Remotes {
  readonly #context: Context
  readonly #config: Config
  readonly #remember: boolean
  readonly #patienceMs: number
  readonly #reread: boolean
  readonly #asOf: Date | undefined
  readonly #ledgers: boolean
  readonly #opened = new Map<string, Promise<OpenedRemote>>()
  readonly #catalogs = new Map<string, Promise<Catalog>>()

  /**
   * Nothing is written into the state unless `remember`: a look changes nothing. A store that can't
   * be reached is given up after `patienceMs` where that is less than its configuration says.
   * `reread`: believe no manifest for having been read before. `asOf`: stores as they were then.
   * `ledgers`: what the configuration calls write-only is only written to; else it is tried to read
   * there, for what a machine may do is more than what it needs.
   */
  constructor(context: Context, config: Config, options: RemotesOptions = {}) {
    const { remember = true, reread = false, ledgers = false } = options
    const { patienceMs = Number.POSITIVE_INFINITY } = options
    this.#context = context
    this.#config = config
    this.#ledgers = ledgers
    this.#remember = remember
    this.#patienceMs = patienceMs
    this.#reread = reread
    this.#asOf = options.asOf
  }

  async open(name: string): Promise<OpenedRemote> {
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const opening = this.#open(name)
    opening.catch(() => {})
    this.#opened.set(name, opening)
    return opening
  }

  /** As it is now when `fresh`; else as this command saw it first. */
  async catalog(name: string, signers: readonly AllowedSigner[], fresh = false): Promise<Catalog> {
    const known = this.#catalogs.get(name)
    if (known !== undefined && !fresh) return known
    const loading = this.#loadCatalog(name, signers)
    loading.catch(() => {})
    this.#catalogs.set(name, loading)
    return loading
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values())
    for (const result of opened) {
      if (result.status === 'fulfilled') await result.value.repository.store.close()
    }
  }

  async #loadCatalog(name: string, signers: readonly AllowedSigner[]): Promise<Catalog> {
    const { repository, cache } = await this.open(name)
    const { signal } = this.#context
    const reread = this.#reread
    // What is there now is no measure of what was there then.
    const known = this.#asOf ? {} : { cache }
    return loadCatalog(repository, { signers, reread, signal, ...known })
  }

  async #open(name: string): Promise<OpenedRemote> {
    const config = this.#config.remotes.find(remote => remote.name === name)
    if (config === undefined) throw new Error(`no remote ${name} in the configuration`)
    const memory = await loadRemoteMemory(this.#config.state, name)
    const isWriteOnly = this.#ledgers && config.access === 'write-only'
    const { store, counts } = await this.#context.openStore(await withCredentials(config), {
      clock: this.#context.clock,
      signal: this.#context.signal,
      limits: config.limit,
      readOnly: !this.#remember,
      writeOnly: isWriteOnly,
      retryDeadlineMs: Math.min(config.retryDeadlineMs, this.#patienceMs),
      locks: config.lock !== undefined,
      asOf: this.#asOf,
      ...(memory && { features: { createIfAbsent: memory.createIfAbsent } }),
    })
    try {
      const { signal } = this.#context
      const repository = isWriteOnly
        ? knownRepository(store, config, memory)
        : await openToRead(store, config, { signal, expect: memory?.repository })
      const keeps = { keeps: this.#remember }
      const cache = new ManifestCache(this.#config.state, repository.id, keeps)
      return {
        config,
        repository,
        memory: memory ?? (await this.#meet(name, repository)),
        cache,
        counts,
        locked: await this.#lockedOn(config, repository),
        isWriteOnly,
      }
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async #lockedOn({ name, lock }: RemoteConfig, { id }: Repository): Promise<ReadonlySet<string>> {
    if (lock === undefined) return new Set()
    const place = { remote: name, repository: id }
    return (await LockMemory.load(this.#config.state, place)).lockedAt(nowOf(this.#context))
  }

  async #meet(name: string, { id, store }: Repository): Promise<RemoteMemory> {
    const memory = {
      repository: id,
      address: store.address,
      provenAt: null,
      createIfAbsent: store.features.createIfAbsent,
    }
    if (this.#remember) await storeRemoteMemory(this.#config.state, name, memory)
    return memory
  }
}

/** As init found out, or was told: nobody may look now. Failure 'repository-missing'. */
export function knownRepository(
  store: Store,
  { name }: RemoteConfig,
  memory: RemoteMemory | undefined,
): Repository {
  if (memory !== undefined && memory.address === store.address) {
    return { id: memory.repository, store }
  }
  const why =
    memory === undefined
      ? 'this machine does not know which repository is there'
      : `the repository that it knows is at ${memory.address}`
  throw new Failure(
    'repository-missing',
    `cannot use ${store.address}: remote ${name} is write-only, and ${why}`,
    {
      hint: `run: btrvault init --remote ${name} --repository ID (recovery kit and doctor have the id)`,
    },
  )
}

async function openToRead(
  store: Store,
  { name, access }: RemoteConfig,
  options: Parameters<typeof openRepository>[1],
): Promise<Repository> {
  try {
    return await openRepository(store, options)
  } catch (error) {
    if (access !== 'write-only' || !isFailure(error, 'store-refused')) throw error
    throw new Failure(error.code, error.message, {
      hint: `remotes.${name}.access is write-only: do this where the credentials may read, with a configuration of its own`,
      cause: error,
    })
  }
}
