// News that commands send on their way: plain data, for progress bars, log lines and JSON.

export type Event =
  | { readonly kind: 'step'; readonly text: string; readonly source?: string }
  | {
      readonly kind: 'warning'
      readonly text: string
      readonly source?: string
      readonly hint?: string
    }
  | ProgressEvent

/** Sent often; only the latest of a subject counts. */
export interface ProgressEvent {
  readonly kind: 'progress'
  /** What moves: a source's name, or a verb's object. One bar each. */
  readonly subject: string
  /** Raw bytes read from the source so far (backup), or fed to receive (restore). */
  readonly readBytes: number
  /** Bytes stored (backup) or fetched (restore) so far. */
  readonly storedBytes: number
  /** Raw bytes expected in all, where known. */
  readonly totalBytes?: number
  /** It has come to its end; another try begins anew. */
  readonly done?: boolean
}

export type EventSink = (event: Event) => void
