// Makes the Context and runs one command; cli/start.ts maps its outcome to an exit status.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import packageFacts from '../package.json' with { type: 'json' }
import { systemClock } from './base/clock.ts'
import { startProgram } from './cli/start.ts'
import { verbs } from './cli/verbs.ts'
import type { Context } from './commands/shared/context.ts'
import type { EventSink } from './model/event.ts'

await startProgram({ version: packageFacts.version, verbs, makeContext })

async function makeContext(emit: EventSink, signal: AbortSignal): Promise<Context> {
  const [{ systemBtrfs }, { openStore }] = await Promise.all([
    import('./btrfs/btrfs.ts'),
    import('./store/open.ts'),
  ])
  return {
    clock: systemClock,
    signal,
    emit,
    btrfs: systemBtrfs,
    openStore,
    randomBytes: count => new Uint8Array(randomBytes(count)),
    hostname: hostname(),
    program: `btrvault ${packageFacts.version}`,
  }
}
