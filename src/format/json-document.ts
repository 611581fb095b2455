// JSON documents of a repository: strict when read, one array element a line when written, so
// that a person with sed and sha256sum can work through a manifest without this program.

import * as z from 'zod'
import { decodeUtf8, encodeUtf8 } from '../base/bytes.ts'
import { Failure } from '../base/failure.ts'
import {
  asEpochId,
  asRepositoryId,
  asRunId,
  asSeriesId,
  asSha256,
  asUuid,
  type EpochId,
  type RepositoryId,
  type RunId,
  type SeriesId,
  type Sha256,
  type Uuid,
} from '../model/ids.ts'

function id<T extends string>(parse: (text: string) => T | undefined, what: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text)
    // Only the canonical spelling: two spellings of one value would be two signed texts.
    if (value !== undefined && value === text) return value
    context.addIssue({ code: 'custom', message: `is not ${what}` })
    return z.NEVER
  })
}

export const repositoryIdField = id<RepositoryId>(asRepositoryId, 'a repository id')
export const seriesField = id<SeriesId>(asSeriesId, 'a series id')
export const epochField = id<EpochId>(asEpochId, 'an epoch id')
export const runField = id<RunId>(asRunId, 'a run id')
export const sha256Field = id<Sha256>(asSha256, 'a SHA-256 in hexadecimal')
export const uuidField = id<Uuid>(asUuid, 'a UUID')

/** A whole number that JavaScript holds exactly. */
export const countField = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** UTC, as Date.toISOString() writes it. */
export const timeField = z.string().transform((text, context): Date => {
  const time = new Date(text)
  if (!Number.isNaN(time.getTime()) && time.toISOString() === text) return time
  context.addIssue({ code: 'custom', message: 'is not a UTC time with milliseconds' })
  return z.NEVER
})

export interface DocumentKind<T> {
  /** The value of the member `format`. */
  readonly format: string
  readonly version: number
  readonly schema: z.ZodType<T>
  /** For messages: `manifest`. */
  readonly noun: string
}

/** Failure 'corrupt' for bytes that are not this document, 'refused' for a version we don't know. */
export function decodeDocument<T>(bytes: Uint8Array, kind: DocumentKind<T>, label: string): T {
  const value = parseJson(bytes, kind.noun, label)
  const head = z.looseObject({ format: z.string(), version: z.number() }).safeParse(value)
  if (!head.success || head.data.format !== kind.format) {
    throw new Failure('corrupt', `cannot read ${kind.noun} ${label}: it is not a ${kind.format}`)
  }
  // Readers refuse a format version that they don't know, before they look at anything else.
  checkVersion(head.data.version, kind.version, `${kind.noun} ${label}`)
  const result = kind.schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const where = issue?.path.join('.') || 'document'
  throw new Failure(
    'corrupt',
    `cannot read ${kind.noun} ${label}: ${where} ${issue?.message ?? ''}`,
  )
}

/** Failure 'refused' for a version that this program does not know. */
export function checkVersion(version: number, known: number, what: string): void {
  if (version === known) return
  throw new Failure(
    'refused',
    `cannot read ${what}: its format version is ${version}, this program knows ${known}`,
    { hint: 'use a newer btrvault' },
  )
}

function parseJson(bytes: Uint8Array, noun: string, label: string): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes))
  } catch (cause) {
    throw new Failure('corrupt', `cannot read ${noun} ${label}: it is not JSON in UTF-8`, { cause })
  }
}

/** Every member on a line of its own; the elements of an array of objects too. */
export function encodeDocument(
  members: Readonly<Record<string, unknown>>,
): Uint8Array<ArrayBuffer> {
  const lines = Object.entries(members).map(
    ([name, value]) => ` ${JSON.stringify(name)}: ${text(value)}`,
  )
  return encodeUtf8(`{\n${lines.join(',\n')}\n}\n`)
}

function text(value: unknown): string {
  if (!Array.isArray(value) || value.length === 0) return JSON.stringify(value)
  return `[\n${value.map(element => `  ${JSON.stringify(element)}`).join(',\n')}\n ]`
}
