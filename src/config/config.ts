// What the user wants, validated: every path is absolute, every name resolves, every size is bytes.

import type { Compression, Encryption } from '../model/backup.ts'
import type { SourceName } from '../model/ids.ts'
import type { LockRule } from '../model/lock.ts'
import type { KeepRule, MaxDelete, RuleSet } from '../model/policy.ts'
import type { RemoteAddress } from '../model/remote.ts'

export interface Config {
  /** Where it was read from. */
  readonly file: string
  /** IANA name. */
  readonly timezone: string
  /** Folder of cache, journal and ledger. */
  readonly state: string
  readonly keys: KeysConfig
  readonly sources: readonly SourceConfig[]
  readonly remotes: readonly RemoteConfig[]
  /** Allowed, but a person should know: plaintext remotes, unencrypted connections. */
  readonly warnings: readonly ConfigWarning[]
}

export interface KeysConfig {
  /** age recipients, SSH public keys or RSA public keys in PEM form; empty only when no remote encrypts. */
  readonly recipients: readonly string[]
  readonly signingKey: string
  readonly allowedSigners: string
}

export interface SourceConfig {
  readonly name: SourceName
  readonly path: string
  readonly snapshots: SnapshotsConfig
  readonly nested: NestedRule
  readonly remotes: readonly SourceRemote[]
}

/** The snapshots that backups are made from. */
export type SnapshotsConfig = OwnSnapshots | AdoptedSnapshots

/** This program makes them, and deletes them. */
export interface OwnSnapshots {
  readonly kind: 'own'
  readonly folder: string
  /** Which stay besides those that later backups need; null: none. */
  readonly keep: KeepRule | null
}

/** L11: others make them and delete them; this program only sends them. */
export interface AdoptedSnapshots {
  readonly kind: 'adopted'
  readonly by: 'snapper' | 'btrbk' | 'anyone'
  /** Absolute; model/snapshot-pattern.ts says what it means. */
  readonly pattern: string
}

/** What to do about subvolumes inside a source, which no send stream of it contains. */
export type NestedRule =
  | { readonly kind: 'refuse' }
  | { readonly kind: 'ignore' }
  /** Refuse all but these; paths relative to the source. */
  | { readonly kind: 'ignore-listed'; readonly paths: readonly string[] }

export interface SourceRemote {
  /** Name of a remote that the configuration has. */
  readonly remote: string
  /** At least one; several, each with an epoch of its own, at most one of them without a name. */
  readonly ruleSets: readonly RuleSet[]
}

export interface RemoteConfig {
  readonly name: string
  /** Without credentials: withCredentials() adds those of `accessKeyFile`. */
  readonly address: RemoteAddress
  /** S3 only. */
  readonly accessKeyFile?: string
  readonly encrypt: Encryption
  readonly compress: Compression
  /** zstd level; unused with compress none. */
  readonly level: number
  /** Raw stream bytes in a segment. */
  readonly segmentSizeBytes: number
  readonly limit: RateLimit
  readonly access: Access
  /** S3 only: what is stored is locked. */
  readonly lock?: LockRule
  /** How long a forgotten backup is hidden before its objects may go. */
  readonly graceMs: number
  /** Of one series, in one run. */
  readonly maxDelete: MaxDelete
  /** How long a store's call is tried again before the run gives up. */
  readonly retryDeadlineMs: number
}

/**
 * - no-delete: this machine writes and reads, and another one forgets and prunes.
 * - write-only: backups are made without a look at the remote; reading is done elsewhere too.
 */
export type Access = 'full' | 'no-delete' | 'write-only'

export interface RateLimit {
  readonly upBytesPerSecond?: number
  readonly downBytesPerSecond?: number
}

export interface ConfigWarning {
  readonly kind: 'plaintext' | 'unencrypted-connection' | 'irrevocable-lock'
  /** `remotes.aws`. */
  readonly option: string
  readonly line: number
  readonly column: number
  readonly text: string
}

export interface ConfigProblem {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** What is wrong; then what to write instead. */
  readonly text: string
}

export function findRemote(config: Config, name: string): RemoteConfig | undefined {
  return config.remotes.find(remote => remote.name === name)
}

export function findSource(config: Config, name: string): SourceConfig | undefined {
  return config.sources.find(source => source.name === name)
}
