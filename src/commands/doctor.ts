// The story of doctor: everything that a backup and a restore will need is looked at before it is
// needed. Changes nothing but the small objects of a trial on each remote, which it removes, and what
// is remembered of that trial.

import { throwIfAborted } from '../base/failure.ts'
import type { Config } from '../config/config.ts'
import type { Check } from './doctor/checks.ts'
import { checkKeys } from './doctor/keys.ts'
import { checkMachine, checkState } from './doctor/machine.ts'
import { checkRemote } from './doctor/remote.ts'
import { checkSource } from './doctor/source.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import type { Context } from './shared/context.ts'
import { incompleteStatus } from './shared/report.ts'

export interface DoctorOptions {
  /** Undefined when there is none: then the machine alone is looked at. */
  readonly config: Config | undefined
  /** Where the configuration was looked for. */
  readonly configPath: string
  /** Names of remotes; empty: all. */
  readonly remotes: readonly string[]
}

export interface DoctorReport {
  readonly checks: readonly Check[]
  readonly badCount: number
  readonly warnCount: number
  /** 3 when anything is bad. */
  readonly exitStatus: number
}

export async function doctor(context: Context, options: DoctorOptions): Promise<DoctorReport> {
  const { config } = options
  const checks: Check[] = [...(await checkMachine(context))]
  checks.push(configCheck(options))
  if (config !== undefined) {
    checks.push(...(await checkState(config)), ...(await checkKeys(config)))
    for (const source of config.sources) {
      throwIfAborted(context.signal)
      checks.push(...(await checkSource(context, source)))
    }
    for (const remote of chooseRemotes(config, options.remotes)) {
      throwIfAborted(context.signal)
      context.emit({ kind: 'step', text: `trying out remote ${remote.name}` })
      checks.push(...(await checkRemote(context, config, remote)))
    }
  }
  const count = (outcome: Check['outcome']) =>
    checks.filter(check => check.outcome === outcome).length
  const [badCount, warnCount] = [count('bad'), count('warn')]
  return { checks, badCount, warnCount, exitStatus: badCount > 0 ? incompleteStatus : 0 }
}

function configCheck({ config, configPath }: DoctorOptions): Check {
  const start = { area: 'this machine', name: 'configuration' } as const
  if (config === undefined) {
    const hint = `make one: btrvault config example > ${configPath}`
    return { ...start, outcome: 'bad', words: `there is none at ${configPath}`, hint }
  }
  const { sources, remotes } = config
  const words = `${config.file}: sources ${sources.map(one => one.name).join(', ')}; remotes ${remotes.map(one => one.name).join(', ')}`
  return { ...start, outcome: 'ok', words }
}
