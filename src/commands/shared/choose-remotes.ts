// From the names that a person gives to the remotes of the configuration.

import { Failure } from '../../base/failure.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'

/** All when no name is given; Failure 'usage' for a name that is none. */
export function chooseRemotes(config: Config, names: readonly string[]): readonly RemoteConfig[] {
  if (names.length === 0) return config.remotes
  return names.map(name => {
    const remote = config.remotes.find(candidate => candidate.name === name)
    if (remote !== undefined) return remote
    const known = config.remotes.map(candidate => candidate.name).join(', ')
    throw new Failure('usage', `cannot use remote ${name}: no remote has that name`, {
      hint: `the configuration has: ${known}`,
    })
  })
}
