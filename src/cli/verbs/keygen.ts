// btrvault keygen: an identity that decrypts, and the recipient that encrypts for it.

import { Failure } from '../../base/failure.ts'
import type { KeygenReport } from '../../commands/keygen.ts'
import { escapeControls } from '../escape.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'

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
  run: runKeygen,
}

async function runKeygen(call: Call): Promise<Outcome> {
  const out = call.flags.text('out')
  if (out === undefined) {
    throw new Failure('usage', 'cannot make an identity: no file was named for it', {
      hint: 'give --out FILE, best on a medium that leaves this machine',
    })
  }
  const { keygen } = await import('../../commands/keygen.ts')
  const dryRun = call.flags.is('dryRun')
  const report = await keygen(call.context, { out, classic: call.flags.is('classic'), dryRun })
  return { report, lines: view => keygenLines(report, view) }
}

export function keygenLines({ file, recipient, kind }: KeygenReport, { paint }: View): string[] {
  const words = kind === 'hybrid' ? 'post-quantum' : 'classic (X25519)'
  const name = escapeControls(file)
  if (recipient === null) return [`would make a ${words} identity in ${name}`]
  return [
    `${paint('good', '✓')} made a ${words} identity, for your eyes only:`,
    `  ${paint('strong', name)}`,
    '',
    'Its recipient, for keys.recipients of the configuration:',
    '',
    recipient,
    '',
    'Whoever has the identity reads every backup; without it nobody does.',
    'Keep it away from the machine that is backed up, and a copy on paper.',
  ]
}
