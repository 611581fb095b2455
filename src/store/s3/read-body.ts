// The body of a GET: exactly the bytes that were asked for, or a Failure.

import { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { pagedBytes, releaseBytes } from '../../base/bytes.ts'
import { Failure } from '../../base/failure.ts'
import { extentOf, tooLong } from '../ranges.ts'
import type { GetOptions } from '../store.ts'

export interface BodyRead {
  readonly key: string
  readonly options: GetOptions
}

/** 'store-unavailable' when the line was cut, 'corrupt' when the object has not got the bytes. */
export async function readBody(
  output: GetObjectCommandOutput,
  { key, options }: BodyRead,
): Promise<Uint8Array<ArrayBuffer>> {
  const { Body: body } = output
  if (!(body instanceof Readable)) throw new Error('the SDK gave no stream for a body')
  try {
    const expected = expectedLength(output, key, options)
    const bytes = allocate(expected, key)
    let at = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (at + chunk.length > bytes.length) throw tooLong(key, expected)
      bytes.set(chunk, at)
      at += chunk.length
      await options.pace?.(chunk.length)
      // A piece that fills its memory shares it with nobody. Left to the collector, the pieces of
      // one download would be tens of megabytes.
      if (chunk.length === chunk.buffer.byteLength) releaseBytes(chunk)
    }
    if (at === bytes.length) return bytes
    throw new Failure('store-unavailable', `cannot read ${key}: ${at} of ${expected} bytes came`)
  } finally {
    body.destroy()
  }
}

function expectedLength(output: GetObjectCommandOutput, key: string, options: GetOptions): number {
  const { ContentLength: length, ContentRange } = output
  if (length === undefined) {
    throw new Failure('store-unavailable', `cannot read ${key}: the store's answer has no length`)
  }
  const { range } = options
  if (range === undefined) return extentOf(key, length, options).end
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(ContentRange ?? '')
  const [start, last] = [Number(match?.[1]), Number(match?.[2])]
  if (
    match &&
    start === range.start &&
    last === range.end - 1 &&
    length === range.end - range.start
  ) {
    // A server need not say how long the object is.
    const size = match[3] === '*' ? (options.objectBytes ?? range.end) : Number(match[3])
    return extentOf(key, size, options).end - range.start
  }
  const got = match ? `bytes ${start} to ${last + 1}` : `the whole object of ${length} bytes`
  const asked = `bytes ${range.start} to ${range.end} were asked for`
  throw new Failure('corrupt', `cannot read ${key}: the store gave ${got}, ${asked}`)
}

// The length is what the server says: an absurd one must not become an out-of-memory bug.
function allocate(length: number, key: string): Uint8Array<ArrayBuffer> {
  try {
    return pagedBytes(length)
  } catch {
    throw tooLong(key, length)
  }
}
