// A program for main.test.ts: its one verb waits until it is interrupted, then takes a while to
// clean up; a negative while throws where nobody catches.

import { setTimeout as delay } from 'node:timers/promises'
import { interruption } from '../../src/base/failure.ts'
import { startProgram } from '../../src/cli/start.ts'
import type { Verb } from '../../src/cli/verb.ts'
import type { Context } from '../../src/commands/shared/context.ts'

const cleanupMs = Number(process.argv[2])
process.argv.splice(2, 1, 'wait')

const wait: Verb = {
  name: 'wait',
  summary: 's',
  description: 'd',
  examples: [],
  exits: [],
  run: async ({ context: { emit, signal } }) => {
    emit({ kind: 'step', text: 'waiting' })
    if (cleanupMs < 0) setTimeout(() => void Promise.reject(new Error('nobody caught me')), 1)
    try {
      await delay(15_000, undefined, { signal })
    } catch {
      await delay(cleanupMs)
      process.stderr.write('cleaned up\n')
      throw interruption(signal)
    }
    return { report: {}, lines: () => [] }
  },
}

await startProgram({
  version: '0',
  verbs: [wait],
  makeContext: async (emit, signal) => ({ emit, signal }) as Context,
})
