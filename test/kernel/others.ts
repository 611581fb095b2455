// Others that make snapshots of /home, as they lie on disk: snapper and btrbk. And what everything
// that is theirs looks like, to see that nobody touched it (L11).

import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemBtrfs } from '../../src/btrfs/btrfs.ts'
import type { SnapshotsConfig } from '../../src/config/config.ts'
import type { Policy } from '../../src/model/policy.ts'
import { keepEverything, parseKeepRule, soleRuleSet } from '../../src/model/policy.ts'
import type { Vault } from '../support/vault.ts'

/** What snapper does: a subvolume in the source, in it a numbered folder for each snapshot. */
export function takeAsSnapper(vault: Vault, n: number, source = 'home'): string {
  const { world } = vault
  world.sh(
    `[ -e "$1/.snapshots" ] || btrfs -q subvolume create "$1/.snapshots"
    mkdir "$1/.snapshots/$2"
    btrfs -q subvolume snapshot -r "$1" "$1/.snapshots/$2/snapshot"
    printf '<?xml version="1.0"?>\\n<snapshot>\\n  <type>single</type>\\n  <num>%s</num>\\n</snapshot>\\n' "$2" > "$1/.snapshots/$2/info.xml"`,
    source,
    String(n),
  )
  return world.path(source, '.snapshots', String(n), 'snapshot')
}

export function deleteAsSnapper({ world }: Vault, n: number): void {
  world.sh('btrfs -q subvolume delete "$1/snapshot"; rm -r "$1"', `home/.snapshots/${n}`)
}

/** What btrbk does: one folder for all, names with the time. */
export function takeAsBtrbk({ world }: Vault, time: string, source = 'home'): string {
  const path = `btrbk_snapshots/${source}.${time}`
  world.sh('mkdir -p btrbk_snapshots; btrfs -q subvolume snapshot -r "$1" "$2"', source, path)
  return world.path(path)
}

export function adopt(vault: Vault, by: 'snapper' | 'btrbk' | 'anyone', pattern: string): void {
  useSnapshots(vault, { kind: 'adopted', by, pattern: vault.world.path(pattern) })
}

export function useSnapshots(vault: Vault, snapshots: SnapshotsConfig): void {
  const sources = vault.config.sources.map(source => ({ ...source, snapshots }))
  vault.config = { ...vault.config, sources }
}

export function useRule(vault: Vault, keep: string, more: Partial<Policy> = {}): void {
  const rule = parseKeepRule(keep)
  if (rule === undefined) throw new Error(`not a rule: ${keep}`)
  const ruleSets = [soleRuleSet({ ...keepEverything, keep: rule, ...more })]
  const sources = vault.config.sources.map(source => ({
    ...source,
    remotes: source.remotes.map(({ remote }) => ({ remote, ruleSets })),
  }))
  vault.config = { ...vault.config, sources }
}

/** Every folder and subvolume below, with all that btrfs and the file system know of each. */
export async function everythingBelow(folder: string, depth = 2): Promise<unknown[]> {
  const found: unknown[] = []
  // What is not committed yet would be a change of its own.
  await systemBtrfs.sync(folder)
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name)
    const { ino, mode, mtimeMs, ctimeMs, size } = lstatSync(path)
    const subvolume = ino === 256 ? await systemBtrfs.show(path) : undefined
    found.push({ path, ino, mode, mtimeMs, ctimeMs, size, subvolume })
    if (depth > 1 && subvolume === undefined && lstatSync(path).isDirectory())
      found.push(...(await everythingBelow(path, depth - 1)))
  }
  return found
}
