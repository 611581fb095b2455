// From a place in a configuration to its row in the table of options.

import { type OptionDoc, optionDocs } from './options.ts'

/** The row for a place in a configuration, such as `['sources', 'home', 'path']`, or undefined. */
export function findOptionDoc(path: readonly PropertyKey[]): OptionDoc | undefined {
  const rows: Readonly<Record<string, OptionDoc>> = optionDocs
  const key = patternOf(path).join('.')
  return Object.hasOwn(rows, key) ? rows[key] : undefined
}

/** The options that may stand directly under a place. */
export function optionNamesUnder(path: readonly PropertyKey[]): string[] {
  const prefix = patternOf(path)
  return Object.keys(optionDocs)
    .map(key => key.split('.'))
    .filter(parts => parts.length === prefix.length + 1)
    .filter(parts => prefix.every((part, index) => parts[index] === part))
    .map(parts => parts.at(-1) as string)
    .filter(name => name !== '*')
}

function patternOf(path: readonly PropertyKey[]): string[] {
  return path.flatMap((name, index) => {
    if (typeof name === 'number') return []
    return [isChosenName(path, index) ? '*' : String(name)]
  })
}

function isChosenName(path: readonly PropertyKey[], index: number): boolean {
  if (index === 1) return path[0] === 'sources' || path[0] === 'remotes'
  return index === 3 && path[0] === 'sources' && path[2] === 'remotes'
}
