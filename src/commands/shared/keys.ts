// Reading the keys that the configuration or the command line names.

import { readFile, stat } from 'node:fs/promises'
import { Failure, systemCodeOf } from '../../base/failure.ts'
import {
  type AllowedSigner,
  allowsNamespace,
  parseAllowedSigners,
} from '../../catalog/allowed-signers.ts'
import { loadSigningKey, type SigningKey } from '../../catalog/signing.ts'
import type { KeysConfig } from '../../config/config.ts'
import { manifestNamespace } from '../../format/manifest.ts'
import { type Identity, loadIdentities } from '../../pack/identities.ts'

export async function readSigningKey(path: string): Promise<SigningKey> {
  const text = await readKeyFile(path, 'signing key', 'run btrvault init to make one')
  await refuseOpenToOthers(path, 'signing key')
  return loadSigningKey(text, path)
}

/** The key that signs, and whom to believe: the key itself must be among them. */
export async function readSigningPair(
  keys: KeysConfig,
): Promise<{ signingKey: SigningKey; signers: readonly AllowedSigner[] }> {
  const signingKey = await readSigningKey(keys.signingKey)
  const signers = await readAllowedSigners(keys.allowedSigners)
  const isAllowed = signers.some(
    signer =>
      signer.fingerprint === signingKey.fingerprint && allowsNamespace(signer, manifestNamespace),
  )
  if (isAllowed) return { signingKey, signers }
  throw new Failure(
    'config-invalid',
    `cannot use signing key ${keys.signingKey}: ${keys.allowedSigners} does not allow it`,
    { hint: 'add its public key there: nobody would believe the backups that it signs' },
  )
}

export async function readAllowedSigners(path: string): Promise<readonly AllowedSigner[]> {
  const hint = 'run btrvault init to make it, or take the lines from the recovery kit'
  const signers = parseAllowedSigners(await readKeyFile(path, 'allowed signers', hint), path)
  if (signers.length > 0) return signers
  throw new Failure('config-invalid', `cannot use allowed signers ${path}: it names none`, { hint })
}

export async function readIdentities(
  path: string,
  passphrase?: () => Promise<string>,
): Promise<readonly Identity[]> {
  const hint = 'give the file that btrvault keygen made: --identity FILE'
  return loadIdentities(await readKeyFile(path, 'identity', hint), path, { passphrase })
}

async function readKeyFile(path: string, noun: string, hint: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = systemCodeOf(cause)
    const why = code === 'ENOENT' ? 'there is no such file' : `it can't be read (${code})`
    throw new Failure('config-invalid', `cannot read ${noun} ${path}: ${why}`, { hint, cause })
  }
}

/** As ssh does: a key that others on the machine can read is no longer only ours. */
async function refuseOpenToOthers(path: string, noun: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o077) === 0) return
  throw new Failure('config-invalid', `cannot use ${noun} ${path}: others may read it`, {
    hint: `run: chmod 600 ${path}`,
  })
}
