// From the names that a person gives to the remotes of the configuration.

import { Failure } from '../../base/failure.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'

/** All when no name is given; Failure 'usage' for a name that is none. */
export function chooseRemotes(config: Config, names: readonly string[]): readonly RemoteConfig[] {
  return chooseNamed(config.remotes, names, 'remote')
}

/** The same for anything of the configuration that has a name. */
export function chooseNamed<Named extends { readonly name: string }>(
  all: readonly Named[],
  names: readonly string[],
  what: 'remote' | 'source',
): readonly Named[] {
  if (names.length === 0) return all
  return names.map(name => {
    const found = all.find(candidate => candidate.name === name)
    if (found !== undefined) return found
    const known = all.map(candidate => candidate.name).join(', ')
    throw new Failure('usage', `cannot use ${what} ${name}: no ${what} has that name`, {
      hint: `the configuration has: ${known}`,
    })
  })
}
