// btrvault as its user runs it: real processes, a configuration file, one source, one remote.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Attempt, type Contender, quote, type Turn } from './contender.ts'
import type { Cost } from './measure.ts'
import { measure } from './measure.ts'
import type { KeyPair } from './pipelines.ts'

export interface BtrvaultOptions {
  /** The command, as one word a part. */
  readonly program: readonly string[]
  readonly keys: KeyPair
  readonly where: 'S3' | 'a folder'
  readonly check: boolean
}

export function btrvault(options: BtrvaultOptions): Contender {
  const { where, check } = options
  return {
    name: `btrvault to ${where}${check ? '' : ', --no-check'}`,
    begin: async turn => {
      const call = `${options.program.map(quote).join(' ')} --config ${quote(writeConfiguration(turn, options))} --json -q`
      const identity = quote(options.keys.identityFile)
      const kit = quote(join(turn.folder, 'kit.md'))
      const init = `${call} init --identity ${identity} --kit ${kit}`
      await measure({ text: init, env: turn.env }, AbortSignal.timeout(60_000))
      return attempt(turn, call, options)
    },
  }
}

function attempt({ target, folder }: Turn, call: string, options: BtrvaultOptions): Attempt {
  const { keys, check, where } = options
  const backup = `${call} backup${check ? '' : ' --no-check'}`
  // The peers don't compare what they restored with the source.
  const restore = `${call} restore live --verify none -i ${quote(keys.identityFile)} --to ${quote(target)}`
  return {
    repository: where === 'S3' ? null : join(folder, 'repository'),
    script: step => {
      if (step !== 'restore') return backup
      return check ? restore : undefined
    },
    check: (step, cost) => {
      if (step !== 'restore') checkSends(step, cost)
    },
  }
}

function checkSends(step: string, { output }: Cost): void {
  const { report } = JSON.parse(output) as { report: { sources: { sends: unknown[] }[] } }
  const sends = report.sources.flatMap(source => source.sends).length
  if (sends !== (step === 'idle' ? 0 : 1)) throw new Error(`${step}: ${sends} sends`)
}

function writeConfiguration(turn: Turn, { keys, where }: BtrvaultOptions): string {
  const { folder, live, ground, prefix } = turn
  const { bucket } = ground
  const remote =
    where === 'S3'
      ? `s3: { bucket: ${bucket.name}, prefix: ${prefix}, region: us-east-1, endpoint: "${bucket.server.endpoint}", path_style: true }`
      : `directory: { path: ${join(folder, 'repository')} }`
  const path = join(folder, 'config.yaml')
  writeFileSync(
    path,
    `timezone: UTC
state: ${folder}/state
keys:
  recipients: [${keys.recipient}]
  signing_key: ${folder}/signing_key
  allowed_signers: ${folder}/allowed_signers
sources:
  live:
    path: ${live}
    snapshots: ${live}-snapshots
    remotes: { remote: {} }
remotes:
  remote:
    ${remote}
`,
  )
  return path
}
