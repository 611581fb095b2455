// OpenSSH's layouts of keys, both directions: the public key line and its blob (RFC 4253 §6.6,
// RFC 8709) and the private key file (openssh-key-v1, OpenSSH's PROTOCOL.key). Recipients, identities
// and signatures share them. No message holds any of the text that was read (L10).

import { createHash } from 'node:crypto'

import { concatBytes, equalBytes } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import {
  armorText,
  dearmor,
  SshReader,
  sshMpint,
  sshString,
  sshUint32,
  strictBase64,
} from './ssh-wire.ts'

export interface Ed25519PublicKey {
  readonly kind: 'ed25519'
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Numbers are big-endian without leading zeros. */
export interface RsaPublicKey {
  readonly kind: 'rsa'
  readonly exponent: Uint8Array
  readonly modulus: Uint8Array
}

export type SshPublicKey = Ed25519PublicKey | RsaPublicKey

export interface Ed25519PrivateKey extends Ed25519PublicKey {
  /** 32 bytes: the secret. */
  readonly seed: Uint8Array
}

export interface RsaPrivateKey extends RsaPublicKey {
  readonly privateExponent: Uint8Array
  /** q^-1 mod p */
  readonly coefficient: Uint8Array
  readonly primes: readonly [p: Uint8Array, q: Uint8Array]
}

export type SshPrivateKey = (Ed25519PrivateKey | RsaPrivateKey) & { readonly comment: string }

type FailureMaker = (why: string) => Failure

const privateLabel = 'OPENSSH PRIVATE KEY'
const privateMagic = 'openssh-key-v1\0'
const typeNames = { ed25519: 'ssh-ed25519', rsa: 'ssh-rsa' } as const

/** `ssh-ed25519 AAAA… [comment]`. `what` names the text in the Failure 'config-invalid'. */
export function parseSshPublicKeyLine(
  line: string,
  what: string,
): { readonly key: SshPublicKey; readonly comment: string } {
  const fail = unreadable(what)
  const [, type, base64 = '', comment = ''] = /^(\S+)[ \t]+(\S+)[ \t]*(.*)$/.exec(line.trim()) ?? []
  if (type === undefined) throw fail('it is not a line of type, base64 and comment')
  const blob = strictBase64(base64)
  if (blob === undefined) throw fail('its base64 is damaged')
  const key = decodeSshPublicKey(blob, fail)
  if (typeNames[key.kind] !== type) throw fail('its two key types differ')
  return { key, comment }
}

/** One line, without a line feed. */
export function formatSshPublicKeyLine(key: SshPublicKey, comment = ''): string {
  const base64 = Buffer.from(encodeSshPublicKey(key)).toString('base64')
  return `${typeNames[key.kind]} ${base64}${comment === '' ? '' : ` ${comment}`}`
}

/** Throws what `fail` makes for anything but an ed25519 or rsa key in its one canonical form. */
export function decodeSshPublicKey(blob: Uint8Array, fail: FailureMaker): SshPublicKey {
  const reader = new SshReader(blob, fail)
  const type = reader.name()
  const key = readPublicPart(reader, type, fail)
  reader.end()
  return key
}

export function encodeSshPublicKey(key: SshPublicKey): Uint8Array {
  const type = sshString(typeNames[key.kind])
  if (key.kind === 'ed25519') return concatBytes([type, sshString(key.publicKey)])
  return concatBytes([type, sshMpint(key.exponent), sshMpint(key.modulus)])
}

/** `SHA256:…` as `ssh-keygen -l` shows it. */
export function sshFingerprint(key: SshPublicKey): string {
  const hash = createHash('sha256').update(encodeSshPublicKey(key)).digest('base64')
  return `SHA256:${hash.replaceAll('=', '')}`
}

export function isSshPrivateKey(text: string): boolean {
  return text.trimStart().startsWith(`-----BEGIN ${privateLabel}-----`)
}

/** An unencrypted openssh-key-v1 file. `what` names it in the Failure 'config-invalid'. */
export function parseSshPrivateKey(text: string, what: string): SshPrivateKey {
  const fail = unreadable(what)
  const bytes = dearmor(privateLabel, text)
  if (bytes === undefined) throw fail('it is not an OpenSSH private key, or its base64 is damaged')
  const file = new SshReader(bytes, fail)
  if (Buffer.from(file.take(privateMagic.length)).toString('latin1') !== privateMagic) {
    throw fail('it is not an OpenSSH private key')
  }
  const [cipher, kdf] = [file.name(), file.name()]
  file.string()
  if (cipher !== 'none' || kdf !== 'none') throw protectedKey(what)
  if (file.uint32() !== 1) throw fail('it does not hold exactly one key')
  const blob = file.string()
  const key = readPrivatePart(file.string(), fail)
  file.end()
  if (!equalBytes(blob, encodeSshPublicKey(key))) throw fail('its public and private parts differ')
  return key
}

/** `check` is any 32-bit number; OpenSSH uses it to recognise a wrong passphrase. */
export function formatSshPrivateKey(
  key: Ed25519PrivateKey,
  options: { readonly comment: string; readonly check: number },
): string {
  const content = concatBytes([
    sshUint32(options.check),
    sshUint32(options.check),
    encodeSshPublicKey(key),
    sshString(concatBytes([key.seed, key.publicKey])),
    sshString(options.comment),
  ])
  // Padding 1, 2, 3 … to the block size, which is 8 without a cipher.
  const padding = Uint8Array.from({ length: -content.length & 7 }, (_, index) => index + 1)
  const file = concatBytes([
    Buffer.from(privateMagic, 'latin1'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    sshUint32(1),
    sshString(encodeSshPublicKey(key)),
    sshString(concatBytes([content, padding])),
  ])
  return armorText(privateLabel, file)
}

function readPublicPart(reader: SshReader, type: string, fail: FailureMaker): SshPublicKey {
  if (type === typeNames.ed25519) {
    const publicKey = reader.string()
    if (publicKey.length !== 32) throw fail('an Ed25519 key has 32 bytes')
    return { kind: 'ed25519', publicKey }
  }
  if (type === typeNames.rsa) {
    return { kind: 'rsa', exponent: reader.mpint(), modulus: reader.mpint() }
  }
  throw fail('its key type is neither ssh-ed25519 nor ssh-rsa')
}

function readPrivatePart(bytes: Uint8Array, fail: FailureMaker): SshPrivateKey {
  const reader = new SshReader(bytes, fail)
  if (reader.uint32() !== reader.uint32()) throw fail('its check numbers differ')
  const type = reader.name()
  const key = type === typeNames.rsa ? readRsa(reader) : readEd25519(reader, type, fail)
  const comment = Buffer.from(reader.string()).toString('utf8')
  if (!reader.rest().every((byte, index) => byte === ((index + 1) & 0xff))) {
    throw fail('its padding is wrong')
  }
  return { ...key, comment }
}

function readEd25519(reader: SshReader, type: string, fail: FailureMaker): Ed25519PrivateKey {
  const key = readPublicPart(reader, type, fail)
  const both = reader.string()
  if (key.kind !== 'ed25519' || both.length !== 64) throw fail('an Ed25519 secret has 64 bytes')
  if (!equalBytes(both.subarray(32), key.publicKey)) {
    throw fail('its public and private parts differ')
  }
  return { ...key, seed: both.subarray(0, 32) }
}

/** Here the modulus comes before the exponent, unlike in a public key. */
function readRsa(reader: SshReader): RsaPrivateKey {
  return {
    kind: 'rsa',
    modulus: reader.mpint(),
    exponent: reader.mpint(),
    privateExponent: reader.mpint(),
    coefficient: reader.mpint(),
    primes: [reader.mpint(), reader.mpint()],
  }
}

function protectedKey(what: string): Failure {
  return new Failure('config-invalid', `cannot read ${what}: it is protected by a passphrase`, {
    hint: "give an unprotected copy, made with `ssh-keygen -p -N '' -f COPY` and deleted afterwards",
  })
}

function unreadable(what: string): FailureMaker {
  return why => new Failure('config-invalid', `cannot read ${what}: ${why}`)
}
