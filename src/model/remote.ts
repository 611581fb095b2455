// Where a repository lies, as plain data: what the configuration or a URL on the command line
// says, and what store/open.ts opens.

import { Failure } from '../base/failure.ts'

export type RemoteAddress = S3Address | DirectoryAddress

export interface DirectoryAddress {
  readonly kind: 'directory'
  /** Absolute. */
  readonly path: string
  /** The target's id as recorded earlier; another one is refused. */
  readonly identity?: string | undefined
}

export interface S3Address {
  readonly kind: 's3'
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
  readonly region?: string | undefined
  /** `https://host[:port]`; without it, AWS. */
  readonly endpoint?: string | undefined
  /** Of the AWS configuration files. */
  readonly profile?: string | undefined
  /** Without them, the whole default chain: environment, profile, SSO, process, web identity, machine. */
  readonly credentials?: S3Credentials | undefined
  /** Default: true with an endpoint of one's own, false for AWS. */
  readonly pathStyle?: boolean | undefined
  /** PEM file with certificates to trust besides the system's. */
  readonly caFile?: string | undefined
  readonly storageClass?: S3StorageClass | undefined
  readonly sse?: S3Encryption | undefined
  /** Default: `crc32` for AWS, `none` for an endpoint of one's own, as several refuse the header. */
  readonly checksums?: 'crc32' | 'none' | undefined
  /** What the signature says about the body. Default `sha256`. */
  readonly payload?: 'sha256' | 'unsigned' | undefined
  /** Connections at most, and so requests under way. Default 8. */
  readonly connections?: number | undefined
  /** Default 10 s. */
  readonly connectTimeoutMs?: number | undefined
  /** How long a connection may stand still in the middle of a request. Default 60 s. */
  readonly idleTimeoutMs?: number | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3StorageClass {
  readonly segments?: string | undefined
  readonly metadata?: string | undefined
}

export type S3Encryption =
  | { readonly kind: 'AES256' }
  | { readonly kind: 'aws:kms'; readonly kmsKeyId?: string | undefined }

/** How people know the remote, for messages: no credentials, no query. */
export function describeRemote(remote: RemoteAddress): string {
  if (remote.kind === 'directory') return remote.path
  return remote.prefix === '' ? `s3://${remote.bucket}` : `s3://${remote.bucket}/${remote.prefix}`
}

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&profile=…&path-style=true`, `file:///path` or an
 * absolute path. Throws Failure 'usage'.
 */
export function parseRemoteUrl(text: string): RemoteAddress {
  if (text.startsWith('/')) return { kind: 'directory', path: withoutTrailingSlash(text) }
  const url = URL.parse(text)
  if (url === null) {
    throw notRemote(withoutUserinfo(text), 'it is neither a URL nor an absolute path')
  }
  if (url.protocol === 'file:') return parseFileUrl(url)
  if (url.protocol === 's3:') return parseS3Url(url)
  throw notRemote(shown(url), `"${url.protocol}//" is not known`)
}

function parseFileUrl(url: URL): DirectoryAddress {
  if (url.host !== '') throw notRemote(shown(url), 'write three slashes: file:///path')
  if (url.search !== '') throw notRemote(shown(url), 'a directory has no options')
  return { kind: 'directory', path: withoutTrailingSlash(decode(url.pathname)) }
}

function parseS3Url(url: URL): S3Address {
  if (url.username !== '' || url.password !== '') {
    throw notRemote(shown(url), 'credentials in a URL can be seen by everyone on this machine', {
      hint: 'give them by the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile',
    })
  }
  if (url.hostname === '' || url.port !== '') {
    throw notRemote(
      shown(url),
      'it does not begin with s3://BUCKET; give the server as ?endpoint=URL',
    )
  }
  const options = new Map<string, string>()
  for (const [name, value] of url.searchParams) {
    if (!s3UrlOptions.has(name))
      throw notRemote(shown(url), `the option ${name} is not known`, s3UrlHint)
    if (options.has(name)) throw notRemote(shown(url), `the option ${name} is given twice`)
    if (value === '') throw notRemote(shown(url), `the option ${name} is empty`)
    options.set(name, value)
  }
  const endpoint = options.get('endpoint')
  const problem = endpoint === undefined ? undefined : endpointProblem(endpoint)
  if (problem !== undefined) throw notRemote(shown(url), problem)
  return {
    kind: 's3',
    bucket: url.hostname,
    prefix: decode(url.pathname).replace(/^\/+|\/+$/g, ''),
    endpoint,
    region: options.get('region'),
    profile: options.get('profile'),
    pathStyle: parseFlag(url, 'path-style', options.get('path-style')),
    caFile: options.get('ca-file'),
  }
}

const s3UrlOptions: ReadonlySet<string> = new Set([
  'endpoint',
  'region',
  'profile',
  'path-style',
  'ca-file',
])
const s3UrlHint = { hint: `the options are ${[...s3UrlOptions].join(', ')}` }

/** Why the text is not a server's address, or undefined; for the configuration too. */
export function endpointProblem(endpoint: string): string | undefined {
  const url = URL.parse(endpoint)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return 'the endpoint does not begin with https:// or http://'
  }
  if (url.username !== '' || url.password !== '') return 'the endpoint must not hold credentials'
  if (url.search !== '' || url.hash !== '') return 'the endpoint ends after its path'
  return undefined
}

function parseFlag(url: URL, name: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined
  if (value === 'true') return true
  if (value === 'false') return false
  throw notRemote(shown(url), `the option ${name} is true or false`)
}

function withoutTrailingSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '')
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw notRemote(path, 'a % in it is not followed by two hexadecimal digits')
  }
}

// What may be printed: a password pasted into the URL must not come back out (L10).
function withoutUserinfo(text: string): string {
  return text.replace(/\/\/.*@/, '//…@').replace(/\?.*$/s, '')
}

function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`
}

function notRemote(text: string, why: string, options: { readonly hint?: string } = {}): Failure {
  const hint = options.hint ?? 'write s3://BUCKET/PREFIX, file:///PATH or /PATH'
  return new Failure('usage', `cannot use ${text} as a remote: ${why}`, { hint })
}
