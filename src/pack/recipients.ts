// Who can read a backup: every form of public key that a configuration may name, checked when it is
// read, and turned into one canonical text that workers are given and hashes are made of.

import { createHash, createPublicKey, type KeyObject } from 'node:crypto'

import { Encrypter } from 'age-encryption'

import { Failure } from '../base/failure.ts'
import {
  formatSshPublicKeyLine,
  parseSshPublicKeyLine,
  type RsaPublicKey,
  type SshPublicKey,
  sshFingerprint,
} from '../format/ssh-key.ts'
import { asSha256, type Sha256 } from '../model/ids.ts'
import { montgomeryOf } from './montgomery.ts'

/** More in one header help nobody, and cost every reader time. */
export const maxRecipientCount = 32

const agePrefixes = {
  age1pq1: 'hybrid',
  age1tag1: 'p256-tag',
  age1tagpq1: 'hybrid-tag',
  age1: 'x25519',
} as const

/** The tag kinds live in hardware: only age with its plugin can open what is encrypted to them. */
export type AgeRecipientKind = (typeof agePrefixes)[keyof typeof agePrefixes]

interface RecipientText {
  /** The canonical form: parseRecipient() gives it back unchanged. */
  readonly text: string
  /** Short and public, for messages. */
  readonly label: string
}

export type Recipient =
  | (RecipientText & { readonly kind: AgeRecipientKind })
  | (RecipientText & { readonly kind: 'ssh-ed25519' | 'ssh-rsa'; readonly key: SshPublicKey })

/**
 * Accepts age1… (X25519), age1pq1… (hybrid), age1tag1… and age1tagpq1…, `ssh-ed25519 AAAA…`,
 * `ssh-rsa AAAA…`, and an RSA public key in PEM, which becomes ssh-rsa so that stock age opens it.
 * Throws Failure 'config-invalid', which never holds the text: somebody may have pasted a secret (L10).
 */
export function parseRecipient(text: string): Recipient {
  const trimmed = text.trim()
  refuseSecrets(trimmed)
  if (trimmed.startsWith('-----BEGIN ')) return rsaRecipient(parsePem(trimmed))
  if (trimmed.startsWith('ssh-')) return sshRecipient(trimmed)
  if (/^age1[a-z0-9]+$/.test(trimmed)) return ageRecipient(trimmed)
  throw unusable('its type is unknown', knownTypes)
}

/** The list itself, when backups may be encrypted to it; else Failure 'config-invalid'. */
export function checkRecipients(recipients: readonly Recipient[]): readonly Recipient[] {
  if (recipients.length === 0) throw refused('there is none', 'add one with `btrvault keygen`')
  if (recipients.length > maxRecipientCount) {
    throw refused(`there are ${recipients.length}, and at most ${maxRecipientCount} can be used`)
  }
  const seen = new Set<string>()
  for (const { text, label } of recipients) {
    if (seen.has(text)) throw refused(`${label} is there twice`)
    seen.add(text)
  }
  const strong = recipients.find(isPostQuantum)
  const classic = recipients.find(recipient => !isPostQuantum(recipient))
  if (strong === undefined || classic === undefined) return recipients
  // One classical stanza is enough for a quantum computer to open the file (C2SP age.md).
  throw refused(
    `${strong.label} is post-quantum and ${classic.label} is not`,
    'use only age1pq1… recipients, or none of them',
  )
}

export function isPostQuantum(recipient: Recipient): boolean {
  return recipient.kind === 'hybrid' || recipient.kind === 'hybrid-tag'
}

/** SHA-256 of the canonical texts, sorted, each with a line feed: which set a backup was made for. */
export function recipientSetHash(recipients: readonly Recipient[]): Sha256 {
  const hash = createHash('sha256')
  for (const text of recipients.map(recipient => recipient.text).sort()) hash.update(`${text}\n`)
  const hex = asSha256(hash.digest('hex'))
  if (hex === undefined) throw new Error('SHA-256 is not 64 hexadecimal digits')
  return hex
}

/** For an identity's own public half. */
export function recipientOfSshKey(key: SshPublicKey): Recipient {
  return key.kind === 'rsa' ? rsaRecipient(key) : ed25519Recipient(key)
}

/** The numbers of an RSA key object, public or private. */
export function rsaNumbersOf(key: KeyObject): RsaPublicKey {
  const { e = '', n = '' } = key.export({ format: 'jwk' })
  return { kind: 'rsa', exponent: bytesOf(e), modulus: bytesOf(n) }
}

const knownTypes =
  'use age1… or age1pq1…, an ssh-ed25519 or ssh-rsa public key, or an RSA public key in PEM form'

function refuseSecrets(text: string): void {
  if (/AGE-SECRET-KEY-|AGE-PLUGIN-/i.test(text)) {
    throw unusable(
      'it is an identity, the secret half of a key',
      'take it out of the configuration and put its public key (age1…) there; `age-keygen -y` shows it',
    )
  }
  if (/PRIVATE KEY/i.test(text)) {
    throw unusable(
      'it is a private key',
      'take it out of the configuration; only public keys belong there',
    )
  }
}

function ageRecipient(text: string): Recipient {
  const plugin = /^age1([a-z0-9]+)1[a-z0-9]*$/.exec(text)?.[1]
  const [prefix, kind] =
    Object.entries(agePrefixes).find(([prefix]) => text.startsWith(prefix)) ?? []
  if (prefix === undefined || kind === undefined) throw unusable('its type is unknown', knownTypes)
  const label = `${prefix}…${text.slice(-6)}`
  if (kind === 'x25519' && plugin !== undefined) {
    throw unusable(`${label} is for a plugin of age, and plugins cannot be used here`, knownTypes)
  }
  try {
    new Encrypter().addRecipient(text)
  } catch (cause) {
    throw unusable(
      `${label} is not a whole, unaltered public key`,
      'copy it again: its checksum or its length is wrong',
      cause,
    )
  }
  return { kind, text, label }
}

function sshRecipient(line: string): Recipient {
  if (!/^ssh-(ed25519|rsa)\s/.test(line)) {
    throw unusable('age cannot encrypt to this type of ssh key', knownTypes)
  }
  if (line.includes('\n')) throw unusable('it is more than one line', 'make each key its own entry')
  return recipientOfSshKey(parseSshPublicKeyLine(line, 'a recipient of type ssh').key)
}

function ed25519Recipient(key: SshPublicKey & { readonly kind: 'ed25519' }): Recipient {
  if (montgomeryOf(key.publicKey) === undefined) {
    throw unusable('the ssh-ed25519 key is not a point on its curve', 'copy it again')
  }
  return { kind: 'ssh-ed25519', key, text: formatSshPublicKeyLine(key), label: sshLabel(key) }
}

function rsaRecipient(key: RsaPublicKey): Recipient {
  const bits = bitLengthOf(key.modulus)
  if (bits < 2048 || bits > 8192) {
    throw unusable(`the RSA key has ${bits} bits`, 'use an RSA key of 2048 to 8192 bits')
  }
  const isOdd = (number: Uint8Array): boolean => ((number.at(-1) ?? 0) & 1) === 1
  // An exponent of 1 would leave the file key in the clear.
  const isTrivial = key.exponent.length === 1 && key.exponent[0] === 1
  if (!isOdd(key.modulus) || !isOdd(key.exponent) || isTrivial || key.exponent.length > 4) {
    throw unusable('the RSA key has impossible numbers', 'copy it again')
  }
  return { kind: 'ssh-rsa', key, text: formatSshPublicKeyLine(key), label: sshLabel(key) }
}

function parsePem(text: string): RsaPublicKey {
  if (!/^-----BEGIN (RSA )?PUBLIC KEY-----\s/.test(text)) {
    throw unusable(
      'it is PEM, but not a public key',
      'use `openssl rsa -pubout` or `openssl x509 -pubkey`',
    )
  }
  let key: KeyObject
  try {
    key = createPublicKey(text)
  } catch (cause) {
    throw unusable('its PEM is damaged', 'copy it again with its first and last line', cause)
  }
  if (key.asymmetricKeyType !== 'rsa') {
    throw unusable('it is PEM of a key that is not RSA', knownTypes)
  }
  return rsaNumbersOf(key)
}

function sshLabel(key: SshPublicKey): string {
  return `ssh-${key.kind} ${sshFingerprint(key).slice(0, 15)}…`
}

function bytesOf(base64url: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64url, 'base64url'))
}

function bitLengthOf(magnitude: Uint8Array): number {
  return magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24
}

function unusable(why: string, hint: string, cause?: unknown): Failure {
  return new Failure('config-invalid', `cannot use a recipient: ${why}`, { hint, cause })
}

function refused(why: string, hint?: string): Failure {
  return new Failure('config-invalid', `cannot use the recipients: ${why}`, { hint })
}
