// btrvault list: the backups that exist.

import type { Verb } from '../verb.ts'
import { fromFlag, identityFlag, remoteFlag, signersFlag } from './shared-flags.ts'
import { unbuilt } from './unbuilt.ts'

export const listVerb: Verb = {
  name: 'list',
  summary: 'list the backups on the remotes',
  description:
    'List the backups that exist, oldest first: when the snapshot was made, whether the backup is full or a difference, from which one, and how much it takes. Only what is signed by a key in allowed_signers is shown as a backup.',
  examples: [
    { does: 'everything', line: 'btrvault list' },
    { does: 'one source on one remote', line: 'btrvault list home --remote aws' },
    {
      does: 'on a bare machine',
      line: 'btrvault list --from s3://my-backups/host-01 --identity identity.txt --signers allowed_signers',
    },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [remoteFlag, fromFlag, identityFlag, signersFlag],
  exits: [3, 10, 12, 30, 40],
  run: unbuilt('list'),
}
