/**
 * What crosses the boundary to the reader thread. It reads a send stream from a pipe with
 * blocking reads, guards it, and hands it on in frames; credits in a shared counter hold it back.
 */

import type { StreamExpectation, StreamHead, StreamSummary } from '../stream/guard.ts'
import type { FailureMessage } from './worker-protocol.ts'

export interface ReaderTask {
  /** Of a pipe; the thread closes it. */
  readonly readEnd: number
  readonly frameSize: number
  readonly segmentSize: number
  readonly expect: StreamExpectation
  readonly skeleton: boolean
  /** What the snapshot is to be called in the stream; undefined: as btrfs calls it. */
  readonly name: string | undefined
  /** Int32: frames that may still be sent. Negative: stop. */
  readonly credits: SharedArrayBuffer
}

export type ReaderMessage =
  | { readonly kind: 'head'; readonly head: StreamHead }
  | { readonly kind: 'skeleton'; readonly bytes: Uint8Array<ArrayBuffer> }
  | ReaderFrame
  | { readonly kind: 'end'; readonly summary: StreamSummary; readonly sha256: string }
  | { readonly kind: 'stopped' }
  | FailureMessage

/** To the reader: memory of frames that were used, as long as a frame, to be filled again. */
export interface SpentFrame {
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface ReaderFrame {
  readonly kind: 'frame'
  readonly bytes: Uint8Array<ArrayBuffer>
  /** On the last frame of a whole segment: SHA-256 of the stream from its start to here. */
  readonly prefixSha256: string | undefined
}

/** Credits that tell the reader to stop. */
export const stopCredits = -1_000_000
