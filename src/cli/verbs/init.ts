// btrvault init: keys and repositories, once, and the recovery kit.

import type { InitReport, RemoteInit } from '../../commands/init.ts'
import type { Paint } from '../colour.ts'
import { escapeControls } from '../escape.ts'
import { failureLines } from '../failure-lines.ts'
import type { Call, Outcome, Verb, View } from '../verb.ts'
import { remoteFlag } from './shared-flags.ts'

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
    {
      does: 'a remote that this machine only writes to, made elsewhere before',
      line: 'btrvault init --remote aws --repository ace4849518ad143bc4dd69f8fe4e9d5c',
    },
    { does: 'what would be made?', line: 'btrvault init --dry-run' },
  ],
  flags: [
    { ...remoteFlag, defaultText: 'all remotes' },
    {
      flags: '-i, --identity <file>',
      doc: 'prove with this identity that backups can be decrypted; it is read, and not kept',
    },
    {
      flags: '--repository <id>',
      doc: 'the repository that must be there: a write-only remote is joined by its id, as the recovery kit and doctor tell it',
    },
    {
      flags: '--kit <file>',
      doc: 'where to write the recovery kit',
      defaultText: 'recovery-kit.md',
    },
  ],
  mutates: true,
  exits: [3, 4, 10, 12, 30, 40],
  run: runInit,
}

async function runInit(call: Call): Promise<Outcome> {
  const { init } = await import('../../commands/init.ts')
  const { flags } = call
  const report = await init(call.context, {
    config: await call.config(),
    remotes: flags.list('remote'),
    identity: flags.text('identity'),
    passphrase: async () => call.secret('passphrase of the identity'),
    repository: flags.text('repository'),
    kit: flags.text('kit') ?? 'recovery-kit.md',
    dryRun: flags.is('dryRun'),
  })
  return { report, exit: report.exitStatus, lines: view => initLines(report, view) }
}

export function initLines(report: InitReport, { paint }: View): string[] {
  const { dryRun, signingKey, allowedSigners, kit } = report
  const good = paint('good', '✓')
  const made = (done: boolean) => (done ? (dryRun ? 'would be made' : 'made') : 'is there already')
  const added = allowedSigners.added ? (dryRun ? 'would allow it' : 'now allows it') : 'allows it'
  const fingerprint =
    signingKey.fingerprint === null ? [] : [`  ${paint('quiet', signingKey.fingerprint)}`]
  const unproven = report.remotes.some(({ proven, failure }) => !proven && failure === null)
  return [
    `${good} signing key ${escapeControls(signingKey.file)}: ${made(signingKey.made)}`,
    ...fingerprint,
    `${good} ${escapeControls(allowedSigners.file)}: ${added}`,
    ...report.remotes.flatMap(remote => remoteLines(remote, dryRun, paint)),
    ...(kit === null
      ? []
      : [
          `${good} recovery kit ${paint('strong', escapeControls(kit))}: print it, and keep it with the identity`,
        ]),
    ...(unproven && !dryRun
      ? [
          '',
          `${paint('warning', 'Not proven yet:')} that what is stored can be read again. Run this once more with`,
          '--identity FILE; until then every backup warns.',
        ]
      : []),
  ]
}

function remoteLines(report: RemoteInit, dryRun: boolean, paint: Paint): string[] {
  const name = `remote ${paint('strong', escapeControls(report.remote))}`
  const address = paint('quiet', escapeControls(report.address))
  if (report.failure !== null) {
    const lines = failureLines(report.failure, paint).map(line => `  ${line}`)
    return [`${paint('bad', '✗')} ${name}  ${address}`, ...lines]
  }
  if (dryRun)
    return [`${paint('good', '✓')} ${name}: would be tried out and made ready  ${address}`]
  const isThere = report.seen
    ? 'repository is there already'
    : 'repository not looked at, taken as given'
  const repository = report.made ? 'repository made' : isThere
  const proof = report.proven ? '' : `, ${paint('warning', 'not proven')}`
  const wrong = (report.probe?.checks ?? []).filter(({ outcome }) => outcome !== 'ok')
  return [
    `${paint('good', '✓')} ${name}: ${repository}${proof}  ${address}`,
    ...(report.repository === null ? [] : [`    ${paint('quiet', report.repository)}`]),
    ...wrong.map(check => `    ${paint('quiet', `${check.name}: ${escapeControls(check.words)}`)}`),
  ]
}
