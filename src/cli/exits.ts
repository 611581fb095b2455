// What the exit statuses mean, for --help and docs/cli.md. The numbers come from base/failure.ts.

export const exitMeanings = {
  0: 'done',
  1: 'failed, for a reason without a status of its own',
  2: 'wrong arguments or configuration',
  3: 'incomplete: some sources or remotes failed, the others are done',
  4: 'refused: nothing was done, and the reason is said',
  10: 'no repository there',
  11: 'locked: another run is going on',
  12: 'the identity does not fit',
  20: 'btrfs send or receive failed',
  30: 'the store cannot be reached, or refuses',
  31: 'an object is missing',
  32: 'archived: thaw first',
  40: 'something is corrupt, or not signed by whom you trust',
  70: 'a bug in btrvault',
  130: 'interrupted',
} as const satisfies Record<number, string>

export type ExitStatus = keyof typeof exitMeanings
