// The building blocks of SSH's binary layouts (RFC 4251 §5): length-prefixed strings, uint32, mpint.

import { concatBytes, encodeUtf8 } from '../base/bytes.ts'
import type { Failure } from '../base/failure.ts'

export function sshUint32(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

/** Length, then the bytes. */
export function sshString(content: Uint8Array | string): Uint8Array {
  const bytes = typeof content === 'string' ? encodeUtf8(content) : content
  return concatBytes([sshUint32(bytes.length), bytes])
}

/** A positive number, big-endian in `magnitude`, in the only spelling that SSH allows. */
export function sshMpint(magnitude: Uint8Array): Uint8Array {
  const first = magnitude.findIndex(byte => byte !== 0)
  const digits = first < 0 ? new Uint8Array(0) : magnitude.subarray(first)
  const isHigh = digits.length > 0 && (digits[0] ?? 0) >= 0x80
  return sshString(isHigh ? concatBytes([new Uint8Array(1), digits]) : digits)
}

/** Reads such a layout from its start; what does not fit throws what `fail` makes of the reason. */
export class SshReader {
  readonly #bytes: Uint8Array
  readonly #fail: (why: string) => Failure
  #at = 0

  constructor(bytes: Uint8Array, fail: (why: string) => Failure) {
    this.#bytes = bytes
    this.#fail = fail
  }

  take(byteCount: number): Uint8Array {
    if (byteCount > this.#bytes.length - this.#at) throw this.#fail('it is cut short')
    this.#at += byteCount
    return this.#bytes.subarray(this.#at - byteCount, this.#at)
  }

  uint32(): number {
    const bytes = this.take(4)
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  }

  string(): Uint8Array {
    return this.take(this.uint32())
  }

  /** A string of printable ASCII, as all names in SSH's layouts are. */
  name(): string {
    const text = Buffer.from(this.string()).toString('latin1')
    if (!/^[ -~]*$/.test(text)) throw this.#fail('a name in it is not plain ASCII')
    return text
  }

  /** The magnitude of a positive mpint, big-endian, without leading zeros. */
  mpint(): Uint8Array {
    const bytes = this.string()
    const [first = 0, second = 0] = bytes
    if (first >= 0x80) throw this.#fail('a number in it is negative')
    if (bytes.length > 0 && first === 0 && second < 0x80) {
      throw this.#fail('a number in it has leading zeros')
    }
    return first === 0 ? bytes.subarray(1) : bytes
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at)
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#fail('bytes follow its end')
  }
}

/** `-----BEGIN label-----`, base64 in lines of 70 as OpenSSH writes it, `-----END label-----`. */
export function armorText(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,70}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/** The bytes between such lines, or undefined when the text is not exactly one such block. */
export function dearmor(label: string, text: string): Uint8Array | undefined {
  const lines = text.trim().split(/\r?\n/)
  if (lines.shift() !== `-----BEGIN ${label}-----`) return undefined
  if (lines.pop() !== `-----END ${label}-----`) return undefined
  return strictBase64(lines.join(''))
}

/** Padded base64 in its one canonical spelling, or undefined. */
export function strictBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined
}
