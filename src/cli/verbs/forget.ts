// btrvault forget: hides what the keep rules no longer keep.

import { Failure } from '../../base/failure.ts'
import { formatBytes, plural } from '../../base/units.ts'
import type { ForgetPlace, ForgetReport } from '../../commands/forget.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import { localTime } from '../local-time.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { hang } from '../width.ts'
import { identityFlag, remoteFlag, yesFlag } from './shared-flags.ts'

export const forgetVerb: Verb = {
  name: 'forget',
  summary: 'hide the backups that the keep rules no longer keep',
  description:
    'Hide the backups that `keep` no longer keeps, for each source and remote that has such a rule. Nothing is deleted: a signed tombstone is put beside the manifest, and until the grace is over (`grace`, 7 days unless set) `btrvault undelete` brings the backup back. After that `btrvault prune` deletes it.\n\nNever forgotten: what a kept backup needs, the newest backup with its chain, and, by the rules, more than `max_delete` in one run. When a manifest cannot be read, or the clocks differ, nothing is forgotten.',
  examples: [
    { does: 'what would be forgotten?', line: 'btrvault forget --dry-run' },
    { does: 'as a timer does', line: 'btrvault forget --yes' },
    { does: 'one that is not wanted', line: 'btrvault forget home --remote aws --backup 12' },
  ],
  arguments: [{ name: 'source...', doc: 'names of sources; all when none is given' }],
  flags: [
    {
      flags: '--backup <id>',
      doc: 'this backup of one source, whatever the rules say, by the id that `btrvault list` shows; may be repeated',
      repeats: true,
    },
    remoteFlag,
    identityFlag,
    yesFlag,
  ],
  mutates: true,
  exits: [3, 4, 10, 12, 30, 40],
  run: runForget,
}

async function runForget(call: Call): Promise<Outcome> {
  const { forget } = await import('../../commands/forget.ts')
  const report = await forget(call.context, {
    config: await call.config(),
    sources: call.arguments,
    remotes: call.flags.list('remote'),
    ids: call.flags.list('backup').map(wantedId),
    identity: call.flags.text('identity'),
    passphrase: async () => call.secret('passphrase of the identity'),
    dryRun: call.flags.is('dryRun'),
    agree: async count => call.agree('forget backups', `Forget ${plural(count, 'backup')}?`),
  })
  return { report, exit: report.exitStatus, lines: view => forgetLines(report, view) }
}

function wantedId(text: string): number {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text)
  throw new Failure('usage', `cannot forget ${text}: it is no id of a backup`, {
    hint: 'give ids as btrvault list shows them',
  })
}

export function forgetLines({ places, dryRun, timezone }: ForgetReport, view: View): string[] {
  if (places.length === 0) return ['no keep rule forgets anything: there is nothing to do']
  return places
    .flatMap(place => placeLines(place, { dryRun, timezone, view }))
    .flatMap(line => hang(line, view.width))
}

function placeLines(
  place: ForgetPlace,
  { dryRun, timezone, view }: { dryRun: boolean; timezone: string; view: View },
): string[] {
  const { paint } = view
  const { forgotten, postponedCount, keptCount, notBefore, failure } = place
  const name = `${paint('strong', escapeControls(place.source))} on ${escapeControls(place.remote)}`
  const backups = forgotten.map(
    ({ id, snapshotTime, storedBytes }) =>
      `    ${id}  ${localTime(snapshotTime, timezone)}  ${paint('quiet', formatBytes(storedBytes))}`,
  )
  const verb = dryRun ? 'would be forgotten' : 'forgotten'
  const until = notBefore === null ? '' : `, hidden until ${localTime(notBefore, timezone)}`
  const later = postponedCount === 0 ? '' : `, ${postponedCount} left to later runs (max_delete)`
  const said = `${plural(forgotten.length, 'backup')} ${verb}${until}${later}, ${keptCount} kept`
  if (failure === null) return [`${paint('good', '✓')} ${name}: ${said}`, ...backups]
  const lines = failureLines(failure, paint, place.remote).map(line => `  ${line}`)
  const head = `${paint('bad', '✗')} ${name}:`
  return [forgotten.length === 0 ? head : `${head} ${said}`, ...backups, ...lines]
}
