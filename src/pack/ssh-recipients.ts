// age's stanzas for ssh keys, ssh-ed25519 and ssh-rsa, as the age tool writes and opens them: as
// recipients and identities that age-encryption takes beside its own kinds.

import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'

import {
  Stanza,
  type Recipient as StanzaMaker,
  type Identity as StanzaOpener,
} from 'age-encryption'

import { concatBytes } from '../base/bytes.ts'
import { type Ed25519PrivateKey, encodeSshPublicKey, type RsaPublicKey } from '../format/ssh-key.ts'
import { montgomeryOf, x25519 } from './montgomery.ts'
import { type Recipient, rsaNumbersOf } from './recipients.ts'

const ed25519Label = 'age-encryption.org/v1/ssh-ed25519'
const rsaLabel = 'age-encryption.org/v1/ssh-rsa'
const basePoint = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 9 : 0))
const fileKeyBytes = 16
const tagBytes = 16

/** What Encrypter.addRecipient() takes for a recipient. */
export function stanzaMakerOf(recipient: Recipient): string | StanzaMaker {
  if (!('key' in recipient)) return recipient.text
  const { key } = recipient
  return {
    wrapFileKey: fileKey =>
      key.kind === 'rsa' ? [rsaStanza(key, fileKey)] : [ed25519Stanza(key.publicKey, fileKey)],
  }
}

/** Opens ssh-ed25519 stanzas. Keeps the seed for as long as it lives. */
export class Ed25519Opener implements StanzaOpener {
  readonly #scalar: Uint8Array
  readonly #point: Uint8Array
  readonly #blob: Uint8Array

  constructor(key: Ed25519PrivateKey) {
    this.#scalar = createHash('sha512').update(key.seed).digest().subarray(0, 32)
    this.#point = x25519(this.#scalar, basePoint)
    this.#blob = encodeSshPublicKey({ kind: 'ed25519', publicKey: key.publicKey })
  }

  unwrapFileKey(stanzas: readonly Stanza[]): Uint8Array | null {
    const stanza = findStanza(stanzas, 'ssh-ed25519', { blob: this.#blob, argCount: 3 })
    if (stanza === undefined) return null
    const share = fromUnpadded(stanza.args[2] ?? '')
    if (share.length !== 32) throw new Error('the share of an ssh-ed25519 stanza is not 32 bytes')
    const shared = tweaked(x25519(this.#scalar, share), this.#blob)
    return unwrap(stanza.body, wrapKeyOf(shared, share, this.#point))
  }
}

/** Opens ssh-rsa stanzas. */
export class RsaOpener implements StanzaOpener {
  readonly #key: KeyObject
  readonly #blob: Uint8Array

  constructor(key: KeyObject) {
    this.#key = key
    this.#blob = encodeSshPublicKey(rsaNumbersOf(key))
  }

  unwrapFileKey(stanzas: readonly Stanza[]): Uint8Array | null {
    const stanza = findStanza(stanzas, 'ssh-rsa', { blob: this.#blob, argCount: 2 })
    if (stanza === undefined) return null
    const fileKey = new Uint8Array(privateDecrypt(oaep(this.#key), stanza.body))
    if (fileKey.length !== fileKeyBytes) throw new Error('an ssh-rsa stanza holds no file key')
    return fileKey
  }
}

function ed25519Stanza(publicKey: Uint8Array, fileKey: Uint8Array): Stanza {
  const point = montgomeryOf(publicKey)
  if (point === undefined) throw new Error('an unchecked ssh-ed25519 recipient')
  const blob = encodeSshPublicKey({ kind: 'ed25519', publicKey })
  const ephemeral = randomBytes(32)
  const share = x25519(ephemeral, basePoint)
  const shared = tweaked(x25519(ephemeral, point), blob)
  const args = ['ssh-ed25519', keyTag(blob), unpadded(share)]
  return new Stanza(args, wrap(fileKey, wrapKeyOf(shared, share, point)))
}

function rsaStanza(key: RsaPublicKey, fileKey: Uint8Array): Stanza {
  const publicKey = createPublicKey({
    format: 'jwk',
    key: { kty: 'RSA', e: base64url(key.exponent), n: base64url(key.modulus) },
  })
  const body = new Uint8Array(publicEncrypt(oaep(publicKey), fileKey))
  return new Stanza(['ssh-rsa', keyTag(encodeSshPublicKey(key))], body)
}

/** The stanza with this key's tag. A tag that fits but a body that does not open is damage. */
function findStanza(
  stanzas: readonly Stanza[],
  type: string,
  expected: { readonly blob: Uint8Array; readonly argCount: number },
): Stanza | undefined {
  const tag = keyTag(expected.blob)
  const stanza = stanzas.find(({ args }) => args[0] === type && args[1] === tag)
  if (stanza !== undefined && stanza.args.length !== expected.argCount) {
    throw new Error(`a stanza of type ${type} has ${stanza.args.length} arguments`)
  }
  return stanza
}

/** Binds the shared secret to the ssh key, which is used for other things too. */
function tweaked(shared: Uint8Array, blob: Uint8Array): Uint8Array {
  const tweak = new Uint8Array(hkdfSync('sha256', new Uint8Array(0), blob, ed25519Label, 32))
  return x25519(tweak, shared)
}

function wrapKeyOf(shared: Uint8Array, share: Uint8Array, point: Uint8Array): Uint8Array {
  const salt = concatBytes([share, point])
  return new Uint8Array(hkdfSync('sha256', shared, salt, ed25519Label, 32))
}

/** The zero nonce is right: a wrap key is used once. */
function wrap(fileKey: Uint8Array, key: Uint8Array): Uint8Array {
  const options = { authTagLength: tagBytes }
  const cipher = createCipheriv('chacha20-poly1305', key, new Uint8Array(12), options)
  return concatBytes([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
}

function unwrap(body: Uint8Array, key: Uint8Array): Uint8Array {
  if (body.length !== fileKeyBytes + tagBytes) throw new Error('a wrapped file key has 32 bytes')
  const options = { authTagLength: tagBytes }
  const decipher = createDecipheriv('chacha20-poly1305', key, new Uint8Array(12), options)
  decipher.setAuthTag(body.subarray(fileKeyBytes))
  return concatBytes([decipher.update(body.subarray(0, fileKeyBytes)), decipher.final()])
}

function oaep(key: KeyObject) {
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  return { key, padding, oaepHash: 'sha256', oaepLabel: Buffer.from(rsaLabel) }
}

function keyTag(blob: Uint8Array): string {
  return unpadded(createHash('sha256').update(blob).digest().subarray(0, 4))
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

function fromUnpadded(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (unpadded(bytes) !== text) throw new Error('base64 in a stanza is not canonical')
  return new Uint8Array(bytes)
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
