// btrvault undelete: shows forgotten backups again.

import { Failure } from '../../base/failure.ts'
import type { RemoteUndeletion, UndeleteReport } from '../../commands/undelete.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { hang } from '../width.ts'
import { identityFlag, remoteFlag } from './shared-flags.ts'

export const undeleteVerb: Verb = {
  name: 'undelete',
  summary: 'bring forgotten backups back',
  description:
    'Remove the tombstones of forgotten backups, so that they are shown, restored and used again; also of the backups that they need. Possible until `btrvault prune` has deleted them. The keep rules stay as they are: change them first, or the next `btrvault forget` hides the same backups again.',
  examples: [
    { does: 'which are there?', line: 'btrvault list --hidden' },
    { does: 'two of them', line: 'btrvault undelete home 12 13' },
    { does: 'all of a source', line: 'btrvault undelete home --all' },
  ],
  arguments: [
    {
      name: 'source',
      doc: 'name of the source, or the beginning of its series id',
      required: true,
    },
    { name: 'id...', doc: 'ids of forgotten backups' },
  ],
  flags: [{ flags: '--all', doc: 'all forgotten backups of the source' }, remoteFlag, identityFlag],
  mutates: true,
  exits: [3, 4, 10, 12, 30, 31, 40],
  run: runUndelete,
}

async function runUndelete(call: Call): Promise<Outcome> {
  const { undelete } = await import('../../commands/undelete.ts')
  const { flags } = call
  const [source = '', ...texts] = call.arguments
  const report = await undelete(call.context, {
    config: await call.config(),
    source,
    ids: wantedIds(texts, flags.is('all')),
    remotes: flags.list('remote'),
    identity: flags.text('identity'),
    passphrase: async () => call.secret('passphrase of the identity'),
    dryRun: flags.is('dryRun'),
  })
  return { report, exit: report.exitStatus, lines: view => undeleteLines(report, view) }
}

function wantedIds(texts: readonly string[], all: boolean): readonly number[] | 'all' {
  const hint = 'give ids as btrvault list --hidden shows them, or --all'
  if (all === texts.length > 0) {
    const why = all ? 'ids and --all were given' : 'no id was given'
    throw new Failure('usage', `cannot undelete: ${why}`, { hint })
  }
  if (all) return 'all'
  return texts.map(text => {
    if (/^\d{1,12}$/.test(text)) return Number(text)
    throw new Failure('usage', `cannot undelete ${text}: it is no id of a backup`, { hint })
  })
}

export function undeleteLines(
  { remotes, dryRun }: UndeleteReport,
  { paint, width }: View,
): string[] {
  return remotes
    .flatMap(remote => remoteLines(remote, dryRun, paint))
    .flatMap(line => hang(line, width))
}

function remoteLines(
  { remote, undeleted, failure }: RemoteUndeletion,
  dryRun: boolean,
  paint: View['paint'],
): string[] {
  const verb = dryRun ? 'would be shown again' : 'shown again'
  const said = undeleted.length === 0 ? 'nothing is forgotten' : `${verb}: ${undeleted.join(', ')}`
  const place = escapeControls(remote)
  if (failure === null) return [`${paint('good', '✓')} ${place}: ${said}`]
  const lines = failureLines(failure, paint, remote).map(line => `  ${line}`)
  const head = `${paint('bad', '✗')} ${place}:`
  return [undeleted.length === 0 ? head : `${head} ${said}`, ...lines]
}
