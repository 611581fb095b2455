// btrvault verify: how much of a backup is proven to be there.

import type { Verb } from '../verb.ts'
import { fromFlag, identityFlag, remoteFlag, signersFlag } from './shared-flags.ts'
import { unbuilt } from './unbuilt.ts'

export const verifyVerb: Verb = {
  name: 'verify',
  summary: 'prove that backups are there and can be read',
  description:
    'Prove that backups are there, to the level that you ask for. Each level includes those before it:\n\nlisted: the manifests are there, signed, and form whole chains. present: every object that they name is there, with its size. bytes: every object was read and has its hash. decrypts: every object was decrypted and decompressed (needs --identity). receives: every chain was received by btrfs into a scratch folder and removed again.\n\nThe result says what was covered. It is not 0 when anything could not be checked.',
  examples: [
    { does: 'a quick look every day', line: 'btrvault verify --level present' },
    {
      does: 'a real one now and then',
      line: 'btrvault verify home --level decrypts --identity identity.txt',
    },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    {
      flags: '-l, --level <level>',
      doc: 'how much to prove',
      choices: ['listed', 'present', 'bytes', 'decrypts', 'receives'],
      defaultText: 'present',
    },
    { flags: '--scratch <folder>', doc: 'folder on btrfs for the level receives' },
    remoteFlag,
    fromFlag,
    identityFlag,
    signersFlag,
  ],
  exits: [3, 10, 12, 20, 30, 31, 32, 40],
  run: unbuilt('verify'),
}
