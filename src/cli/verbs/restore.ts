// btrvault restore: a subvolume as it was.

import type { Verb } from '../verb.ts'
import {
  fromFlag,
  identityFlag,
  parseTime,
  remoteFlag,
  signersFlag,
  yesFlag,
} from './shared-flags.ts'
import { unbuilt } from './unbuilt.ts'

export const restoreVerb: Verb = {
  name: 'restore',
  summary: 'get a subvolume back, as it was at a point in time',
  description:
    'Get a subvolume back as it was: the newest backup, the last one at or before --at, or one by its id. It arrives as a new read-only snapshot in the folder --to, on btrfs; nothing that exists is changed. What the target already holds is not fetched again. Every byte is checked against a signed manifest before btrfs sees it, and a restore that fails leaves nothing visible.\n\nOn a bare machine, --from, --identity and --signers stand in for the configuration.',
  examples: [
    { does: 'the newest', line: 'btrvault restore home --to /mnt/new --identity identity.txt' },
    {
      does: 'as of last Monday, with a writable copy to work on',
      line: 'btrvault restore home --at 2026-11-16 --to /mnt/new --writable home -i identity.txt',
    },
    {
      does: 'on a bare machine',
      line: 'btrvault restore --from s3://my-backups/host-01 -i identity.txt --signers allowed_signers home --to /mnt',
    },
    {
      does: 'the send stream, for a btrfs elsewhere',
      line: 'btrvault restore home --stdout -i identity.txt | ssh host btrfs receive /mnt',
    },
  ],
  arguments: [{ name: 'source', doc: 'name of the source' }],
  flags: [
    { flags: '-t, --to <folder>', doc: 'folder on btrfs in which the snapshot will appear' },
    {
      flags: '--at <time>',
      doc: 'the last backup at or before this time: 2026-11-20, 2026-11-20T08:00Z, or a span before now such as 3d',
      parse: text => parseTime(Date.now())(text),
      wants: 'a time, such as 2026-11-20, 2026-11-20T08:00Z or 3d',
    },
    { flags: '--backup <id>', doc: 'this backup, by the id that `btrvault list` shows' },
    { flags: '--writable <name>', doc: 'also make a writable snapshot of it under this name' },
    { flags: '--latest-only', doc: 'drop each ancestor as soon as it is no longer needed' },
    {
      flags: '--verify <how-much>',
      doc: 'compare what was restored with the source snapshot, where that still is',
      choices: ['full', 'sample', 'none'],
      defaultText: 'sample',
    },
    { flags: '--stdout', doc: 'write the verified send stream to standard output instead' },
    {
      ...remoteFlag,
      flags: '-r, --remote <name>',
      doc: 'from this remote',
      defaultText: 'the first that has it',
    },
    fromFlag,
    identityFlag,
    signersFlag,
    yesFlag,
  ],
  mutates: true,
  exits: [4, 10, 11, 12, 20, 30, 31, 32, 40],
  run: unbuilt('restore'),
}
