// Signatures over manifests: the only thing that says a backup is ours, since everybody who knows
// the recipients can encrypt to us. SSH's format, so that stock ssh-keygen makes and checks them too.

import {
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  randomInt,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'

import { concatBytes, equalBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import {
  type Ed25519PublicKey,
  encodeSshPublicKey,
  formatSshPrivateKey,
  formatSshPublicKeyLine,
  parseSshPrivateKey,
  type SshPublicKey,
  sshFingerprint,
} from '../format/ssh-key.ts'
import {
  formatSshSignature,
  parseSshSignature,
  type SshSignature,
  sshSignedBytes,
} from '../format/ssh-signature.ts'
import { type AllowedSigner, allowsNamespace } from './allowed-signers.ts'

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const seedBytes = 32
/** Ed25519 hashes by itself. */
const digests = { 'ssh-ed25519': null, 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' } as const

/** An Ed25519 key that signs. Private fields keep the secret out of logs, JSON and inspection. */
export class SigningKey {
  readonly publicKey: Ed25519PublicKey
  readonly #seed: Uint8Array
  readonly #key: KeyObject

  constructor(seed: Uint8Array) {
    this.#seed = Uint8Array.from(seed)
    this.#key = privateKeyOf(seed)
    const { x = '' } = createPublicKey(this.#key).export({ format: 'jwk' })
    this.publicKey = { kind: 'ed25519', publicKey: Buffer.from(x, 'base64url') }
  }

  /** `SHA256:…` */
  get fingerprint(): string {
    return sshFingerprint(this.publicKey)
  }

  sign(bytes: Uint8Array): Uint8Array {
    return signBytes(null, bytes, this.#key)
  }

  /** 32 bytes that follow from the secret and `purpose` alone. */
  derive(purpose: string): Uint8Array {
    return new Uint8Array(hkdfSync('sha256', this.#seed, new Uint8Array(0), purpose, 32))
  }
}

export interface NewSigningKey {
  /** OpenSSH private key without passphrase; to be stored with mode 0600. Secret. */
  readonly privateKeyText: string
  /** One line without line feed, as in a .pub file. */
  readonly publicKeyLine: string
}

export function generateSigningKey(comment: string): NewSigningKey {
  const seed = randomBytes(seedBytes)
  const { publicKey } = new SigningKey(seed)
  const check = randomInt(2 ** 32)
  const privateKeyText = formatSshPrivateKey({ ...publicKey, seed }, { comment, check })
  seed.fill(0)
  return { privateKeyText, publicKeyLine: formatSshPublicKeyLine(publicKey, comment) }
}

/** `label` names the file in the Failure 'config-invalid', which never holds its text (L10). */
export function loadSigningKey(text: string, label: string): SigningKey {
  const parsed = parseSshPrivateKey(text, label)
  if (parsed.kind !== 'ed25519') {
    throw new Failure('config-invalid', `cannot use ${label}: it is not an Ed25519 key`, {
      hint: 'make a signing key with `btrvault init` or `ssh-keygen -t ed25519 -N ""`',
    })
  }
  const key = new SigningKey(parsed.seed)
  if (!equalBytes(key.publicKey.publicKey, parsed.publicKey)) {
    throw new Failure('config-invalid', `cannot use ${label}: its two halves differ`)
  }
  return key
}

/** Armored SSH signature. A namespace says what is signed, such as `manifest@btrvault`. */
export function sign(
  message: Uint8Array,
  { key, namespace }: { readonly key: SigningKey; readonly namespace: string },
): string {
  const signature = key.sign(sshSignedBytes(message, { namespace, hash: 'sha512' }))
  const algorithm = 'ssh-ed25519'
  return formatSshSignature({
    key: key.publicKey,
    namespace,
    hash: 'sha512',
    algorithm,
    signature,
  })
}

export interface VerifyOptions {
  readonly signers: readonly AllowedSigner[]
  readonly namespace: string
  /**
   * When the signature has to be valid: now, or the message's own time. A function is called only
   * for a message that a known key signed: what it reads is the signer's word by then.
   */
  readonly at: Date | (() => Date)
  /** Names what was signed in messages. */
  readonly what?: string
}

export interface Verified {
  /** `SHA256:…` of the key that signed. */
  readonly fingerprint: string
  readonly principal: string
}

/**
 * Who signed exactly this message, for exactly this namespace, and may do so. Throws Failure
 * 'untrusted' with the reason.
 */
export function verifySignature(
  message: Uint8Array,
  armored: string,
  options: VerifyOptions,
): Verified {
  const signature = parseSshSignature(armored)
  const fingerprint = sshFingerprint(signature.key)
  if (signature.namespace !== options.namespace) {
    throw untrusted(options, `it was signed for another purpose than ${options.namespace}`)
  }
  const blob = encodeSshPublicKey(signature.key)
  const known = options.signers.filter(({ key }) => equalBytes(encodeSshPublicKey(key), blob))
  if (known.length === 0) {
    throw untrusted(
      options,
      `its signer ${fingerprint} is not allowed here`,
      'if you know this key, add its public key to your allowed signers; never take it from the remote',
    )
  }
  const signed = sshSignedBytes(message, signature)
  if (!isRightSignature(signed, signature)) {
    throw untrusted(options, `it is not what ${fingerprint} signed`)
  }
  const problems = known.map(signer => objectionTo(signer, options))
  const fit = known[problems.indexOf(undefined)]
  if (fit === undefined) throw untrusted(options, problems[0] ?? 'its signer is not allowed here')
  return { fingerprint, principal: fit.principal }
}

/** 32 bytes that only holders of the signing key can compute: series ids are derived from them. */
export function seriesSecretOf(key: SigningKey): Uint8Array {
  return key.derive('btrvault series v1')
}

function objectionTo(signer: AllowedSigner, options: VerifyOptions): string | undefined {
  const who = `${signer.fingerprint} (${signer.principal})`
  const at = (typeof options.at === 'function' ? options.at() : options.at).getTime()
  if (!allowsNamespace(signer, options.namespace)) {
    return `${who} may not sign for ${options.namespace}`
  }
  if (!Number.isFinite(at)) return 'its time is unknown'
  if (signer.validAfterMs !== undefined && at < signer.validAfterMs) {
    return `${who} is valid only from ${new Date(signer.validAfterMs).toISOString()}`
  }
  if (signer.validBeforeMs !== undefined && at > signer.validBeforeMs) {
    return `${who} expired at ${new Date(signer.validBeforeMs).toISOString()}`
  }
  return undefined
}

function isRightSignature(signed: Uint8Array, signature: SshSignature): boolean {
  const key = publicKeyObjectOf(signature.key)
  if (key === undefined) return false
  const digest = digests[signature.algorithm]
  return verifyBytes(digest, signed, key, signature.signature)
}

/** Undefined for a key that OpenSSL does not accept. */
function publicKeyObjectOf(key: SshPublicKey): KeyObject | undefined {
  const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const jwk =
    key.kind === 'rsa'
      ? { kty: 'RSA', n: encode(key.modulus), e: encode(key.exponent) }
      : { kty: 'OKP', crv: 'Ed25519', x: encode(key.publicKey) }
  try {
    return createPublicKey({ format: 'jwk', key: jwk })
  } catch {
    return undefined
  }
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  const key = Buffer.from(concatBytes([pkcs8Prefix, seed]).buffer)
  const object = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  key.fill(0)
  return object
}

function untrusted(options: VerifyOptions, why: string, hint?: string): Failure {
  return new Failure('untrusted', `cannot trust ${options.what ?? 'a signature'}: ${why}`, { hint })
}
