// What an S3 server or the way to it did wrong → Failures. Pure: no network, no clock.
//
// Nothing that the server wrote gets into a message but its error code, and nothing of the
// request: a cause that holds headers would carry credentials into a log (L10).

import {
  Failure,
  type FailureCode,
  type FailureOptions,
  isFailure,
  systemCodeOf,
} from '../../base/failure.ts'
import { retryAfterCause } from '../retry-after.ts'

/** The facts of an error, whoever threw it. */
export interface S3Trouble {
  /** S3's error code (`NoSuchKey`), or the name of what the SDK threw. */
  readonly name: string
  /** 0 when there was no answer. */
  readonly status: number
  /** `ECONNRESET` and the like. */
  readonly systemCode: string | undefined
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined
  /** The region that the bucket is in, where the answer says so. */
  readonly bucketRegion: string | undefined
}

interface Meaning extends Pick<FailureOptions, 'hint'> {
  readonly code: FailureCode
  readonly why: string
}

/** `what` is verb and object (`put s3://bucket/key`). A bug of ours comes back as it is. */
export function s3Failure(what: string, error: unknown): unknown {
  if (isFailure(error)) return error
  const trouble = readTrouble(error)
  const meaning = trouble && meaningOf(trouble)
  if (meaning === undefined || trouble === undefined) return error
  const cause = retryAfterCause(describe(trouble), trouble.retryAfterMs)
  return new Failure(meaning.code, `cannot ${what}: ${meaning.why}`, { hint: meaning.hint, cause })
}

/** The facts, or undefined when it is neither an answer nor a failed connection. */
export function readTrouble(error: unknown): S3Trouble | undefined {
  if (!(error instanceof Error)) return undefined
  const metadata = recordOf(Reflect.get(error, '$metadata'))
  const response = recordOf(Reflect.get(error, '$response'))
  const headers = recordOf(response['headers'])
  const status = numberOf(metadata['httpStatusCode']) ?? numberOf(response['statusCode']) ?? 0
  const systemCode = systemCodeOf(error)
  if (
    status === 0 &&
    systemCode === undefined &&
    !namesOfSdk.has(error.name) &&
    !isRegionMissing(error)
  ) {
    return undefined
  }
  return {
    name: isRegionMissing(error) ? 'RegionMissing' : error.name.replace(/[^A-Za-z0-9._-]/g, ''),
    status,
    systemCode,
    requestId: textOf(metadata['requestId']),
    retryAfterMs: parseRetryAfter(textOf(headers['retry-after']), textOf(headers['date'])),
    bucketRegion: textOf(headers['x-amz-bucket-region']) ?? textOf(Reflect.get(error, 'Region')),
  }
}

/** Seconds or an HTTP date; a date counts from the answer's own Date, as our clock may be wrong. */
export function parseRetryAfter(
  value: string | undefined,
  answeredAt: string | undefined,
): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const wait = Date.parse(value) - Date.parse(answeredAt ?? '')
  return Number.isFinite(wait) && wait > 0 ? wait : undefined
}

const namesOfSdk: ReadonlySet<string> = new Set([
  'TimeoutError',
  'CredentialsProviderError',
  'TokenProviderError',
  'ProviderError',
])

function meaningOf(trouble: S3Trouble): Meaning | undefined {
  return (
    byName[trouble.name] ??
    redirected(trouble) ??
    byStatus(trouble) ??
    bySystemCode(trouble.systemCode) ??
    unreadable(trouble)
  )
}

const checkKeys = 'check the access key, the secret key and that they belong to this endpoint'
const newToken = { hint: 'get a new session token, or sign in again' }
const busy: Meaning = { code: 'store-busy', why: 'the store asks us to slow down' }
const damaged: Meaning = {
  code: 'corrupt',
  why: 'its bytes arrived there changed',
  hint: 'something between here and the store changes bytes; use https, and test the memory of this machine',
}
const unavailable: Meaning = { code: 'store-unavailable', why: 'the store has an error of its own' }
const denied: Meaning = {
  code: 'store-refused',
  why: 'access denied',
  hint: 'check which actions the credentials allow on this bucket and prefix',
}
const missing: Meaning = { code: 'object-missing', why: 'no such object' }

/** By S3's error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const byName: Readonly<Record<string, Meaning>> = {
  NoSuchKey: missing,
  NotFound: missing,
  NoSuchBucket: {
    code: 'repository-missing',
    why: 'there is no such bucket',
    hint: 'create the bucket, or correct its name, region or endpoint',
  },
  InvalidBucketName: {
    code: 'store-refused',
    why: 'the store does not accept the name of the bucket',
  },
  PreconditionFailed: { code: 'object-exists', why: 'it exists already' },
  ConditionalRequestConflict: { code: 'store-busy', why: 'another request for it was under way' },
  OperationAborted: { code: 'store-busy', why: 'another request for it was under way' },
  InvalidObjectState: {
    code: 'archived',
    why: 'it lies in an archive and cannot be read at once',
    hint: 'thaw it first',
  },
  InvalidRange: { code: 'corrupt', why: 'it is shorter than it should be' },
  AccessDenied: denied,
  Forbidden: denied,
  InvalidAccessKeyId: {
    code: 'store-refused',
    why: 'the access key is not known',
    hint: checkKeys,
  },
  SignatureDoesNotMatch: { code: 'store-refused', why: 'the secret key is wrong', hint: checkKeys },
  ExpiredToken: { code: 'store-refused', why: 'the credentials have expired', ...newToken },
  ExpiredTokenException: {
    code: 'store-refused',
    why: 'the credentials have expired',
    ...newToken,
  },
  TokenRefreshRequired: { code: 'store-refused', why: 'the credentials have expired', ...newToken },
  InvalidToken: { code: 'store-refused', why: 'the session token is not valid', ...newToken },
  RequestTimeTooSkewed: {
    code: 'store-unavailable',
    why: "this machine's clock and the store's differ too much",
    hint: 'set the clock (timedatectl), or see whether the line is so slow that requests grow old',
  },
  RequestExpired: { code: 'store-unavailable', why: 'the request grew too old on its way' },
  RequestTimeout: { code: 'store-unavailable', why: 'the store waited too long for our bytes' },
  IncompleteBody: { code: 'store-unavailable', why: 'the store got fewer bytes than announced' },
  SlowDown: busy,
  Throttling: busy,
  ThrottlingException: busy,
  TooManyRequests: busy,
  RequestLimitExceeded: busy,
  BandwidthLimitExceeded: busy,
  ServiceUnavailable: busy,
  InternalError: unavailable,
  BadDigest: damaged,
  InvalidDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
  XAmzContentChecksumMismatch: damaged,
  QuotaExceeded: {
    code: 'no-space',
    why: 'the quota is used up',
    hint: 'raise the quota or prune',
  },
  EntityTooLarge: {
    code: 'store-refused',
    why: 'the object is larger than the store accepts',
    hint: 'use a smaller segment_size',
  },
  NotImplemented: {
    code: 'store-refused',
    why: 'the store does not know this kind of request',
    hint: 'run doctor: it finds out what the store can do, and later runs keep to it',
  },
  InvalidStorageClass: {
    code: 'store-refused',
    why: 'the store does not know the storage class',
    hint: 'correct storage_class',
  },
  CredentialsProviderError: noCredentials(),
  TokenProviderError: noCredentials(),
  ProviderError: noCredentials(),
  RegionMissing: {
    code: 'store-refused',
    why: 'no region is known',
    hint: 'set region for the remote, or AWS_REGION',
  },
  TimeoutError: { code: 'store-unavailable', why: 'no answer in time' },
}

function noCredentials(): Meaning {
  return {
    code: 'store-refused',
    why: 'no credentials were found',
    hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a profile that exists',
  }
}

function redirected({ name, status, bucketRegion }: S3Trouble): Meaning | undefined {
  const moved = status === 301 || status === 302 || status === 307 || status === 308
  if (
    !moved &&
    name !== 'AuthorizationHeaderMalformed' &&
    name !== 'IllegalLocationConstraintException'
  ) {
    return undefined
  }
  const region = bucketRegion?.replace(/[^A-Za-z0-9-]/g, '')
  return {
    code: 'store-refused',
    why: region ? `the bucket is in the region ${region}` : 'the bucket is in another region',
    hint: region ? `set region: ${region}` : 'set the right region or endpoint',
  }
}

function byStatus({ status, name }: S3Trouble): Meaning | undefined {
  if (status === 401 || status === 403) return denied
  if (status === 404) return missing
  if (status === 412) return byName['PreconditionFailed']
  if (status === 408 || status === 425) return { ...unavailable, why: 'no answer in time' }
  if (status === 429 || status === 503 || status === 509) return busy
  if (status === 416) return byName['InvalidRange']
  if (status === 413) return byName['EntityTooLarge']
  if (status === 501) return byName['NotImplemented']
  if (status === 507) return { code: 'no-space', why: 'the store is full' }
  if (status >= 500) return unavailable
  if (status < 400) return undefined
  return { code: 'store-refused', why: `the store said ${status} ${name}` }
}

const wrongCertificate =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/

function bySystemCode(code: string | undefined): Meaning | undefined {
  if (code === undefined) return undefined
  if (wrongCertificate.test(code)) {
    return {
      code: 'store-refused',
      why: `its certificate is not trusted (${code})`,
      hint: 'give the authority that signed it as ca_file, or correct the endpoint',
    }
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return {
      code: 'store-refused',
      why: 'the server does not speak TLS as we do',
      hint: 'see whether the endpoint is http:// or https://, and its port',
    }
  }
  const why = reasons[code] ?? `the connection failed (${code})`
  return { code: 'store-unavailable', why }
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known to the name servers',
  EAI_AGAIN: 'the name servers do not answer',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to its network',
  ENETUNREACH: 'there is no way to its network',
}

// An answer came, with a good status, and it makes no sense: a captive portal, a cut-off page.
function unreadable({ status }: S3Trouble): Meaning | undefined {
  if (status === 0) return undefined
  return { code: 'store-unavailable', why: 'its answer could not be understood' }
}

function describe({ name, status, systemCode, requestId }: S3Trouble): string {
  const parts = [status > 0 ? String(status) : undefined, name, systemCode]
  const id = requestId && /^[\w.:/+=-]{1,128}$/.test(requestId) ? `request ${requestId}` : undefined
  return [...parts, id].filter(part => part !== undefined).join(' ')
}

function isRegionMissing(error: Error): boolean {
  return error.message === 'Region is missing'
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
