// What a get must return, checked in one place for all stores.

import { Failure } from '../base/failure.ts'
import type { GetOptions } from './store.ts'

export interface Extent {
  readonly start: number
  readonly end: number
}

/** Throws a RangeError for what no caller may ask. */
export function checkRange(range: Extent | undefined): void {
  if (range === undefined) return
  const { start, end } = range
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start) return
  throw new RangeError(`not a range of bytes: ${start} to ${end}`)
}

/** The bytes to read of an object of this size, or Failure 'corrupt' when it has not got them. */
export function extentOf(key: string, size: number, options: GetOptions): Extent {
  const { range, maxBytes, objectBytes } = options
  if (objectBytes !== undefined && size !== objectBytes) throw otherLength(key, size, objectBytes)
  if (range !== undefined && range.end > size) throw tooShort(key, size, range)
  const extent = range ?? { start: 0, end: size }
  if (maxBytes !== undefined && extent.end - extent.start > maxBytes) throw tooLong(key, maxBytes)
  return extent
}

export function tooShort(key: string, size: number, range: Extent): Failure {
  const asked = `bytes ${range.start} to ${range.end} were asked for`
  return new Failure('corrupt', `cannot read ${key}: it has ${size} bytes, ${asked}`)
}

function otherLength(key: string, size: number, expected: number): Failure {
  const why = `it has ${size} bytes, it should have ${expected}`
  return new Failure('corrupt', `cannot read ${key}: ${why}`)
}

export function tooLong(key: string, maxBytes: number): Failure {
  return new Failure(
    'corrupt',
    `cannot read ${key}: it is longer than the ${maxBytes} bytes it may have`,
  )
}
