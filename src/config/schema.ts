// The shape of the file for zod: what may stand where. Leaves turn text into values; whatever
// concerns more than one place is in cross-checks.ts.

import * as z from 'zod'
import { type OptionPath, optionDocs } from './options.ts'
import {
  type Parsed,
  parseAbsolutePath,
  parseAge,
  parseBucket,
  parseDuration,
  parseEndpoint,
  parseEpochName,
  parseExisting,
  parseFullEvery,
  parseFullSize,
  parseInnerPath,
  parseKeep,
  parseLimitRate,
  parseLockUntil,
  parseMaxDelete,
  parsePrefix,
  parseReadableStorageClass,
  parseRecipient,
  parseSegmentSize,
  parseStorageClass,
  parseTimezone,
} from './values.ts'

/** What the names of sources and remotes look like. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

export type FileShape = z.output<ReturnType<typeof fileSchema>>

/** The whole file. Names, references and clashes are not its business. */
export function fileSchema() {
  return z.strictObject({
    timezone: option('timezone', text(parseTimezone)).default('UTC'),
    state: option('state', text(parseAbsolutePath)).default('/var/lib/btrvault'),
    keys: option('keys', keysSchema()).optional(),
    sources: option('sources', named(option('sources.*', sourceSchema()))).optional(),
    remotes: option('remotes', named(option('remotes.*', remoteSchema()))),
  })
}

function keysSchema() {
  return z.strictObject({
    recipients: option('keys.recipients', z.array(text(parseRecipient))).optional(),
    signing_key: option('keys.signing_key', text(parseAbsolutePath)).optional(),
    allowed_signers: option('keys.allowed_signers', text(parseAbsolutePath)).optional(),
  })
}

function sourceSchema() {
  const nested = z.union([z.enum(['refuse', 'ignore']), z.array(text(parseInnerPath)).min(1)])
  return z.strictObject({
    path: option('sources.*.path', text(parseAbsolutePath)),
    snapshots: option('sources.*.snapshots', z.union([text(parseAbsolutePath), snapshotsSchema()])),
    nested: option('sources.*.nested', nested).default('refuse'),
    remotes: option(
      'sources.*.remotes',
      named(option('sources.*.remotes.*', z.union([rulesSchema(), z.array(rulesSchema()).min(1)]))),
    ),
  })
}

function snapshotsSchema() {
  return z.strictObject({
    path: option('sources.*.snapshots.path', text(parseAbsolutePath)).optional(),
    keep: option('sources.*.snapshots.keep', text(parseKeep)).optional(),
    existing: option('sources.*.snapshots.existing', text(parseExisting)).optional(),
  })
}

function rulesSchema() {
  return z.strictObject({
    epoch: option('sources.*.remotes.*.epoch', text(parseEpochName)).optional(),
    branch_from: option('sources.*.remotes.*.branch_from', text(parseEpochName)).optional(),
    keep: option('sources.*.remotes.*.keep', text(parseKeep)).optional(),
    min_age: option('sources.*.remotes.*.min_age', textOrNumber(parseAge)).optional(),
    shape: option('sources.*.remotes.*.shape', z.enum(['tree', 'chain'])).optional(),
    full_every: option('sources.*.remotes.*.full_every', textOrNumber(parseFullEvery)).optional(),
    max_chain: option('sources.*.remotes.*.max_chain', z.int().min(1).max(10_000)).optional(),
    allow_full: option(
      'sources.*.remotes.*.allow_full',
      z.union([z.boolean(), textOrNumber(parseFullSize)]),
    ).optional(),
    storage_class: option('sources.*.remotes.*.storage_class', text(parseStorageClass)).optional(),
  })
}

function remoteSchema() {
  const limit = z.union([textOrNumber(parseLimitRate), limitSchema()])
  return z.strictObject({
    s3: option('remotes.*.s3', s3Schema()).optional(),
    directory: option('remotes.*.directory', directorySchema()).optional(),
    storage_class: option('remotes.*.storage_class', storageClassSchema()).optional(),
    encrypt: option('remotes.*.encrypt', z.enum(['age', 'none'])).default('age'),
    compress: option('remotes.*.compress', z.enum(['zstd', 'none'])).default('zstd'),
    level: option('remotes.*.level', z.int().min(1).max(19)).optional(),
    segment_size: option('remotes.*.segment_size', textOrNumber(parseSegmentSize)).default(
      64 * 1024 * 1024,
    ),
    limit: option('remotes.*.limit', limit).optional(),
    access: option('remotes.*.access', z.enum(['full', 'no-delete', 'write-only'])).default('full'),
    grace: option('remotes.*.grace', textOrNumber(parseAge)).default(7 * 86_400_000),
    max_delete: option('remotes.*.max_delete', textOrNumber(parseMaxDelete)).default({
      percent: 20,
    }),
    retry: option('remotes.*.retry', retrySchema()).optional(),
    lock: option('remotes.*.lock', lockSchema()).optional(),
  })
}

function s3Schema() {
  return z.strictObject({
    bucket: option('remotes.*.s3.bucket', text(parseBucket)),
    prefix: option('remotes.*.s3.prefix', text(parsePrefix)).default(''),
    region: option('remotes.*.s3.region', z.string().min(1)).optional(),
    endpoint: option('remotes.*.s3.endpoint', text(parseEndpoint)).optional(),
    profile: option('remotes.*.s3.profile', z.string().min(1)).optional(),
    access_key_file: option('remotes.*.s3.access_key_file', text(parseAbsolutePath)).optional(),
    path_style: option('remotes.*.s3.path_style', z.boolean()).optional(),
    ca_file: option('remotes.*.s3.ca_file', text(parseAbsolutePath)).optional(),
    sse: option('remotes.*.s3.sse', z.enum(['AES256', 'aws:kms'])).optional(),
    kms_key: option('remotes.*.s3.kms_key', z.string().min(1)).optional(),
    checksums: option('remotes.*.s3.checksums', z.enum(['crc32', 'none'])).optional(),
    payload: option('remotes.*.s3.payload', z.enum(['sha256', 'unsigned'])).optional(),
    connections: option('remotes.*.s3.connections', z.int().min(1).max(64)).optional(),
  })
}

function directorySchema() {
  return z.strictObject({ path: option('remotes.*.directory.path', text(parseAbsolutePath)) })
}

function storageClassSchema() {
  return z.strictObject({
    segments: option('remotes.*.storage_class.segments', text(parseStorageClass)).optional(),
    metadata: option(
      'remotes.*.storage_class.metadata',
      text(parseReadableStorageClass),
    ).optional(),
  })
}

function limitSchema() {
  return z.strictObject({
    up: option('remotes.*.limit.up', textOrNumber(parseLimitRate)).optional(),
    down: option('remotes.*.limit.down', textOrNumber(parseLimitRate)).optional(),
  })
}

function retrySchema() {
  return z.strictObject({
    deadline: option('remotes.*.retry.deadline', textOrNumber(parseDuration)).optional(),
  })
}

function lockSchema() {
  return z.strictObject({
    mode: option('remotes.*.lock.mode', z.enum(['governance', 'compliance'])),
    until: option('remotes.*.lock.until', textOrNumber(parseLockUntil)),
  })
}

function named<Entry extends z.ZodType>(entry: Entry) {
  return z.record(z.string(), entry)
}

/** Hangs the option's words on its schema, for the JSON Schema. */
function option<Schema extends z.ZodType>(path: OptionPath, schema: Schema): Schema {
  return schema.meta({ description: optionDocs[path].doc.replaceAll('**', '') })
}

function text<Value>(parse: (given: string) => Parsed<Value>) {
  return z.string().transform((given, context) => settle(parse(given), given, context))
}

function textOrNumber<Value>(parse: (given: string | number) => Parsed<Value>) {
  return z
    .union([z.string(), z.number()])
    .transform((given, context) => settle(parse(given), given, context))
}

function settle<Value>(
  parsed: Parsed<Value>,
  given: string | number,
  context: z.RefinementCtx,
): Value {
  if ('value' in parsed) return parsed.value
  context.issues.push({ code: 'custom', message: parsed.wrong, input: given })
  return z.NEVER
}
