// From what a person says (a source, a time, an id) to one backup in one repository. Works from a
// configuration, or on a bare machine from an address, an identity and the allowed signers.

import { Failure, isFailure } from '../../base/failure.ts'
import type { AllowedSigner } from '../../catalog/allowed-signers.ts'
import { type Catalog, type CatalogProblem, loadCatalog } from '../../catalog/catalog.ts'
import { readLedger } from '../../catalog/ledger.ts'
import { openRepository, type Repository } from '../../catalog/repository.ts'
import { seriesIdOf } from '../../catalog/series-id.ts'
import { seriesSecretOf } from '../../catalog/signing.ts'
import type { Config, SourceConfig } from '../../config/config.ts'
import type { IndexBegin } from '../../format/index-record.ts'
import type { Backup } from '../../model/backup.ts'
import { asSourceName, type EpochId, type SeriesId } from '../../model/ids.ts'
import { parseRemoteUrl } from '../../model/remote.ts'
import type { Identity } from '../../pack/identities.ts'
import { newestOf } from '../../plan/moments.ts'
import { readIndexBegin } from '../../restore/read-index.ts'
import type { Context } from './context.ts'
import { epochNamesOf } from './epoch-names.ts'
import { readAllowedSigners, readIdentities, readSigningKey } from './keys.ts'
import { chooseNamesake, type Namesake, type Wanted } from './namesakes.ts'
import { Remotes } from './remotes.ts'

/** Where to look, and whom to believe. */
export interface LookIn {
  readonly config?: Config | undefined
  /** A remote's name; undefined: those of the configuration, in order. */
  readonly remote?: string | undefined
  /** An address, instead of a configuration. */
  readonly from?: string | undefined
  /** Path of an identity file. */
  readonly identity?: string | undefined
  /** Path of an allowed_signers file; overrides the configuration's. */
  readonly signers?: string | undefined
  readonly passphrase?: (() => Promise<string>) | undefined
  /** Take no manifest from the cache, for a look at what the store really has. */
  readonly reread?: boolean | undefined
  /** Stores as they were then; of those that keep versions. */
  readonly asOf?: Date | undefined
  /** Give a store up that can't be reached for so long; undefined: what the configuration says. */
  readonly patienceMs?: number | undefined
}

export interface OpenedRepository {
  /** The remote's name, or the address. */
  readonly remote: string
  readonly repository: Repository
  readonly catalog: Catalog
}

/** Repositories opened for reading, with what is needed to believe and to read them. */
export class Lookup {
  readonly signers: readonly AllowedSigner[]
  readonly identities: readonly Identity[]
  readonly #context: Context
  readonly #lookIn: LookIn
  readonly #remotes: Remotes | undefined
  readonly #opened: Repository[] = []

  static async open(context: Context, lookIn: LookIn): Promise<Lookup> {
    const { config, identity } = lookIn
    const signersPath = lookIn.signers ?? config?.keys.allowedSigners
    if (signersPath === undefined) {
      throw new Failure('usage', 'cannot believe any backup: no allowed signers were given', {
        hint: 'give --signers FILE: the recovery kit has its lines',
      })
    }
    const signers = await readAllowedSigners(signersPath)
    const identities = identity ? await readIdentities(identity, lookIn.passphrase) : []
    return new Lookup({ context, lookIn, signers, identities })
  }

  private constructor(parts: {
    context: Context
    lookIn: LookIn
    signers: readonly AllowedSigner[]
    identities: readonly Identity[]
  }) {
    this.#context = parts.context
    this.#lookIn = parts.lookIn
    this.signers = parts.signers
    this.identities = parts.identities
    const { config, from } = parts.lookIn
    const { reread, patienceMs, asOf } = parts.lookIn
    const options = {
      ...(reread && { reread }),
      ...(patienceMs !== undefined && { patienceMs }),
      ...(asOf && { asOf }),
    }
    this.#remotes =
      config && from === undefined ? new Remotes(parts.context, config, options) : undefined
  }

  /** Names of the remotes to look in, in order of preference. */
  remoteNames(): readonly string[] {
    const { from, remote, config } = this.#lookIn
    if (from !== undefined) return [from]
    if (config === undefined) {
      throw new Failure('usage', 'cannot look for backups: there is no configuration', {
        hint: 'give --config FILE, or --from ADDRESS --identity FILE --signers FILE',
      })
    }
    if (remote === undefined) return config.remotes.map(({ name }) => name)
    if (config.remotes.some(({ name }) => name === remote)) return [remote]
    throw new Failure('usage', `cannot use remote ${remote}: no remote has that name`, {
      hint: `the configuration has: ${config.remotes.map(({ name }) => name).join(', ')}`,
    })
  }

  async open(remote: string): Promise<OpenedRepository> {
    if (this.#remotes !== undefined) {
      const { repository } = await this.#remotes.open(remote)
      const catalog = await this.#remotes.catalog(remote, this.signers)
      return { remote, repository, catalog }
    }
    const { clock, signal } = this.#context
    const { reread, patienceMs, asOf } = this.#lookIn
    const { store } = await this.#context.openStore(parseRemoteUrl(remote), {
      clock,
      signal,
      asOf,
      ...(patienceMs !== undefined && { retryDeadlineMs: patienceMs }),
    })
    const repository = await openRepository(store, { signal }).catch(async (error: unknown) => {
      await store.close()
      throw error
    })
    this.#opened.push(repository)
    const catalog = await loadCatalog(repository, { signers: this.signers, reread, signal })
    return { remote, repository, catalog }
  }

  /**
   * The series of a source, or the one whose id begins so (8 digits or more). The configuration's
   * signing key names it; without, each series is asked by opening its newest index. Undefined when
   * there is none; Failure 'usage' when there are several that are not one source's.
   */
  async seriesOf(opened: OpenedRepository, wanted: Wanted): Promise<SeriesId | undefined> {
    const { source } = wanted
    const { series } = opened.catalog
    const own = (await this.ownSeries(opened.repository, source)).filter(id => series.has(id))
    const byId = [...series.keys()].filter(
      id => /^[0-9a-f]{8}/.test(source) && id.startsWith(source),
    )
    if (own.length === 0 && byId.length === 1) return byId[0]
    const others = await this.#strangers(opened, own)
    const same: Namesake[] = []
    for (const [id, backups] of series) {
      const begin = others.has(id) ? await this.#beginOf(opened, backups) : undefined
      if (!own.includes(id) && begin?.source !== source) continue
      // What one key signed under one name is one machine's.
      const place = own.length > 0 ? '' : `${begin?.host}\0${begin?.path}`
      same.push({ id, backups, place })
    }
    return chooseNamesake(this.#context, same, wanted)
  }

  /** Series that may be the source's too: of those of our own key, only what no source is known by. */
  async #strangers(
    { catalog, repository }: OpenedRepository,
    own: readonly SeriesId[],
  ): Promise<ReadonlySet<SeriesId>> {
    if (own.length === 0) return new Set(catalog.series.keys())
    const signers = new Set(own.map(id => catalog.series.get(id)?.at(-1)?.signer))
    const known = new Set(own)
    for (const { name } of this.#lookIn.config?.sources ?? []) {
      for (const id of await this.ownSeries(repository, name)) known.add(id)
    }
    const all = [...catalog.series].filter(([id]) => !known.has(id))
    return new Set(
      all.filter(([, backups]) => signers.has(backups.at(-1)?.signer)).map(([id]) => id),
    )
  }

  /**
   * The series that the configuration's signing key gives a source, and that of its ledger here; none
   * without the key.
   */
  async ownSeries({ id }: Repository, name: string): Promise<readonly SeriesId[]> {
    const source = asSourceName(name)
    const secret = await this.#secret()
    const state = this.#lookIn.config?.state
    if (source === undefined || secret === undefined || state === undefined) return []
    const ledger = await readLedger({ state, repository: id, source, secret })
    const plain = seriesIdOf(secret, id, source)
    return ledger === undefined || 'unusable' in ledger ? [plain] : [plain, ledger.series]
  }

  /**
   * Names of the epochs of a series: by the configuration of its source and the signing key, or by
   * an index of each that an identity opens. Those that neither tells are left out.
   */
  async epochNames(
    opened: OpenedRepository,
    series: SeriesId,
    source: SourceConfig | undefined,
  ): Promise<ReadonlyMap<EpochId, string>> {
    const secret = source && (await this.#secret())
    const names = new Map(source && secret && epochNamesOf(source, { secret, series }))
    const { catalog } = opened
    const hidden = catalog.hidden.get(series)?.map(({ backup }) => backup) ?? []
    const newest = new Map<EpochId, Backup>()
    for (const backup of [...hidden, ...(catalog.series.get(series) ?? [])]) {
      if (backup.manifest.epoch !== undefined) newest.set(backup.manifest.epoch, backup)
    }
    for (const [id, backup] of newest) {
      const name = names.get(id) ?? (await this.#epochIn(opened, backup))
      if (name !== undefined) names.set(id, name)
    }
    return names
  }

  /** A damaged index takes no more than the name with it: what has none is not forgotten. */
  async #epochIn(opened: OpenedRepository, backup: Backup): Promise<string | undefined> {
    try {
      return (await this.#beginOf(opened, [backup]))?.epoch
    } catch (error) {
      if (!isFailure(error) || error.code === 'interrupted') throw error
      return undefined
    }
  }

  async #secret(): Promise<Uint8Array | undefined> {
    const path = this.#lookIn.config?.keys.signingKey
    if (path === undefined) return undefined
    try {
      return seriesSecretOf(await readSigningKey(path))
    } catch (error) {
      // A machine that only restores has no signing key.
      if (isFailure(error, 'config-invalid')) return undefined
      throw error
    }
  }

  /** The name that the series' newest index gives its source; undefined without an identity. */
  async sourceOf(
    opened: OpenedRepository,
    backups: readonly Backup[],
  ): Promise<string | undefined> {
    return (await this.#beginOf(opened, backups))?.source
  }

  async #beginOf(
    { repository }: OpenedRepository,
    backups: readonly Backup[],
  ): Promise<IndexBegin | undefined> {
    const newest = backups.at(-1)
    const isReadable = this.identities.length > 0 || newest?.manifest.parameters.encrypt === 'none'
    if (newest === undefined || !isReadable) return undefined
    const { identities } = this
    const { signal } = this.#context
    try {
      return await readIndexBegin(repository, newest, { identities, signal })
    } catch (error) {
      // Another machine's series in the same repository may be for another identity.
      if (isFailure(error, 'identity-wrong')) return undefined
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { store } of this.#opened) await store.close()
    await this.#remotes?.[Symbol.asyncDispose]()
  }
}

export interface FoundBackup extends OpenedRepository {
  readonly backup: Backup
  readonly backups: readonly Backup[]
}

/** The wanted backup in the first remote that has it; what is wrong with the others is told. */
export async function findBackup(
  context: Context,
  lookup: Lookup,
  wanted: Wanted,
): Promise<FoundBackup> {
  const names = lookup.remoteNames()
  const failures: unknown[] = []
  for (const name of names) {
    try {
      const opened = await lookup.open(name)
      const series = await lookup.seriesOf(opened, wanted)
      const backups = (series && opened.catalog.series.get(series)) ?? []
      tellProblems(context, opened, series)
      refuseForgotten(wanted, opened, series)
      return { ...opened, backups, backup: choose(wanted, backups, name) }
    } catch (error) {
      if (isFailure(error, 'interrupted')) throw error
      failures.push(error)
      if (names.length > 1 && isFailure(error)) {
        const text = `${error.message}: trying the next remote`
        context.emit({
          kind: 'warning',
          text,
          ...(error.hint !== undefined && { hint: error.hint }),
        })
      }
    }
  }
  throw failures[0]
}

/** Of a source that was not found, any series could be the one: why each is not believed is told. */
function tellProblems(
  { emit }: Context,
  { remote, catalog }: OpenedRepository,
  series: SeriesId | undefined,
): void {
  const isWanted = (one: CatalogProblem) => series === undefined || one.series === series
  const problems = catalog.problems.filter(isWanted)
  for (const { text } of problems.slice(0, problemsTold)) {
    emit({ kind: 'warning', text: `remote ${remote}: ${text}` })
  }
  const more = problems.length - problemsTold
  if (more > 0) emit({ kind: 'warning', text: `remote ${remote}: and ${more} more like these` })
}

const problemsTold = 20

/** It is whole; but who asks for it should know that it is about to go. */
function refuseForgotten(
  { id, source }: Wanted,
  { catalog, remote }: OpenedRepository,
  series: SeriesId | undefined,
): void {
  const hidden = (series && catalog.hidden.get(series)) ?? []
  if (!hidden.some(({ backup }) => backup.manifest.seq === id)) return
  throw new Failure(
    'refused',
    `cannot use backup ${id} of ${source} on ${remote}: it is forgotten`,
    { hint: `undelete it first: btrvault undelete ${source} ${id} --remote ${remote}` },
  )
}

function choose({ source, at, id }: Wanted, backups: readonly Backup[], remote: string): Backup {
  if (backups.length === 0) {
    throw new Failure(
      'object-missing',
      `cannot find ${source} on ${remote}: it has no backup of it`,
      {
        hint: 'run btrvault list; on a bare machine an identity must be given to read the names',
      },
    )
  }
  const until = backups.filter(
    ({ manifest }) => at === undefined || manifest.snapshot.createdAt <= at,
  )
  const chosen =
    id === undefined ? newestOf(until) : backups.find(({ manifest }) => manifest.seq === id)
  if (chosen !== undefined) return chosen
  const what =
    id === undefined ? `a backup of ${source} from before then` : `backup ${id} of ${source}`
  throw new Failure('object-missing', `cannot find ${what} on ${remote}: there is none`, {
    hint: 'run btrvault list to see what there is',
  })
}
