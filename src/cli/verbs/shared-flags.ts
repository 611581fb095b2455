// Flags that several verbs have, with the same words.

import { parseDuration } from '../../config/values.ts'
import type { Call, Flag } from '../verb.ts'

export const remoteFlag: Flag = {
  flags: '-r, --remote <name>',
  doc: 'only this remote; may be repeated',
  repeats: true,
  defaultText: 'all that the source names',
}

export const identityFlag: Flag = {
  flags: '-i, --identity <file>',
  doc: 'file with the age identities (or an SSH private key) that decrypt',
}

export const fromFlag: Flag = {
  flags: '--from <url>',
  doc: 'repository to read, without a configuration: s3://bucket/prefix?endpoint=…, file:///path or /path',
}

export const asOfFlag: Flag = {
  flags: '--as-of <time>',
  doc: 'look at what the bucket held then, whatever was deleted or written over since; for buckets that keep versions',
  parse: text => parseTime(Date.now())(text),
  wants: 'a time, such as 2026-11-20, 2026-11-20T18:00+01:00 or 3d (three days ago)',
}

export const yesFlag: Flag = {
  flags: '-y, --yes',
  doc: 'agree beforehand to what is asked otherwise',
}

export const noForgetFlag: Flag = {
  flags: '--no-forget',
  doc: 'forget and prune nothing, whatever the keep rules say',
}

export const signersFlag: Flag = {
  flags: '--signers <file>',
  doc: 'allowed_signers file to believe, without a configuration',
}

/** Text → Date: an ISO 8601 time, a day, or a span before now such as `3d`. */
export function parseTime(now: number): (text: string) => Date | undefined {
  return text => {
    const span = parseDuration(text.replace(/ ago$/, ''))
    if ('value' in span) return new Date(now - span.value)
    if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return undefined
    const time = new Date(text)
    return Number.isNaN(time.getTime()) ? undefined : time
  }
}

/** Where a verb looks for backups, from its flags: a configuration, or an address in its place. */
export async function lookInOf(call: Call) {
  const { flags } = call
  const from = flags.text('from')
  return {
    config: from === undefined ? await call.config() : undefined,
    from,
    identity: flags.text('identity'),
    signers: flags.text('signers'),
    asOf: flags.value('asOf') as Date | undefined,
    passphrase: async () => call.secret('passphrase of the identity'),
  }
}
