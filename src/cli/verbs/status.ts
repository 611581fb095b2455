// btrvault status: what is safe, since when, and what is not.

import type { Verb } from '../verb.ts'
import { unbuilt } from './unbuilt.ts'

export const statusVerb: Verb = {
  name: 'status',
  summary: 'say what is safe, since when, and what is not',
  description:
    'Say in one screen what is safe, since when, and what is not: for each source and remote the last backup, whether the source changed since, and what an interrupted run has left to finish.',
  examples: [
    { does: 'one screen', line: 'btrvault status' },
    { does: 'for a monitor', line: 'btrvault status --json' },
  ],
  exits: [3, 10, 30],
  run: unbuilt('status'),
}
