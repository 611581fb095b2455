// YAML text → Config, or every problem in it at once, in the order of the lines.

import { dirname } from 'node:path'
import { asSourceName } from '../model/ids.ts'
import { keepEverything, type Policy, type RuleSet, unlimited } from '../model/policy.ts'
import type { RemoteAddress, S3Encryption } from '../model/remote.ts'
import type {
  Config,
  ConfigProblem,
  ConfigWarning,
  NestedRule,
  RateLimit,
  RemoteConfig,
  SnapshotsConfig,
  SourceConfig,
  SourceRemote,
} from './config.ts'
import { crossProblems } from './cross-checks.ts'
import { problemsOf } from './problems.ts'
import { type FileShape, fileSchema } from './schema.ts'
import { readYaml, type YamlSource } from './yaml-source.ts'

export type ParsedConfig =
  | { readonly config: Config }
  | { readonly problems: readonly ConfigProblem[] }

/** `label` is the file's name, for messages. */
export function parseConfig(text: string, label: string): ParsedConfig {
  const source = readYaml(text)
  if (source.value === undefined) return { problems: inOrder(source.problems) }
  if (source.value === null) return { problems: [...source.problems, emptyFile()] }
  const parsed = fileSchema().safeParse(source.value)
  const meant = [
    ...(parsed.success ? [] : problemsOf(parsed.error.issues, source)),
    ...crossProblems(source),
  ]
  const problems = [...source.problems, ...meant.filter(one => !hasPlace(source.problems, one))]
  if (!parsed.success || problems.length > 0) return { problems: inOrder(problems) }
  return { config: toConfig(parsed.data, source, label) }
}

function emptyFile(): ConfigProblem {
  return {
    line: 1,
    column: 1,
    text: 'the configuration is empty; write keys:, sources: and remotes:, as in docs/configuration.md',
  }
}

function hasPlace(problems: readonly ConfigProblem[], { line, column }: ConfigProblem): boolean {
  return problems.some(other => other.line === line && other.column === column)
}

function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Set<string>()
  return problems
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .filter(({ line, column, text }) => {
      const key = `${line}:${column}:${text}`
      return seen.has(key) ? false : seen.add(key)
    })
}

function toConfig(file: FileShape, source: YamlSource, label: string): Config {
  const signingKey = file.keys?.signing_key ?? '/etc/btrvault/signing_key'
  return {
    file: label,
    timezone: file.timezone,
    state: file.state,
    keys: {
      recipients: file.keys?.recipients ?? [],
      signingKey,
      allowedSigners:
        file.keys?.allowed_signers ?? `${dirname(signingKey).replace(/\/$/, '')}/allowed_signers`,
    },
    sources: Object.entries(file.sources ?? {}).map(([name, entry]) => toSource(name, entry)),
    remotes: Object.entries(file.remotes).map(([name, entry]) => toRemote(name, entry)),
    warnings: Object.entries(file.remotes).flatMap(([name, entry]) =>
      warningsOf(name, entry, source),
    ),
  }
}

type SourceShape = NonNullable<FileShape['sources']>[string]
type RulesShape = Exclude<SourceShape['remotes'][string], readonly unknown[]>
type RemoteShape = FileShape['remotes'][string]
type S3Shape = NonNullable<RemoteShape['s3']>

function toSource(text: string, entry: SourceShape): SourceConfig {
  const name = asSourceName(text)
  if (name === undefined) throw new Error('a source name passed the checks and is none')
  return {
    name,
    path: entry.path,
    snapshots: toSnapshots(entry),
    nested: toNestedRule(entry.nested),
    remotes: Object.entries(entry.remotes).map(
      ([remote, rules]): SourceRemote => ({
        remote,
        ruleSets: Array.isArray(rules) ? rules.map(toRuleSet) : [toRuleSet(rules)],
      }),
    ),
  }
}

function toSnapshots({ path: source, snapshots }: SourceShape): SnapshotsConfig {
  if (typeof snapshots === 'string') return { kind: 'own', folder: snapshots, keep: null }
  const { path, keep, existing } = snapshots
  if (existing === undefined && path !== undefined) {
    return { kind: 'own', folder: path, keep: keep ?? null }
  }
  if (existing === 'snapper') {
    const folder = path ?? `${source.replace(/\/$/, '')}/.snapshots`
    return { kind: 'adopted', by: existing, pattern: `${folder}/*/snapshot` }
  }
  if (existing === 'btrbk' && path !== undefined) {
    return { kind: 'adopted', by: existing, pattern: `${path}/*` }
  }
  if (existing === undefined) throw new Error('snapshots without a path passed the checks')
  return { kind: 'adopted', by: 'anyone', pattern: existing }
}

function toRuleSet(rules: RulesShape): RuleSet {
  return {
    policy: toPolicy(rules),
    epoch: rules.epoch ?? null,
    branchFrom: rules.branch_from ?? null,
    storageClass: rules.storage_class ?? null,
  }
}

function toPolicy(rules: RulesShape): Policy {
  const keep = rules.keep ?? keepEverything.keep
  const hasSpans = keep.spans.length > 0 || keep.last === 0
  const allowFull = rules.allow_full ?? true
  return {
    keep,
    shape: rules.shape ?? (hasSpans ? 'tree' : 'chain'),
    minAgeMs: rules.min_age ?? 0,
    fullEvery: rules.full_every ?? null,
    maxChain: rules.max_chain ?? null,
    allowFullBytes: typeof allowFull === 'number' ? allowFull : allowFull ? unlimited : 0,
  }
}

function toNestedRule(nested: SourceShape['nested']): NestedRule {
  return typeof nested === 'string' ? { kind: nested } : { kind: 'ignore-listed', paths: nested }
}

function toRemote(name: string, entry: RemoteShape): RemoteConfig {
  return {
    name,
    address: toAddress(entry),
    ...(entry.s3?.access_key_file === undefined ? {} : { accessKeyFile: entry.s3.access_key_file }),
    encrypt: entry.encrypt,
    compress: entry.compress,
    level: entry.level ?? 1,
    segmentSizeBytes: entry.segment_size,
    limit: toLimit(entry.limit),
    access: entry.access,
    graceMs: entry.grace,
    maxDelete: entry.max_delete,
    retryDeadlineMs: entry.retry?.deadline ?? 15 * 60_000,
    ...(entry.lock && { lock: entry.lock }),
  }
}

function toAddress({ s3, directory, storage_class }: RemoteShape): RemoteAddress {
  if (directory) return { kind: 'directory', path: directory.path }
  if (!s3) throw new Error('a remote without a place passed the checks')
  return {
    kind: 's3',
    bucket: s3.bucket,
    prefix: s3.prefix,
    region: s3.region,
    endpoint: s3.endpoint,
    profile: s3.profile,
    pathStyle: s3.path_style,
    caFile: s3.ca_file,
    storageClass: storage_class,
    sse: toEncryption(s3.sse, s3.kms_key),
    checksums: s3.checksums,
    payload: s3.payload,
    connections: s3.connections,
  }
}

function toEncryption(sse: S3Shape['sse'], kmsKeyId: string | undefined): S3Encryption | undefined {
  if (sse === undefined) return undefined
  return sse === 'AES256' ? { kind: sse } : { kind: sse, kmsKeyId }
}

function toLimit(limit: RemoteShape['limit']): RateLimit {
  if (limit === undefined) return {}
  if (typeof limit === 'number') return { upBytesPerSecond: limit, downBytesPerSecond: limit }
  return {
    ...(limit.up === undefined ? {} : { upBytesPerSecond: limit.up }),
    ...(limit.down === undefined ? {} : { downBytesPerSecond: limit.down }),
  }
}

function warningsOf(name: string, entry: RemoteShape, source: YamlSource): ConfigWarning[] {
  const found: ConfigWarning[] = []
  if (entry.encrypt === 'none') {
    found.push({
      kind: 'plaintext',
      option: `remotes.${name}.encrypt`,
      ...source.valueAt(['remotes', name, 'encrypt']),
      text: `remote ${name} stores plaintext: whoever can read it can read your files`,
    })
  }
  if (entry.lock?.mode === 'compliance') {
    found.push({
      kind: 'irrevocable-lock',
      option: `remotes.${name}.lock.mode`,
      ...source.valueAt(['remotes', name, 'lock', 'mode']),
      text: `remote ${name} locks with mode compliance: what is stored there can be deleted by nobody before its time, and is paid for until then; no mistake can be taken back`,
    })
  }
  const endpoint = entry.s3?.endpoint
  if (endpoint?.startsWith('http:') && !isLoopback(new URL(endpoint).hostname)) {
    found.push({
      kind: 'unencrypted-connection',
      option: `remotes.${name}.s3.endpoint`,
      ...source.valueAt(['remotes', name, 's3', 'endpoint']),
      text: `remote ${name} is reached without TLS: the network sees object names and can change what is stored`,
    })
  }
  return found
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
