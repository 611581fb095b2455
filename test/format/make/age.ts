// An age file after C2SP age.md, written here from scratch and from fixed numbers: a vector that
// our own code had made would agree with it also where both are wrong.

import {
  createCipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { concatBytes, encodeUtf8 } from '../../../src/base/bytes.ts'

const chunkBytes = 65_536

export interface HandMadeAge {
  readonly header: Uint8Array
  readonly fileKey: Uint8Array
  readonly file: Uint8Array<ArrayBuffer>
}

/** `seed` chooses file key, ephemeral key and nonce. `recipient`: age1… of X25519. */
export function ageFile(plain: Uint8Array, recipient: string, seed: number): HandMadeAge {
  const fileKey = new Uint8Array(16).fill(seed)
  const nonce = new Uint8Array(16).fill(seed + 1)
  const header = headerOf(recipient, fileKey, new Uint8Array(32).fill(seed + 2))
  const streamKey = derive({ secret: fileKey, salt: nonce, info: 'payload' })
  const chunks: Uint8Array[] = []
  for (let at = 0, index = 0; index === 0 || at < plain.length; at += chunkBytes, index += 1) {
    const counter = Buffer.alloc(12)
    counter.writeUInt32BE(index, 7)
    counter[11] = at + chunkBytes >= plain.length ? 1 : 0
    chunks.push(seal(streamKey, counter, plain.subarray(at, at + chunkBytes)))
  }
  return { header, fileKey, file: concatBytes([header, nonce, ...chunks]) }
}

function headerOf(recipient: string, fileKey: Uint8Array, ephemeralSeed: Uint8Array): Uint8Array {
  const theirs = fromBech32(recipient)
  const ephemeral = privateKeyOf(ephemeralSeed)
  const share = publicBytesOf(ephemeral)
  const shared = diffieHellman({ privateKey: ephemeral, publicKey: publicKeyOf(theirs) })
  const salt = concatBytes([share, theirs])
  const info = 'age-encryption.org/v1/X25519'
  const body = seal(derive({ secret: shared, salt, info }), Buffer.alloc(12), fileKey)
  const text = `age-encryption.org/v1\n-> X25519 ${base64(share)}\n${base64(body)}\n---`
  const macKey = derive({ secret: fileKey, salt: new Uint8Array(0), info: 'header' })
  const mac = createHmac('sha256', macKey).update(text).digest()
  return encodeUtf8(`${text} ${base64(mac)}\n`)
}

function derive(from: { secret: Uint8Array; salt: Uint8Array; info: string }): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', from.secret, from.salt, from.info, 32))
}

function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return concatBytes([sealed, cipher.getAuthTag()])
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  const prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
}

function publicKeyOf(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
}

function publicBytesOf(key: KeyObject): Uint8Array {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** BIP 173, without a look at the checksum. */
function fromBech32(text: string): Uint8Array {
  const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
  const digits = text.slice(text.lastIndexOf('1') + 1, -6)
  const bits = Array.from(digits)
    .map(digit => letters.indexOf(digit).toString(2).padStart(5, '0'))
    .join('')
  const bytes = bits.match(/.{8}/g) ?? []
  return Uint8Array.from(bytes, byte => Number.parseInt(byte, 2))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}
