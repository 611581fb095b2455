// A backup in a process of its own that strikes itself with a signal at a chosen store call:
//
//   node test/kernel/struck-backup.ts '{"config":…,"segmentSizeBytes":…,"strike":{…}}'

import { backup } from '../../src/commands/backup.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Store } from '../../src/store/store.ts'
import { contextOf } from './scene.ts'

export interface Strike {
  /** Of the puts, those whose key begins and ends so. */
  readonly prefix: string
  readonly ending: string
  /** Which of them, from 0. */
  readonly which: number
  /** `during`: when part of its bytes is written. */
  readonly when: 'before' | 'during' | 'after'
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

export interface StruckBackup {
  readonly config: string
  readonly segmentSizeBytes: number
  readonly strike: Strike
}

if (import.meta.main) {
  const {
    config: file,
    segmentSizeBytes,
    strike,
  } = JSON.parse(process.argv[2] ?? '') as StruckBackup
  const loaded = await loadConfig(file)
  const remotes = loaded.remotes.map(remote => ({ ...remote, segmentSizeBytes }))
  const context = contextOf([])
  const striking = {
    ...context,
    openStore: async (...call: Parameters<typeof context.openStore>) => {
      const opened = await context.openStore(...call)
      return { ...opened, store: striker(opened.store, strike) }
    },
  }
  const config = { ...loaded, remotes }
  const report = await backup(striking, { config, sources: [], dryRun: false, check: true })
  process.exitCode = report.exitStatus
}

function striker(store: Store, { prefix, ending, which, when, signal }: Strike): Store {
  let seen = 0
  const strike = () => process.kill(process.pid, signal)
  const put: Store['put'] = async (key, object, options) => {
    const isIt = key.startsWith(prefix) && key.endsWith(ending) && seen++ === which
    if (!isIt) return store.put(key, object, options)
    if (when === 'before') strike()
    let pieces = 0
    const pace = async () => {
      pieces += 1
      if (when === 'during' && pieces === 2) strike()
    }
    await store.put(key, object, { ...options, pace })
    if (when === 'after') strike()
  }
  return {
    address: store.address,
    features: store.features,
    put,
    get: (key, options) => store.get(key, options),
    size: (key, options) => store.size(key, options),
    list: (prefix_, options) => store.list(prefix_, options),
    delete: (key, options) => store.delete(key, options),
    clock: options => store.clock(options),
    close: () => store.close(),
  }
}
