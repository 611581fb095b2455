/**
 * What crosses the boundary to the writer thread. It writes a stream into a pipe with blocking
 * writes, takes the stream's hash on the way, and holds back its end until that hash is known to
 * be right.
 */

import type { FailureMessage } from './worker-protocol.ts'

export interface WriterTask {
  /** Of a pipe; the thread closes it. */
  readonly writeEnd: number
  readonly hashed: boolean
}

/** Of the chunk, from where to where; or bytes that stand in no chunk. */
export type Part = readonly [start: number, end: number] | Uint8Array

export type WriterRequest =
  | {
      readonly kind: 'write'
      /** Its memory is freed once it was written. */
      readonly chunk: Uint8Array<ArrayBuffer>
      /** What to write instead of it, in order. */
      readonly parts: readonly Part[]
    }
  | { readonly kind: 'end'; readonly sha256: string | undefined }
  | { readonly kind: 'stop' }

export type WriterMessage =
  /** A chunk was read, and all before it is written. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'ended'; readonly isRight: boolean }
  | FailureMessage
