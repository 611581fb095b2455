// From an Ed25519 public key to the X25519 key of the same secret (RFC 7748 §4.1), which is how age
// encrypts to ssh-ed25519 keys. Public values only, so the arithmetic need not be constant-time.

import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'

import { concatBytes } from '../base/bytes.ts'

const prime = 2n ** 255n - 19n
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex')

/** The 32 bytes of the X25519 key, or undefined when the 32 bytes given are no usable Ed25519 key. */
export function montgomeryOf(edwards: Uint8Array): Uint8Array | undefined {
  // The highest bit is the sign of x, which the u coordinate does not depend on.
  const y = fromLittleEndian(edwards) & ((1n << 255n) - 1n)
  if (y >= prime || !isOnCurve(y)) return undefined
  const u = toLittleEndian(mod((1n + y) * inverse(1n - y)))
  return hasLargeOrder(u) ? u : undefined
}

/** X25519(scalar, point), each 32 bytes. Throws for a point of small order. */
export function x25519(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  const secret = concatBytes([privatePrefix, scalar])
  const privateKey = createPrivateKey({ key: Buffer.from(secret), format: 'der', type: 'pkcs8' })
  secret.fill(0)
  const spki = Buffer.from(concatBytes([publicPrefix, point]))
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return new Uint8Array(diffieHellman({ privateKey, publicKey }))
}

/** x² = (y² - 1) / (d·y² + 1) must be a square, and not 0 (which is y = ±1, of small order). */
function isOnCurve(y: bigint): boolean {
  const d = mod(-121665n * inverse(121666n))
  const square = mod((y * y - 1n) * inverse(d * y * y + 1n))
  return power(square, (prime - 1n) / 2n) === 1n
}

function hasLargeOrder(u: Uint8Array): boolean {
  try {
    x25519(new Uint8Array(32).fill(64), u)
    return true
  } catch {
    return false
  }
}

function inverse(value: bigint): bigint {
  return power(mod(value), prime - 2n)
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base
  for (let bits = exponent; bits > 0n; bits >>= 1n) {
    if (bits & 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}

function mod(value: bigint): bigint {
  const rest = value % prime
  return rest < 0n ? rest + prime : rest
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}

function toLittleEndian(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse())
}
