// A backup: one send stream as kept on a remote.

import type { EpochId, RepositoryId, RunId, SeriesId, Sha256, Uuid } from './ids.ts'

/** What a manifest says. Public facts only: no host, no path, no name of the user's (L10). */
export interface Manifest {
  readonly repository: RepositoryId
  readonly series: SeriesId
  /** 1, 2, 3 … within the series; gaps may occur, repeats may not. */
  readonly seq: number
  readonly run: RunId
  /** Absent: of no named epoch. */
  readonly epoch?: EpochId | undefined
  /** When the backup was committed. */
  readonly createdAt: Date
  readonly snapshot: SnapshotFacts
  readonly stream: StreamFacts
  /** What the stream is a difference from; null for a full backup. */
  readonly parent: ParentLink | null
  /** SHA-256 of the manifest of the series that was newest at commit; null for the first. */
  readonly previous: Sha256 | null
  readonly segments: readonly StoredObject[]
  readonly indexes: readonly StoredObject[]
  readonly parameters: BackupParameters
  /** `btrvault 0.1.0`. */
  readonly program: string
}

export interface SnapshotFacts {
  readonly uuid: Uuid
  /** What btrfs calls Parent UUID: the subvolume that the snapshot was taken of. */
  readonly sourceUuid: Uuid | null
  readonly generation: number
  readonly createdAt: Date
}

/** What the stream's first command says; what its children must name as their parent. */
export interface StreamFacts {
  readonly uuid: Uuid
  readonly ctransid: number
  readonly version: number
  readonly bytes: number
}

export interface ParentLink {
  readonly seq: number
  readonly snapshot: Uuid
  readonly manifest: Sha256
}

/** An object of the backup; its key follows from the manifest, its place in the list and this. */
export interface StoredObject {
  readonly sha256: Sha256
  /** As stored. */
  readonly bytes: number
}

export type Compression = 'zstd' | 'none'
export type Encryption = 'age' | 'none'

export interface BackupParameters {
  /** Raw stream bytes in a segment; only the last is shorter. */
  readonly segmentSize: number
  /** Raw stream bytes in a frame; only a segment's last is shorter. */
  readonly frameSize: number
  readonly compress: Compression
  readonly encrypt: Encryption
}

/** A manifest that was read, with what was found about it on the way. */
export interface Backup {
  readonly manifest: Manifest
  /** Of the manifest's stored bytes. */
  readonly manifestSha256: Sha256
  /** Fingerprint of the key whose signature was checked: `SHA256:…`. */
  readonly signer: string
}

export type BackupKind = 'full' | 'differential' | 'incremental'

/** Bytes of all objects of the backup, as stored. */
export function storedBytes(manifest: Manifest): number {
  const sum = (total: number, object: StoredObject) => total + object.bytes
  return manifest.segments.reduce(sum, 0) + manifest.indexes.reduce(sum, 0)
}
