// What doctor asks where this machine only writes: that it knows where to, and that its ledgers can
// be relied on.

import { isFailure } from '../../base/failure.ts'
import { plural } from '../../base/units.ts'
import { readLedger } from '../../catalog/ledger.ts'
import type { RemoteMemory } from '../../catalog/local-state.ts'
import { openRepository } from '../../catalog/repository.ts'
import { seriesSecretOf } from '../../catalog/signing.ts'
import type { Config, RemoteConfig, SourceConfig } from '../../config/config.ts'
import type { Store } from '../../store/store.ts'
import { readSigningKey } from '../shared/keys.ts'
import { knownRepository } from '../shared/remotes.ts'
import { readFinding } from './access.ts'
import { type Area, type Finding, ok, warn } from './checks.ts'

/** A refusal to look is what is wanted where this machine only writes: what init found out counts. */
export async function repositoryFinding(
  store: Store,
  { remote, memory, signal }: RepositoryLook,
): Promise<Finding> {
  try {
    const { id } = await openRepository(store, { signal, expect: memory?.repository })
    return readFinding(remote, `${store.address}, ${id}`)
  } catch (error) {
    if (remote.access !== 'write-only' || !isFailure(error, 'store-refused')) throw error
    const { id } = knownRepository(store, remote, memory)
    return ok(`${store.address}, ${id}, as this machine was told`)
  }
}

interface RepositoryLook {
  readonly remote: RemoteConfig
  readonly memory: RemoteMemory | undefined
  readonly signal: AbortSignal
}

export async function checkLedgers(look: {
  readonly config: Config
  readonly remote: RemoteConfig
  readonly area: Area
  readonly memory: RemoteMemory | undefined
}): Promise<void> {
  const { config, remote, area, memory } = look
  // That it knows no repository is said above.
  if (memory === undefined) return
  for (const source of config.sources) {
    if (!source.remotes.some(place => place.remote === remote.name)) continue
    await area.check('ledger', () => ledgerFinding(config, source, memory))
  }
}

async function ledgerFinding(
  { state, keys }: Config,
  source: SourceConfig,
  { repository }: RemoteMemory,
): Promise<Finding> {
  const secret = seriesSecretOf(await readSigningKey(keys.signingKey))
  const ledger = await readLedger({ state, repository, source: source.name, secret })
  const fresh = 'the next backup is a full one, in a series of its own'
  if (ledger === undefined) return ok(`${source.name} has none yet: ${fresh}`)
  if ('unusable' in ledger) {
    return warn(`that of ${source.name} can not be used, ${ledger.unusable}: ${fresh}`)
  }
  const count = plural(ledger.entries.length, 'backup')
  if (ledger.unsettled === undefined) return ok(`${source.name}: ${count}, series ${ledger.series}`)
  return warn(
    `${source.name}: nobody heard whether backup ${ledger.unsettled.seq} was stored`,
    'the next backup puts its manifest again',
  )
}
