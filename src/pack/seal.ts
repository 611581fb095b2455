// One object out of a lead and frames: age, hashes, and the check before anything is uploaded.
// Runs in a pack thread.

import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { concatBytes, pagedBytes, releaseBytes } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { makeAgeHeader } from './age-header.ts'
import { openPayload, PayloadSealer, payloadNonceBytes, sealedPayloadBytes } from './age-payload.ts'
import { notWhatWasRead } from './frame.ts'
import type { SealedBytes, SealRequest } from './worker-protocol.ts'

export async function sealObject(request: SealRequest): Promise<SealedBytes> {
  const parts = request.check ? partsOf(request) : []
  const sealed =
    request.recipients === null
      ? { bytes: joined(request), headerBytes: 0, fileKey: null }
      : await encrypted(request, request.recipients)
  if (request.check) checkObject(sealed, parts)
  const { bytes } = sealed
  return {
    kind: 'sealed',
    ...sealed,
    sha256: digest('sha256', bytes),
    ...(request.hashes.includes('crc32') && { crc32: crc32(bytes) }),
    ...(request.hashes.includes('md5') && { md5: digest('md5', bytes) }),
  }
}

function joined(request: SealRequest): Uint8Array<ArrayBuffer> {
  const bytes = concatBytes([request.lead, ...request.frames.map(frame => frame.bytes)])
  for (const frame of request.frames) releaseBytes(frame.bytes)
  return bytes
}

async function encrypted(request: SealRequest, recipients: readonly string[]) {
  const { header, fileKey } = await makeAgeHeader(recipients)
  const plainBytes = request.frames.reduce(
    (sum, frame) => sum + frame.bytes.length,
    request.lead.length,
  )
  const out = pagedBytes(header.length + sealedPayloadBytes(plainBytes))
  out.set(header)
  const sealer = new PayloadSealer(fileKey, randomBytes(payloadNonceBytes), out, header.length)
  sealer.write(request.lead)
  for (const frame of request.frames) {
    sealer.write(frame.bytes)
    // A segment in the making and a segment made need not both be in memory as a whole.
    releaseBytes(frame.bytes)
  }
  sealer.finish()
  return { bytes: out, headerBytes: header.length, fileKey: new Uint8Array(fileKey) }
}

function digest(algorithm: 'sha256' | 'md5', bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash(algorithm).update(bytes).digest())
}

/** A lead or a frame, as it must stand in the object. */
interface Part {
  readonly bytes: number
  readonly crc32: number
}

function partsOf({ lead, frames }: SealRequest): Part[] {
  const parts = frames.map(({ bytes, crc32: crc }) => {
    if (crc === null) throw new Error('a frame to be checked has no CRC')
    return { bytes: bytes.length, crc32: crc }
  })
  return [{ bytes: lead.length, crc32: crc32(lead) }, ...parts]
}

/**
 * Decrypts the sealed object and compares it with what each frame was when it had just been
 * unpacked and found right. It finds what a fault of memory or of a library did since; without it,
 * that would be found on the day of the restore.
 */
function checkObject(
  { bytes, headerBytes, fileKey }: Pick<SealedBytes, 'bytes' | 'headerBytes' | 'fileKey'>,
  parts: readonly Part[],
): void {
  const check = new PartsCheck(parts)
  try {
    if (fileKey === null) check.write(bytes)
    else openPayload(fileKey, bytes.subarray(headerBytes), chunk => check.write(chunk))
    check.finish()
  } catch (cause) {
    if (!isFailure(cause, 'corrupt')) throw cause
    throw notWhatWasRead('a sealed object', cause)
  }
}

class PartsCheck {
  readonly #parts: readonly Part[]
  #n = 0
  #seenBytes = 0
  #crc = 0

  constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const part = this.#parts[this.#n]
      if (part === undefined) throw damaged('it is longer than its frames')
      const piece = chunk.subarray(at, at + part.bytes - this.#seenBytes)
      this.#crc = crc32(piece, this.#crc)
      this.#seenBytes += piece.length
      at += piece.length
      if (this.#seenBytes === part.bytes) this.#next(part)
    }
  }

  finish(): void {
    if (this.#n !== this.#parts.length) throw damaged('it is shorter than its frames')
  }

  #next(part: Part): void {
    if (this.#crc !== part.crc32) throw damaged('its contents are not what they were')
    this.#n += 1
    this.#seenBytes = 0
    this.#crc = 0
  }
}

function damaged(why: string): Failure {
  return new Failure('corrupt', `cannot open a sealed object again: ${why}`)
}
