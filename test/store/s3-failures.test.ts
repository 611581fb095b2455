import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure, type FailureCode, isFailure } from '../../src/base/failure.ts'
import { retryAfterMsOf } from '../../src/store/retry-after.ts'
import { parseRetryAfter, s3Failure } from '../../src/store/s3/failures.ts'

function answered(status: number, name: string, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error(`${name}: AKIAEXAMPLE was here`), {
    name,
    $metadata: { httpStatusCode: status, requestId: 'tx000-1' },
    $response: { statusCode: status, headers: { authorization: 'HUSHHUSH', ...headers } },
  })
}

function system(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:1`), { code })
}

describe('s3Failure()', () => {
  const cases: readonly [Error, FailureCode, boolean][] = [
    [answered(412, 'PreconditionFailed'), 'object-exists', false],
    [answered(412, 'UnknownError'), 'object-exists', false],
    [answered(409, 'ConditionalRequestConflict'), 'store-busy', true],
    [answered(404, 'NoSuchKey'), 'object-missing', false],
    [answered(404, 'NotFound'), 'object-missing', false],
    [answered(404, 'NoSuchBucket'), 'repository-missing', false],
    [answered(403, 'AccessDenied'), 'store-refused', false],
    [answered(403, 'Unknown'), 'store-refused', false],
    [answered(403, 'RequestTimeTooSkewed'), 'store-unavailable', true],
    [answered(403, 'InvalidObjectState'), 'archived', false],
    [answered(400, 'ExpiredToken'), 'store-refused', false],
    [answered(400, 'XAmzContentSHA256Mismatch'), 'corrupt', false],
    [answered(400, 'AuthorizationHeaderMalformed'), 'store-refused', false],
    [answered(416, 'InvalidRange'), 'corrupt', false],
    [answered(429, 'Whatever'), 'store-busy', true],
    [answered(503, 'SlowDown'), 'store-busy', true],
    [answered(503, 'Unknown'), 'store-busy', true],
    [answered(500, 'InternalError'), 'store-unavailable', true],
    [answered(502, 'SyntaxError'), 'store-unavailable', true],
    [answered(599, 'Unknown'), 'store-unavailable', true],
    [answered(200, 'SyntaxError'), 'store-unavailable', true],
    [answered(501, 'NotImplemented'), 'store-refused', false],
    [answered(507, 'Unknown'), 'no-space', false],
    [answered(418, 'Teapot'), 'store-refused', false],
    [Object.assign(new Error('slow'), { name: 'TimeoutError' }), 'store-unavailable', true],
    [
      Object.assign(new Error('none'), { name: 'CredentialsProviderError' }),
      'store-refused',
      false,
    ],
    [new Error('Region is missing'), 'store-refused', false],
    [system('ECONNRESET'), 'store-unavailable', true],
    [system('ECONNREFUSED'), 'store-unavailable', true],
    [system('ENOTFOUND'), 'store-unavailable', true],
    [system('EAI_AGAIN'), 'store-unavailable', true],
    [system('HPE_INVALID_CONSTANT'), 'store-unavailable', true],
    [system('ERR_STREAM_PREMATURE_CLOSE'), 'store-unavailable', true],
    [system('CERT_HAS_EXPIRED'), 'store-refused', false],
    [system('DEPTH_ZERO_SELF_SIGNED_CERT'), 'store-refused', false],
    [system('ERR_TLS_CERT_ALTNAME_INVALID'), 'store-refused', false],
    [system('EPROTO'), 'store-refused', false],
  ]
  for (const [error, wanted, retryable] of cases) {
    const status =
      '$metadata' in error ? JSON.stringify(error.$metadata).replace(/\D/g, '').slice(0, 3) : ''
    const shown = [status, error.name, 'code' in error ? String(error.code) : ''].filter(Boolean)
    it(`reads ${shown.join(' ')} as ${wanted}`, () => {
      const failure = s3Failure('put s3://b/k', error)
      assert.ok(isFailure(failure, wanted), String(failure))
      assert.equal(failure.retryable, retryable)
      assert.match(failure.message, /^cannot put s3:\/\/b\/k: [a-z]/)
      assert.doesNotMatch(failure.message, /\.$/)
    })
  }

  it('keeps what the server wrote and what we sent out of every text (L10)', () => {
    for (const [error] of cases) {
      const failure = s3Failure('put s3://b/k', error)
      assert.ok(failure instanceof Failure)
      const cause = failure.cause
      assert.ok(cause instanceof Error)
      const everything = [failure.stack, failure.hint, cause.stack, JSON.stringify(cause)].join(' ')
      assert.doesNotMatch(everything, /HUSHHUSH|AKIAEXAMPLE/)
    }
  })

  it("names the bucket's region, whoever says it", () => {
    const header = answered(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' })
    const body = Object.assign(answered(400, 'AuthorizationHeaderMalformed'), {
      Region: 'eu-west-3',
    })
    for (const error of [header, body]) {
      const failure = s3Failure('put k', error)
      assert.ok(isFailure(failure))
      assert.match(failure.message, /in the region eu-west-3$/)
      assert.equal(failure.hint, 'set region: eu-west-3')
    }
  })

  it('carries the wish to wait', () => {
    assert.equal(
      retryAfterMsOf(s3Failure('x', answered(503, 'SlowDown', { 'retry-after': '12' }))),
      12_000,
    )
    assert.equal(retryAfterMsOf(s3Failure('x', answered(503, 'SlowDown'))), undefined)
    assert.equal(retryAfterMsOf(new Error('another')), undefined)
  })

  it('leaves bugs and Failures as they are', () => {
    const bug = new TypeError('undefined is not a function')
    assert.equal(s3Failure('put k', bug), bug)
    const failure = new Failure('corrupt', 'cannot read k')
    assert.equal(s3Failure('put k', failure), failure)
  })
})

describe('parseRetryAfter()', () => {
  it("reads seconds, and dates against the answer's own", () => {
    assert.equal(parseRetryAfter('120', undefined), 120_000)
    const date = 'Sat, 21 Nov 2026 10:00:00 GMT'
    assert.equal(parseRetryAfter('Sat, 21 Nov 2026 10:01:30 GMT', date), 90_000)
    assert.equal(parseRetryAfter('Sat, 21 Nov 2026 09:00:00 GMT', date), undefined)
    for (const odd of [undefined, 'soon', '-5', ''])
      assert.equal(parseRetryAfter(odd, date), undefined)
  })
})
