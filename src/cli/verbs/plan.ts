// btrvault plan: what a backup would do now, and why.

import type { Verb } from '../verb.ts'
import { unbuilt } from './unbuilt.ts'

export const planVerb: Verb = {
  name: 'plan',
  summary: 'show what a backup would do now, and why',
  description:
    'Show each step that `btrvault backup` would take now, with its reason, and every problem that would stop it. Nothing is changed.',
  examples: [
    { does: 'all sources', line: 'btrvault plan' },
    { does: 'one source, for a program', line: 'btrvault plan home --json' },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  exits: [3, 4, 10, 30],
  run: unbuilt('plan'),
}
