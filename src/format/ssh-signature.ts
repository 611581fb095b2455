// SSH signatures of files (OpenSSH's PROTOCOL.sshsig), both directions: the armored blob that lies
// beside a manifest, and the bytes that are really signed. Making and judging is catalog/signing.ts.

import { createHash } from 'node:crypto'

import { concatBytes, encodeUtf8 } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import { decodeSshPublicKey, encodeSshPublicKey, type SshPublicKey } from './ssh-key.ts'
import { armorText, dearmor, SshReader, sshString, sshUint32 } from './ssh-wire.ts'

export type SshSignatureHash = 'sha256' | 'sha512'

/** RSA with SHA-1 (`ssh-rsa`) is not among them, as in ssh-keygen. */
export type SshSignatureAlgorithm = 'ssh-ed25519' | 'rsa-sha2-256' | 'rsa-sha2-512'

export interface SshSignature {
  readonly key: SshPublicKey
  /** What the signature is good for, so that one for another purpose cannot be passed off as it. */
  readonly namespace: string
  readonly hash: SshSignatureHash
  readonly algorithm: SshSignatureAlgorithm
  readonly signature: Uint8Array
}

const magic = encodeUtf8('SSHSIG')
const armorLabel = 'SSH SIGNATURE'
const version = 1

/** Armored text, as `ssh-keygen -Y sign` writes it. */
export function formatSshSignature(signature: SshSignature): string {
  const blob = concatBytes([
    magic,
    sshUint32(version),
    sshString(encodeSshPublicKey(signature.key)),
    sshString(signature.namespace),
    sshString(''),
    sshString(signature.hash),
    sshString(concatBytes([sshString(signature.algorithm), sshString(signature.signature)])),
  ])
  return armorText(armorLabel, blob)
}

/** Throws Failure 'untrusted' for anything that is not exactly one whole SSH signature. */
export function parseSshSignature(armored: string): SshSignature {
  const blob = dearmor(armorLabel, armored)
  if (blob === undefined) throw malformed('it is not an SSH signature, or its base64 is damaged')
  const reader = new SshReader(blob, malformed)
  if (Buffer.compare(reader.take(magic.length), magic) !== 0) throw malformed('it has no SSHSIG')
  if (reader.uint32() !== version) throw malformed('its version is unknown')
  const key = decodeSshPublicKey(reader.string(), malformed)
  const namespace = reader.name()
  // The reserved string is signed too; a reader that does not know its meaning must not guess.
  if (reader.string().length > 0) throw malformed('its reserved part is not empty')
  const hash = reader.name()
  const inner = new SshReader(reader.string(), malformed)
  reader.end()
  const algorithm = inner.name()
  const signature = inner.string()
  inner.end()
  if (namespace === '') throw malformed('its namespace is empty')
  if (hash !== 'sha256' && hash !== 'sha512') throw malformed('its hash is unknown')
  return { key, namespace, hash, algorithm: knownAlgorithm(algorithm, key), signature }
}

/** The bytes that the key signs: the namespace and the message's hash, not the message. */
export function sshSignedBytes(
  message: Uint8Array,
  purpose: Pick<SshSignature, 'namespace' | 'hash'>,
): Uint8Array {
  return concatBytes([
    magic,
    sshString(purpose.namespace),
    sshString(''),
    sshString(purpose.hash),
    sshString(createHash(purpose.hash).update(message).digest()),
  ])
}

function knownAlgorithm(name: string, key: SshPublicKey): SshSignatureAlgorithm {
  if (key.kind === 'ed25519' && name === 'ssh-ed25519') return name
  if (key.kind === 'rsa' && (name === 'rsa-sha2-256' || name === 'rsa-sha2-512')) return name
  throw malformed('its algorithm does not belong to its key')
}

function malformed(why: string): Failure {
  return new Failure('untrusted', `cannot read a signature: ${why}`)
}
