// btrvault init: keys and repositories, once, and the recovery kit.

import type { Verb } from '../verb.ts'
import { remoteFlag, yesFlag } from './shared-flags.ts'
import { unbuilt } from './unbuilt.ts'

export const initVerb: Verb = {
  name: 'init',
  summary: 'make the signing key, the repositories and the recovery kit',
  description:
    'Make the signing key, create a repository on each remote after trying out what the remote can do, and write the recovery kit: one page that says what is where and how to get it back. What exists already is left as it is, so this can be run again.\n\nGive --identity once to prove that what this machine writes can be read again: a small object is stored, fetched and decrypted. Until then every backup warns.',
  examples: [
    {
      does: 'first set-up, with the proof',
      line: 'btrvault init --identity /media/stick/identity.txt',
    },
    { does: 'a remote was added', line: 'btrvault init --remote nas' },
    { does: 'what would be made?', line: 'btrvault init --dry-run' },
  ],
  flags: [
    { ...remoteFlag, defaultText: 'all remotes' },
    {
      flags: '-i, --identity <file>',
      doc: 'prove with this identity that backups can be decrypted; it is read, and not kept',
    },
    {
      flags: '--kit <file>',
      doc: 'where to write the recovery kit',
      defaultText: 'recovery-kit.md',
    },
    yesFlag,
  ],
  mutates: true,
  exits: [3, 4, 12, 30],
  run: unbuilt('init'),
}
