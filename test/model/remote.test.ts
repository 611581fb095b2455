import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { describeRemote, parseRemoteUrl } from '../../src/model/remote.ts'

describe('parseRemoteUrl()', () => {
  it('reads a directory, as a path or a URL', () => {
    for (const text of ['/mnt/usb/backups', '/mnt/usb/backups/', 'file:///mnt/usb/backups']) {
      assert.deepEqual(parseRemoteUrl(text), { kind: 'directory', path: '/mnt/usb/backups' })
    }
    assert.deepEqual(parseRemoteUrl('file:///a%20b'), { kind: 'directory', path: '/a b' })
    assert.deepEqual(parseRemoteUrl('/'), { kind: 'directory', path: '/' })
  })

  it('reads a bucket with a prefix and options', () => {
    const remote = parseRemoteUrl(
      's3://my-bucket/host-01/x/?endpoint=https%3A%2F%2Fs3.example.org:9000&region=eu-west-3&profile=b&path-style=false',
    )
    assert.ok(remote.kind === 's3')
    assert.equal(remote.bucket, 'my-bucket')
    assert.equal(remote.prefix, 'host-01/x')
    assert.equal(remote.endpoint, 'https://s3.example.org:9000')
    assert.equal(remote.region, 'eu-west-3')
    assert.equal(remote.profile, 'b')
    assert.equal(remote.pathStyle, false)
    assert.equal(describeRemote(remote), 's3://my-bucket/host-01/x')
    assert.equal(describeRemote(parseRemoteUrl('s3://my-bucket')), 's3://my-bucket')
  })

  it('takes an endpoint that is not percent-encoded too', () => {
    const remote = parseRemoteUrl('s3://b/p?endpoint=http://127.0.0.1:9000&path-style=true')
    assert.ok(remote.kind === 's3')
    assert.equal(remote.endpoint, 'http://127.0.0.1:9000')
    assert.equal(remote.pathStyle, true)
  })

  const refused: readonly [string, RegExp][] = [
    ['backups', /neither a URL nor an absolute path/],
    ['', /neither/],
    ['./backups', /neither/],
    ['https://example.org/b', /"https:\/\/" is not known/],
    ['file://host/path', /three slashes/],
    ['file:///p?x=1', /no options/],
    ['s3://', /s3:\/\/BUCKET/],
    ['s3:///prefix', /s3:\/\/BUCKET/],
    ['s3://host:9000/b', /endpoint=URL/],
    ['s3://b/p?regoin=x', /regoin is not known/],
    ['s3://b/p?region=a&region=b', /twice/],
    ['s3://b/p?region=', /empty/],
    ['s3://b/p?path-style=yes', /true or false/],
    ['s3://b/p?endpoint=example.org', /https:\/\//],
    ['s3://b/p?endpoint=https://e.org?x=1', /ends after its path/],
    ['s3://b/%zz', /hexadecimal/],
  ]
  for (const [text, why] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseRemoteUrl(text),
        (error: unknown) => {
          assert.ok(isFailure(error, 'usage'), String(error))
          assert.match(error.message, why)
          assert.notEqual(error.hint, undefined)
          return true
        },
      )
    })
  }

  it('refuses credentials in a URL, and does not repeat them (L10)', () => {
    for (const text of [
      's3://AKIAKEY:TOPSECRET@bucket/p',
      's3://AKIAKEY:TOP/SECRET@bucket/p',
      's3://bucket/p?endpoint=https://AKIAKEY:TOPSECRET@e.org',
      's3://bucket/p?region=&secret=TOPSECRET',
      'https://AKIAKEY:TOPSECRET@bucket/p',
    ]) {
      assert.throws(
        () => parseRemoteUrl(text),
        (error: unknown) => {
          assert.ok(isFailure(error, 'usage'), String(error))
          assert.doesNotMatch(`${error.message} ${error.hint}`, /TOP|AKIAKEY/)
          return true
        },
      )
    }
  })
})
