// What every command asks before it deletes or hides anything on a remote.

import { Failure } from '../../base/failure.ts'
import { type AllowedSigner, allowsNamespace } from '../../catalog/allowed-signers.ts'
import type { CatalogProblem } from '../../catalog/catalog.ts'
import type { Repository } from '../../catalog/repository.ts'
import type { SigningKey } from '../../catalog/signing.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'
import { tombstoneNamespace } from '../../format/tombstone.ts'
import { clockDoubt } from '../../plan/forget.ts'
import type { Context } from './context.ts'
import { readSigningKey } from './keys.ts'

/** Failure 'refused' where the configuration says that another machine deletes. */
export function refuseNoDelete({ name, access }: RemoteConfig, verb: string): void {
  if (access === 'full') return
  throw new Failure('refused', `cannot ${verb} on ${name}: this machine may not delete there`, {
    hint: `run it on the machine that may; here remotes.${name}.access is ${access}`,
  })
}

/** The slower of this machine's clock and the store's; Failure 'refused' when they are far apart. */
export async function undoubtedNow(context: Context, { store }: Repository): Promise<Date> {
  const storeMs = await store.clock({ signal: context.signal })
  const ownMs = context.clock.now()
  const doubt = clockDoubt(ownMs, storeMs)
  if (doubt !== undefined) throw doubt
  return new Date(Math.min(ownMs, storeMs ?? ownMs))
}

/** L9: a manifest that can't be read may need any backup; one too few may be a store gone back in time. */
export function refuseProblems(verb: string, what: string, all: readonly CatalogProblem[]): void {
  // A tombstone that is not believed hides nothing.
  const [problem] = all.filter(({ kind }) => kind !== 'tombstone-untrusted')
  if (problem === undefined) return
  throw new Failure('refused', `cannot ${verb} ${what}: ${problem.text}`, {
    hint: 'nothing is deleted where anything is in doubt; btrvault verify tells more',
  })
}

/** The key that signs tombstones. Failure 'config-invalid' when it is not allowed to. */
export async function readTombstoneKey(
  { keys }: Config,
  signers: readonly AllowedSigner[],
): Promise<SigningKey> {
  const key = await readSigningKey(keys.signingKey)
  const isAllowed = signers.some(
    signer => signer.fingerprint === key.fingerprint && allowsNamespace(signer, tombstoneNamespace),
  )
  if (isAllowed) return key
  throw new Failure(
    'config-invalid',
    `cannot forget with signing key ${keys.signingKey}: ${keys.allowedSigners} does not allow it`,
    { hint: `add ${tombstoneNamespace} to the namespaces of its line there, after a comma` },
  )
}
