// `--json`: one document on standard output, whatever happened.

import { toHex } from '../base/bytes.ts'
import { Failure, isFailure, messageOf } from '../base/failure.ts'

export interface JsonError {
  /** A failure's code, or `bug`. */
  readonly code: string
  readonly message: string
  readonly hint: string | null
  readonly exit: number
}

/** `{"command", "ok", "exit", "report"}` and a newline. */
export function reportDocument(command: string, exit: number, report: unknown): string {
  return document({ command, ok: exit === 0, exit, report })
}

/** `{"command", "ok": false, "exit", "error"}` and a newline. */
export function errorDocument(command: string | null, error: unknown): string {
  const described = describeError(error)
  return document({ command, ok: false, exit: described.exit, error: described })
}

export function describeError(error: unknown): JsonError {
  if (isFailure(error)) {
    return {
      code: error.code,
      message: error.message,
      hint: error.hint ?? null,
      exit: error.exitStatus,
    }
  }
  return { code: 'bug', message: messageOf(error), hint: null, exit: 70 }
}

function document(value: unknown): string {
  return `${JSON.stringify(toJson(value), null, 2)}\n`
}

/** Dates become ISO text, bytes hexadecimal, big numbers text, maps objects, failures their words. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number' && !Number.isFinite(value)) return null
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Failure || value instanceof Error) return describeError(value)
  if (value instanceof Uint8Array) return toHex(value)
  if (value instanceof Map) return toJson(Object.fromEntries(value))
  if (value instanceof Set || Array.isArray(value)) return [...value].map(toJson)
  const pairs = Object.entries(value).map(([name, inner]) => [name, toJson(inner)] as const)
  return Object.fromEntries(pairs)
}
