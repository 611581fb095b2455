// The proof that what this machine seals can be opened again: a canary is stored, fetched and
// decrypted with the identity that will be needed on the bad day.

import { equalBytes } from '../../base/bytes.ts'
import { Failure } from '../../base/failure.ts'
import { hashed, type Repository } from '../../catalog/repository.ts'
import { ageHeaderLength, makeAgeHeader, openAgeHeader } from '../../pack/age-header.ts'
import {
  openPayload,
  PayloadSealer,
  payloadNonceBytes,
  sealedPayloadBytes,
} from '../../pack/age-payload.ts'
import type { Identity } from '../../pack/identities.ts'
import { type Context, randomHex } from '../shared/context.ts'

/** Failure 'identity-wrong' when the identity opens nothing that is sealed for the recipients. */
export async function proveIdentity(
  context: Context,
  { store }: Repository,
  keys: { readonly identities: readonly Identity[]; readonly recipients: readonly string[] },
): Promise<void> {
  const { signal } = context
  const message = context.randomBytes(32)
  const key = `probe/canary-${randomHex(context, 8)}`
  await store.put(key, hashed(await sealed(context, message, keys.recipients)), { signal })
  try {
    const fetched = await store.get(key, { signal })
    if (!equalBytes(await opened(fetched, keys.identities), message)) {
      throw new Failure('corrupt', `cannot trust ${store.address}: the canary came back changed`)
    }
  } finally {
    // A writer that may not delete leaves a few hundred bytes behind; the proof stands.
    await store.delete(key, { signal }).catch(() => {})
  }
}

/** The same where this machine only writes: what it would have fetched is what it sealed. */
export async function proveWithoutStore(
  context: Context,
  keys: { readonly identities: readonly Identity[]; readonly recipients: readonly string[] },
): Promise<void> {
  const message = context.randomBytes(32)
  const canary = await sealed(context, message, keys.recipients)
  if (equalBytes(await opened(canary, keys.identities), message)) return
  throw new Failure('corrupt', 'cannot trust this machine: what it sealed opens to something else')
}

async function sealed(
  context: Context,
  message: Uint8Array,
  recipients: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const { header, fileKey } = await makeAgeHeader(recipients)
  const out = new Uint8Array(header.length + sealedPayloadBytes(message.length))
  out.set(header)
  const nonce = context.randomBytes(payloadNonceBytes)
  const sealer = new PayloadSealer(fileKey, nonce, out, header.length)
  sealer.write(message)
  sealer.finish()
  return out
}

async function opened(bytes: Uint8Array, identities: readonly Identity[]): Promise<Uint8Array> {
  const headerBytes = ageHeaderLength(bytes)
  const fileKey = await openAgeHeader(bytes.subarray(0, headerBytes), identities, 'the canary')
  const parts: Uint8Array[] = []
  openPayload(fileKey, bytes.subarray(headerBytes), chunk => parts.push(chunk.slice()))
  return Buffer.concat(parts)
}
