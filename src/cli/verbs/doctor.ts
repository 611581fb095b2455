// btrvault doctor: looks at everything that a backup will need, and changes nothing.

import type { Verb } from '../verb.ts'
import { remoteFlag } from './shared-flags.ts'
import { unbuilt } from './unbuilt.ts'

export const doctorVerb: Verb = {
  name: 'doctor',
  summary: 'look for what could go wrong, before it does',
  description:
    'Look at everything that a backup and a restore will need: the configuration, btrfs and its version, the sources, the keys, and what each remote can do. Says for each thing whether it is well, and what to do where it is not.',
  examples: [
    { does: 'is everything in order?', line: 'btrvault doctor' },
    { does: 'try out one remote again', line: 'btrvault doctor --remote aws' },
  ],
  flags: [{ ...remoteFlag, defaultText: 'all remotes' }],
  exits: [3, 10, 30],
  run: unbuilt('doctor'),
}
