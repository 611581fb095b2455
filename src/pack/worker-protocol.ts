/**
 * Everything that crosses the boundary to the pack threads, both ways. A thread has no files, no
 * network, no clock and no configuration: it is given bytes and public recipients and gives bytes
 * back. Each request gets exactly one reply with the same id; buffers are moved, not copied.
 * No identity ever crosses: only the key of the one object that is opened.
 */

import { Failure, type FailureCode } from '../base/failure.ts'
import type { Compression } from '../model/backup.ts'
import type { ObjectHash } from '../model/object.ts'
import type { PackedFrame } from './frame.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Raw bytes → one frame. */
export interface CompressRequest {
  readonly kind: 'compress'
  readonly raw: Bytes
  readonly compress: Compression
  readonly level: number
  readonly check: boolean
}

/** A lead and frames → one sealed object. */
export interface SealRequest {
  readonly kind: 'seal'
  readonly lead: Bytes
  readonly frames: readonly PackedFrame[]
  /** Canonical texts; null leaves the object in the clear. */
  readonly recipients: readonly string[] | null
  readonly hashes: readonly ObjectHash[]
  /** Decrypt the sealed object again and compare it with the frames, whose CRCs are then there. */
  readonly check: boolean
}

export interface SealedBytes {
  readonly kind: 'sealed'
  readonly bytes: Bytes
  readonly sha256: Bytes
  readonly crc32?: number
  readonly md5?: Bytes
  /** Bytes of the age header; 0 in the clear. */
  readonly headerBytes: number
  readonly fileKey: Bytes | null
}

/** SHA-256 of an object's pieces, before anything else looks at them. */
export interface HashRequest {
  readonly kind: 'hash'
  readonly pieces: readonly Bytes[]
}

/** Consecutive frames of a sealed object → raw bytes. The bytes are whole age chunks. */
export interface OpenRequest {
  readonly kind: 'open'
  readonly sealed: Bytes
  /** Null for an object in the clear. */
  readonly key: { readonly fileKey: Bytes; readonly nonce: Bytes } | null
  readonly firstChunk: number
  /** The last chunk given is the object's last: it must carry the final flag. */
  readonly final: boolean
  /** Plaintext bytes before the first frame wanted. */
  readonly skipBytes: number
  readonly frames: readonly { readonly storedBytes: number; readonly rawBytes: number }[]
  readonly compress: Compression
}

export type PackRequest = CompressRequest | SealRequest | HashRequest | OpenRequest

export interface PackReplies {
  /** `spent`: the raw bytes' memory, to be filled again; undefined when the frame lies in it. */
  readonly compress: {
    readonly kind: 'compressed'
    readonly frame: PackedFrame
    readonly spent: Bytes | undefined
  }
  readonly seal: SealedBytes
  readonly hash: {
    readonly kind: 'hashed'
    readonly pieces: readonly Bytes[]
    readonly sha256: Bytes
  }
  readonly open: { readonly kind: 'opened'; readonly skipped: Bytes; readonly raw: Bytes }
}

export interface FailureMessage {
  readonly kind: 'failed'
  readonly code: FailureCode | 'bug'
  readonly message: string
  readonly hint: string | undefined
}

export type Envelope<Body> = { readonly id: number; readonly body: Body }

export function failureMessage(error: unknown): FailureMessage {
  if (error instanceof Failure) {
    return { kind: 'failed', code: error.code, message: error.message, hint: error.hint }
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'failed', code: 'bug', message: text, hint: undefined }
}

export function failureOf(message: FailureMessage): Error {
  if (message.code === 'bug') return new Error(message.message)
  return new Failure(message.code, message.message, { hint: message.hint })
}
