// The outside world, made once in main.ts and handed to every command.

import type { Clock } from '../../base/clock.ts'
import type { Btrfs } from '../../btrfs/btrfs.ts'
import type { EventSink } from '../../model/event.ts'
import type { RemoteAddress } from '../../model/remote.ts'
import type { OpenedStore, OpenStoreOptions } from '../../store/open.ts'

export interface Context {
  readonly clock: Clock
  /** Aborts when the user wants to stop. */
  readonly signal: AbortSignal
  readonly emit: EventSink
  readonly btrfs: Btrfs
  readonly openStore: (address: RemoteAddress, options: OpenStoreOptions) => Promise<OpenedStore>
  readonly randomBytes: (count: number) => Uint8Array<ArrayBuffer>
  readonly hostname: string
  /** `btrvault 0.1.0`; written into manifests. */
  readonly program: string
}

/** The time as a Date. */
export function nowOf(context: Context): Date {
  return new Date(context.clock.now())
}

export function randomHex(context: Context, bytes: number): string {
  return Buffer.from(context.randomBytes(bytes)).toString('hex')
}
