// Whole age files for tests, through the same calls that segments are made and opened with.

import { randomBytes } from 'node:crypto'

import { concatBytes } from '../../src/base/bytes.ts'
import { ageHeaderLength, makeAgeHeader, openAgeHeader } from '../../src/pack/age-header.ts'
import {
  openPayload,
  PayloadSealer,
  payloadNonceBytes,
  sealedPayloadBytes,
} from '../../src/pack/age-payload.ts'
import type { Identity } from '../../src/pack/identities.ts'

export async function sealFile(
  recipients: readonly string[],
  plain: Uint8Array,
): Promise<Uint8Array> {
  const { header, fileKey } = await makeAgeHeader(recipients)
  return concatBytes([header, sealPayload(fileKey, plain)])
}

/** `pieceBytes`: how much is written at once. */
export function sealPayload(
  fileKey: Uint8Array,
  plain: Uint8Array,
  pieceBytes = plain.length,
): Uint8Array {
  const out = new Uint8Array(sealedPayloadBytes(plain.length))
  const sealer = new PayloadSealer(fileKey, randomBytes(payloadNonceBytes), out, 0)
  for (let at = 0; at < plain.length; at += pieceBytes) {
    sealer.write(plain.subarray(at, at + pieceBytes))
  }
  if (sealer.finish() !== out.length) throw new Error('the sealed length was foretold wrongly')
  return out
}

/** `onPlain` sees what was released also when opening fails later. */
export async function openFile(
  sealed: Uint8Array,
  identities: readonly Identity[],
  onPlain?: (chunk: Uint8Array) => void,
): Promise<Uint8Array> {
  const headerBytes = ageHeaderLength(sealed)
  const fileKey = await openAgeHeader(sealed.subarray(0, headerBytes), identities)
  const chunks: Uint8Array[] = []
  openPayload(fileKey, sealed.subarray(headerBytes), chunk => {
    onPlain?.(chunk)
    chunks.push(chunk.slice())
  })
  return concatBytes(chunks)
}
