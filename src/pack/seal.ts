// One object out of a lead and frames: age, hashes, and the check before anything is uploaded.
// Runs in a pack thread.

import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  concatBytes,
  equalBytes,
  pagedBytes,
  releaseBytes,
  releaseOwnBytes,
} from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { makeAgeHeader } from './age-header.ts'
import { openPayload, PayloadSealer, payloadNonceBytes, sealedPayloadBytes } from './age-payload.ts'
import { decompressFrame } from './frame.ts'
import type { PackedFrame, SealedBytes, SealRequest } from './worker-protocol.ts'

export async function sealObject(request: SealRequest): Promise<SealedBytes> {
  const frames = request.frames.map(({ bytes, ...facts }) => ({
    ...facts,
    storedBytes: bytes.length,
  }))
  const sealed =
    request.recipients === null
      ? { bytes: joined(request), headerBytes: 0, fileKey: null }
      : await encrypted(request, request.recipients)
  if (request.check)
    checkObject({ ...sealed, lead: request.lead, frames, compress: request.compress })
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

interface CheckedObject {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly headerBytes: number
  readonly fileKey: Uint8Array<ArrayBuffer> | null
  readonly lead: Uint8Array
  readonly frames: readonly (Omit<PackedFrame, 'bytes'> & { readonly storedBytes: number })[]
  readonly compress: SealRequest['compress']
}

/**
 * Opens the sealed object and compares it with what was read, by CRC-32 taken before compression.
 * It finds what a fault of memory or of a library did after the bytes were read; without it, that
 * would be found on the day of the restore.
 */
function checkObject(object: CheckedObject): void {
  const frames = new FrameCutter(object)
  const { bytes, headerBytes, fileKey } = object
  try {
    if (fileKey === null) frames.write(bytes)
    else openPayload(fileKey, bytes.subarray(headerBytes), chunk => frames.write(chunk))
    frames.finish()
  } catch (cause) {
    if (!isFailure(cause, 'corrupt')) throw cause
    throw new Failure('corrupt', 'cannot use a sealed object: it does not hold what was read', {
      hint: 'this is what faulty memory looks like; nothing was uploaded from it: test the machine',
      cause,
    })
  }
}

class FrameCutter {
  readonly #object: CheckedObject
  readonly #buffer: Uint8Array<ArrayBuffer>
  /** -1 while the lead is read. */
  #frame = -1
  #filled = 0

  constructor(object: CheckedObject) {
    this.#object = object
    const longest = object.frames.reduce((most, frame) => Math.max(most, frame.storedBytes), 0)
    this.#buffer = new Uint8Array(Math.max(longest, object.lead.length))
  }

  write(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) {
      const wanted = this.#wanted()
      const taken = rest.subarray(0, wanted - this.#filled)
      if (taken.length === 0) throw damaged('it is longer than its frames')
      this.#buffer.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled === wanted) this.#next()
    }
  }

  finish(): void {
    if (this.#frame !== this.#object.frames.length) throw damaged('it is shorter than its frames')
  }

  #wanted(): number {
    if (this.#frame < 0) return this.#object.lead.length
    return this.#object.frames[this.#frame]?.storedBytes ?? 0
  }

  #next(): void {
    const bytes = this.#buffer.subarray(0, this.#filled)
    const frame = this.#object.frames[this.#frame]
    if (frame === undefined) {
      if (!equalBytes(bytes, this.#object.lead)) throw damaged('its lead differs')
    } else {
      const raw = decompressFrame(bytes, frame.rawBytes, this.#object.compress)
      if (crc32(raw) !== frame.rawCrc32) throw damaged('its contents differ from what was read')
      if (raw !== bytes) releaseOwnBytes(raw)
    }
    this.#frame += 1
    this.#filled = 0
  }
}

function damaged(why: string): Failure {
  return new Failure('corrupt', `cannot open a sealed object again: ${why}`)
}
