// The text header of an age file: who can open it, and the MAC over that (C2SP age.md). The
// stanzas come from age-encryption, and for ssh keys from ssh-recipients.ts; the grammar is checked
// here, strictly, because the bytes come from a store. Plain values in, so it runs in workers.

import { Decrypter, Encrypter, type Recipient as StanzaMaker } from 'age-encryption'

import { Failure } from '../base/failure.ts'
import type { Identity } from './identities.ts'
import { checkRecipients, parseRecipient } from './recipients.ts'
import { stanzaMakerOf } from './ssh-recipients.ts'

/** A longer header is refused: 32 recipients of any kind fit, and a scan of garbage ends soon. */
export const maxAgeHeaderBytes = 65_536

const versionLine = 'age-encryption.org/v1'
const nonceAndTagBytes = 32
const lineFeed = 10

export interface AgeHeader {
  /** Up to and with the MAC line's line feed; nonce and payload follow. */
  readonly header: Uint8Array
  /** 16 bytes. Fill with zeros after use. */
  readonly fileKey: Uint8Array
}

/**
 * A fresh file key, wrapped for every recipient (texts as parseRecipient() takes them).
 * Throws Failure 'config-invalid' for a recipient that cannot be used.
 */
export async function makeAgeHeader(recipients: readonly string[]): Promise<AgeHeader> {
  const parsed = checkRecipients(recipients.map(text => parseRecipient(text)))
  const encrypter = new Encrypter()
  for (const recipient of parsed) encrypter.addRecipient(stanzaMakerOf(recipient))
  const capture = new FileKeyCapture()
  encrypter.addRecipient(capture)
  const sealed = await encrypter.encrypt(new Uint8Array(0)).catch((cause: unknown) => {
    const labels = parsed.map(recipient => recipient.label).join(', ')
    throw new Failure('config-invalid', `cannot encrypt to ${labels}: not a usable public key`, {
      cause,
    })
  })
  // What age-encryption sealed is empty; the MAC covers neither its nonce nor its payload.
  return { header: sealed.slice(0, sealed.length - nonceAndTagBytes), fileKey: capture.fileKey }
}

/**
 * Where the header at the start of `bytes` ends. Throws Failure 'corrupt' for anything that the
 * grammar does not allow, and when it has not ended after maxAgeHeaderBytes.
 */
export function ageHeaderLength(bytes: Uint8Array): number {
  const lines = new HeaderLines(bytes.subarray(0, maxAgeHeaderBytes))
  if (lines.next() !== versionLine) throw badHeader('it does not begin as an age v1 file')
  let hasScrypt = false
  for (let stanzas = 0; ; stanzas += 1) {
    const line = lines.next()
    if (line.startsWith('---')) {
      if (stanzas === 0) throw badHeader('it names no recipient')
      if (!/^--- [A-Za-z0-9+/]{43}$/.test(line)) throw badHeader('its MAC line is malformed')
      checkCanonical(line.slice(4))
      // Else whoever knows the passphrase could forge a file for the others (C2SP age.md).
      if (hasScrypt && stanzas > 1) throw badHeader('a passphrase is not its only recipient')
      return lines.offset
    }
    if (!/^->( [!-~]+)+$/.test(line)) throw badHeader('a stanza is malformed')
    hasScrypt ||= /^-> scrypt( |$)/.test(line)
    skipBody(lines)
  }
}

/**
 * The file key of a header (exactly its bytes). `what` names the file in messages. Throws Failure
 * 'identity-wrong' when no identity fits, 'corrupt' when the header or its MAC is wrong.
 */
export async function openAgeHeader(
  header: Uint8Array,
  identities: readonly Identity[],
  what = 'an age file',
): Promise<Uint8Array> {
  if (ageHeaderLength(header) !== header.length) throw badHeader('bytes follow its MAC')
  const decrypter = new Decrypter()
  for (const identity of identities) identity.addTo(decrypter)
  let isUnmatched = false
  // Asked last, so only when nobody before it could unwrap the file key.
  decrypter.addIdentity({
    unwrapFileKey: () => {
      isUnmatched = true
      return null
    },
  })
  try {
    return await decrypter.decryptHeader(header)
  } catch (cause) {
    if (isUnmatched) throw wrongIdentity(what, identities)
    throw new Failure('corrupt', `cannot open ${what}: its age header is damaged`, { cause })
  }
}

/** A recipient that wraps nothing: age-encryption shows the file key to every recipient. */
class FileKeyCapture implements StanzaMaker {
  fileKey: Uint8Array = new Uint8Array(0)

  wrapFileKey(fileKey: Uint8Array): [] {
    this.fileKey = fileKey
    return []
  }
}

class HeaderLines {
  readonly #bytes: Uint8Array
  offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The next line, without its line feed. */
  next(): string {
    const end = this.#bytes.indexOf(lineFeed, this.offset)
    if (end < 0) throw badHeader(`it has no end within ${maxAgeHeaderBytes} bytes`)
    const line = Buffer.from(this.#bytes.subarray(this.offset, end)).toString('latin1')
    this.offset = end + 1
    return line
  }
}

/** A stanza's body: base64 lines of exactly 64 characters, then one that is shorter. */
function skipBody(lines: HeaderLines): void {
  for (;;) {
    const line = lines.next()
    if (line.length > 64 || !/^[A-Za-z0-9+/]*$/.test(line)) throw badHeader('a stanza is malformed')
    checkCanonical(line)
    if (line.length < 64) return
  }
}

/** Unpadded base64 has one spelling for each value: the unused bits at the end are zero. */
function checkCanonical(base64: string): void {
  const again = Buffer.from(base64, 'base64').toString('base64').replaceAll('=', '')
  if (again !== base64) throw badHeader('its base64 is not canonical')
}

function badHeader(why: string): Failure {
  return new Failure('corrupt', `cannot read an age header: ${why}`)
}

function wrongIdentity(what: string, identities: readonly Identity[]): Failure {
  const labels = identities.map(identity => identity.recipient.label).join(', ')
  return new Failure('identity-wrong', `cannot open ${what}: it is not encrypted to ${labels}`, {
    hint: 'give the identity whose public key was among the recipients when the backup was made',
  })
}
