// btrvault keygen: an identity that decrypts, and the recipient that encrypts for it.

import type { Verb } from '../verb.ts'
import { unbuilt } from './unbuilt.ts'

export const keygenVerb: Verb = {
  name: 'keygen',
  summary: 'make an age identity, and print its recipient',
  description:
    'Make an age identity in a new file that only you can read, and print its recipient for keys.recipients of the configuration.\n\nWhoever has the identity can read every backup, and without it nobody can. Keep it away from the machine that is backed up: run this on another one, keep a copy on paper, and give `btrvault init --identity` a chance to prove that it works.',
  examples: [
    { does: 'a post-quantum identity', line: 'btrvault keygen --out identity.txt' },
    {
      does: 'one that age before 1.3 can read too',
      line: 'btrvault keygen --classic --out identity.txt',
    },
  ],
  flags: [
    { flags: '-o, --out <file>', doc: 'file to write, which must not exist yet' },
    { flags: '--classic', doc: 'X25519 instead of the post-quantum hybrid' },
  ],
  mutates: true,
  exits: [],
  run: unbuilt('keygen'),
}
