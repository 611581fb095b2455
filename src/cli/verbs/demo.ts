// btrvault demo: the whole way once, on a btrfs of its own.

import type { Verb } from '../verb.ts'
import { unbuilt } from './unbuilt.ts'

export const demoVerb: Verb = {
  name: 'demo',
  summary: 'show the whole way once, on a btrfs made for it',
  description:
    'Make a btrfs in a temporary folder, fill it, back it up, change it, back it up again, restore both points in time onto a second btrfs, and compare every file. Touches nothing of yours and leaves nothing behind, also when interrupted. Needs root and loop devices.',
  examples: [{ does: 'watch it', line: 'btrvault demo' }],
  flags: [{ flags: '--keep', doc: 'keep the temporary folder, to look around in it' }],
  exits: [20],
  run: unbuilt('demo'),
}
