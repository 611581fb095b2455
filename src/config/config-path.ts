// Which file holds the configuration. Apart from reading it, so that a command without one starts fast.

import { join } from 'node:path'

export interface ConfigPathFacts {
  /** From `--config`. */
  readonly flag?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isRoot: boolean
}

/** `--config`, else `BTRVAULT_CONFIG`, else root's file in /etc or the user's own. */
export function configPath({ flag, env, isRoot }: ConfigPathFacts): string {
  if (flag !== undefined) return flag
  if (env['BTRVAULT_CONFIG']) return env['BTRVAULT_CONFIG']
  if (isRoot) return '/etc/btrvault/config.yaml'
  // XDG Base Directory Specification: a relative XDG_CONFIG_HOME must be ignored.
  const given = env['XDG_CONFIG_HOME']
  const folder = given?.startsWith('/') ? given : join(env['HOME'] ?? '/', '.config')
  return join(folder, 'btrvault', 'config.yaml')
}
