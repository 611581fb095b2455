// What doctor asks of the keys: can we sign, would we be believed, and who can read what we write.

import { isFailure } from '../../base/failure.ts'
import type { Config } from '../../config/config.ts'
import {
  checkRecipients,
  isPostQuantum,
  parseRecipient,
  type Recipient,
} from '../../pack/recipients.ts'
import { readAllowedSigners, readSigningKey, readSigningPair } from '../shared/keys.ts'
import { reportFailure } from '../shared/report.ts'
import { Area, bad, type Check, type Finding, ok, warn } from './checks.ts'

export async function checkKeys({ keys, remotes }: Config): Promise<readonly Check[]> {
  const area = new Area('keys')
  const signing = await area.obtain('signing key', () => readSigningKey(keys.signingKey))
  if (signing) area.add('signing key', ok(`${keys.signingKey}, ${signing.fingerprint}`))
  const signers = await area.obtain('signers', () => readAllowedSigners(keys.allowedSigners))
  if (signing && signers) {
    await area.check('signers', async () => {
      await readSigningPair(keys)
      const others = signers.length - 1
      return ok(`${keys.allowedSigners} allows it${others > 0 ? ` and ${others} more` : ''}`)
    })
  }
  if (remotes.some(remote => remote.encrypt !== 'none')) {
    area.add('recipients', recipientsFinding(keys.recipients))
  } else {
    area.add('recipients', warn('none are used: no remote is encrypted', 'write encrypt: age'))
  }
  return area.checks
}

export function recipientsFinding(texts: readonly string[]): Finding {
  let recipients: readonly Recipient[]
  try {
    recipients = checkRecipients(texts.map(parseRecipient))
  } catch (error) {
    if (!isFailure(error)) throw error
    const { message, hint } = reportFailure(error)
    return bad(message, hint)
  }
  const kind = recipients.every(isPostQuantum) ? 'post-quantum' : 'classic'
  if (recipients.every(({ kind: one }) => one.includes('tag'))) {
    return warn(
      'every recipient lives in a piece of hardware: when that is lost, so are the backups',
      'add one whose identity is on paper: btrvault keygen --out FILE',
    )
  }
  if (recipients.length === 1) {
    return warn(
      `one, ${kind}: when its identity is lost, nobody can read the backups`,
      'add a second whose identity is kept elsewhere: btrvault keygen --out FILE',
    )
  }
  return ok(`${recipients.length}, ${kind}`)
}
