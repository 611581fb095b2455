// The secret halves: what opens backups. Read from the text of an identity file, used on the main
// thread only to unwrap file keys, never handed to workers, never part of a message (L10).

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

import {
  armor,
  Decrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
  type Identity as StanzaOpener,
} from 'age-encryption'

import { decodeUtf8, equalBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import {
  type Ed25519PrivateKey,
  isSshPrivateKey,
  parseSshPrivateKey,
  type RsaPrivateKey,
} from '../format/ssh-key.ts'
import { parseRecipient, type Recipient, recipientOfSshKey, rsaNumbersOf } from './recipients.ts'
import { Ed25519Opener, RsaOpener } from './ssh-recipients.ts'

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'

/** One secret. Private fields keep it out of logs, JSON and inspection. */
export class Identity {
  readonly recipient: Recipient
  readonly #secret: string | StanzaOpener

  constructor(recipient: Recipient, secret: string | StanzaOpener) {
    this.recipient = recipient
    this.#secret = secret
  }

  addTo(decrypter: Decrypter): void {
    decrypter.addIdentity(this.#secret)
  }
}

export interface LoadIdentitiesOptions {
  /** Asked once, and only when the file is protected by a passphrase. */
  readonly passphrase?: (() => Promise<string>) | undefined
}

/**
 * Every identity in the text of a file: lines of AGE-SECRET-KEY-…, one unprotected OpenSSH or PEM
 * private key, or the first of these inside an armored age file with a passphrase. `label` names the
 * file in messages. Throws Failure 'config-invalid', or 'identity-wrong' for a wrong passphrase.
 */
export async function loadIdentities(
  text: string,
  label: string,
  options: LoadIdentitiesOptions = {},
): Promise<readonly Identity[]> {
  const trimmed = text.trim()
  if (trimmed.startsWith('age-encryption.org/v1')) {
    throw unreadable(label, 'it is an age file without armor', 'decrypt it with `age -d` first')
  }
  if (trimmed.startsWith(armorStart)) {
    return await identitiesOfLines(await openProtected(trimmed, label, options), label)
  }
  if (isSshPrivateKey(trimmed)) return [identityOfSshKey(trimmed, label)]
  if (trimmed.startsWith('-----BEGIN ')) return [identityOfPem(trimmed, label)]
  return await identitiesOfLines(text, label)
}

export interface NewIdentity {
  /** The content of an identity file, as age-keygen writes it. Secret. */
  readonly identityText: string
  readonly recipient: string
}

/** Post-quantum hybrid; X25519, which every version of age can use, when `classic`. */
export async function generateIdentity(
  options: { readonly classic?: boolean; readonly created?: Date } = {},
): Promise<NewIdentity> {
  const secret = await (options.classic ? generateX25519Identity() : generateHybridIdentity())
  const recipient = await identityToRecipient(secret)
  const created = (options.created ?? new Date()).toISOString().replace(/\.\d+Z$/, 'Z')
  const lines = [`# created: ${created}`, `# public key: ${recipient}`, secret, '']
  return { identityText: lines.join('\n'), recipient }
}

export function recipientOf(identity: Identity): Recipient {
  return identity.recipient
}

async function identitiesOfLines(text: string, label: string): Promise<readonly Identity[]> {
  const identities: Identity[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) continue
    identities.push(await identityOfLine(content, `line ${index + 1} of ${label}`))
  }
  if (identities.length === 0) throw unreadable(label, 'there is no identity in it')
  return identities
}

async function identityOfLine(line: string, where: string): Promise<Identity> {
  if (line.startsWith('AGE-PLUGIN-')) {
    throw unreadable(where, 'it is for a plugin of age', 'decrypt with age itself; see RESTORE.md')
  }
  if (/^age1|^ssh-/.test(line)) {
    throw unreadable(where, 'it is a public key', 'give the file that holds the secret half')
  }
  if (!/^AGE-SECRET-KEY-(PQ-)?1/.test(line)) throw unreadable(where, 'it is not an identity')
  try {
    return new Identity(parseRecipient(await identityToRecipient(line)), line)
  } catch {
    // The cause is left out: a library's message may quote what it could not read.
    throw unreadable(where, 'the identity is damaged', 'copy it again: its checksum is wrong')
  }
}

async function openProtected(
  armored: string,
  label: string,
  options: LoadIdentitiesOptions,
): Promise<string> {
  let sealed: Uint8Array
  try {
    sealed = armor.decode(armored)
  } catch {
    throw unreadable(label, 'its age armor is damaged')
  }
  if (!Buffer.from(sealed).toString('latin1').startsWith('age-encryption.org/v1\n-> scrypt ')) {
    throw unreadable(label, 'it is encrypted, but not with a passphrase', 'decrypt it first')
  }
  if (options.passphrase === undefined) {
    throw unreadable(label, 'it is protected by a passphrase', 'run this on a terminal')
  }
  const decrypter = new Decrypter()
  decrypter.addPassphrase(await options.passphrase())
  try {
    return decodeUtf8(await decrypter.decrypt(sealed))
  } catch {
    throw new Failure(
      'identity-wrong',
      `cannot read ${label}: the passphrase is wrong, or it is damaged`,
    )
  }
}

function identityOfSshKey(text: string, label: string): Identity {
  const key = parseSshPrivateKey(text, label)
  return key.kind === 'rsa'
    ? identityOfRsa(rsaKeyObject(key, label))
    : identityOfEd25519(key, label)
}

function identityOfPem(text: string, label: string): Identity {
  if (/ENCRYPTED/.test(text)) {
    throw unreadable(
      label,
      'it is protected by a passphrase',
      'give an unprotected copy, made with `openssl pkey`',
    )
  }
  if (!/^-----BEGIN (RSA )?PRIVATE KEY-----\s/.test(text)) {
    throw unreadable(label, 'it is PEM, but not a private key that age can use')
  }
  let key: KeyObject
  try {
    key = createPrivateKey(text)
  } catch {
    throw unreadable(label, 'its PEM is damaged')
  }
  if (key.asymmetricKeyType === 'rsa') return identityOfRsa(key)
  if (key.asymmetricKeyType !== 'ed25519') throw unreadable(label, 'it is neither RSA nor Ed25519')
  const { d = '', x = '' } = key.export({ format: 'jwk' })
  const [seed, publicKey] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  return identityOfEd25519({ kind: 'ed25519', seed, publicKey }, label)
}

function identityOfRsa(key: KeyObject): Identity {
  return new Identity(recipientOfSshKey(rsaNumbersOf(key)), new RsaOpener(key))
}

function identityOfEd25519(key: Ed25519PrivateKey, label: string): Identity {
  if (!equalBytes(publicKeyOf(key.seed), key.publicKey)) {
    throw unreadable(label, 'its public and private parts differ')
  }
  const recipient = recipientOfSshKey({ kind: 'ed25519', publicKey: key.publicKey })
  return new Identity(recipient, new Ed25519Opener(key))
}

function publicKeyOf(seed: Uint8Array): Uint8Array {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const key = Buffer.concat([prefix, seed])
  const secret = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  key.fill(0)
  return Buffer.from(createPublicKey(secret).export({ format: 'jwk' }).x ?? '', 'base64url')
}

function rsaKeyObject(key: RsaPrivateKey, label: string): KeyObject {
  const [p, q] = key.primes
  const d = toBigInt(key.privateExponent)
  const jwk = {
    kty: 'RSA',
    n: base64url(key.modulus),
    e: base64url(key.exponent),
    d: base64url(key.privateExponent),
    p: base64url(p),
    q: base64url(q),
    dp: base64url(fromBigInt(d % (toBigInt(p) - 1n))),
    dq: base64url(fromBigInt(d % (toBigInt(q) - 1n))),
    qi: base64url(key.coefficient),
  }
  try {
    return createPrivateKey({ format: 'jwk', key: jwk })
  } catch {
    throw unreadable(label, 'its RSA numbers do not fit together')
  }
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes).toString('hex')}`)
}

function fromBigInt(value: bigint): Uint8Array {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function unreadable(what: string, why: string, hint?: string): Failure {
  return new Failure('config-invalid', `cannot read ${what}: ${why}`, { hint })
}
