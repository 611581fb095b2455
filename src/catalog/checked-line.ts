// Lines of the files that only grow: a CRC-32 and JSON. A line of which one bit is wrong is none.

import { crc32 } from 'node:zlib'
import type * as z from 'zod'

const checksumDigits = 8

export function checkedLine(entry: unknown): string {
  const text = JSON.stringify(entry)
  return `${checksumOf(text)} ${text}`
}

/** Undefined when it is damaged, or is no such entry. */
export function parseCheckedLine<T>(line: string, schema: z.ZodType<T>): T | undefined {
  const text = line.slice(checksumDigits + 1)
  if (checksumOf(text) !== line.slice(0, checksumDigits)) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(checksumDigits, '0')
}
