// Which packages a bundle holds, and what their licences ask us to pass on.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Licences that let us ship the code in a bundle when we pass their text on. */
const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
])

export interface ThirdPartyPackage {
  readonly name: string
  readonly version: string
  readonly license: string
  /** The texts of its LICENSE and NOTICE files; empty when it ships none. */
  readonly texts: readonly string[]
}

/** The packages that these bundled files (paths below a node_modules) come from, by name. */
export function packagesIn(inputs: readonly string[]): readonly ThirdPartyPackage[] {
  const folders = new Set(inputs.map(packageFolderOf).filter(folder => folder !== undefined))
  return [...folders]
    .map(readPackage)
    .sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version))
}

export function notices(packages: readonly ThirdPartyPackage[]): string {
  const refused = packages.filter(({ license }) => !allowed.has(license))
  if (refused.length > 0) {
    const list = refused.map(({ name, license }) => `${name} (${license})`).join(', ')
    throw new Error(`cannot bundle packages under licences that are not on our list: ${list}`)
  }
  const parts = packages.map(({ name, version, license, texts }) =>
    [`${name} ${version}`, `Licence: ${license}`, ...texts].join('\n\n'),
  )
  const rule = '-'.repeat(80)
  return `btrvault holds the following software.\n\n${rule}\n\n${parts.join(`\n\n${rule}\n\n`)}\n`
}

function packageFolderOf(input: string): string | undefined {
  return /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]
}

function readPackage(folder: string): ThirdPartyPackage {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as unknown
  const texts = globSync(['LICEN[CS]E*', 'licen[cs]e*', 'NOTICE*', 'COPYING*'], {
    cwd: folder,
  }).sort()
  return {
    name: textOf(manifest, 'name'),
    version: textOf(manifest, 'version'),
    license: textOf(manifest, 'license'),
    texts: texts.map(name => readFileSync(join(folder, name), 'utf8').trim()),
  }
}

function textOf(manifest: unknown, key: string): string {
  const value =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, key) : undefined
  return typeof value === 'string' ? value : 'unknown'
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
