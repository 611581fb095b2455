import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { isFailure } from '../../src/base/failure.ts'
import { allowsNamespace, parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { generateSigningKey } from '../../src/catalog/signing.ts'

const { publicKeyLine, privateKeyText } = generateSigningKey('a comment')
const [keyType = '', keyBase64 = ''] = publicKeyLine.split(' ')

function problemsOf(text: string): string {
  try {
    parseAllowedSigners(text, '/etc/signers')
  } catch (error) {
    assert.ok(isFailure(error, 'config-invalid'), String(error))
    assert.ok(error.message.startsWith('cannot read /etc/signers: '))
    return error.message
  }
  return assert.fail('accepted')
}

describe('parseAllowedSigners()', () => {
  it('reads principals, options, comments and blank lines', () => {
    const text = [
      '# who may sign',
      '',
      `alice@x,bob@x ${publicKeyLine}`,
      `"carol dee" namespaces="a,b*",valid-after="20260101Z",VALID-BEFORE=20270101Z ${keyType}  ${keyBase64}\r`,
      `\tdan\t${publicKeyLine}`,
    ].join('\n')
    const [first, second, third, ...more] = parseAllowedSigners(text, 'f')
    assert.equal(more.length, 0)
    assert.equal(first?.principal, 'alice@x,bob@x')
    assert.equal(first?.namespaces, undefined)
    assert.equal(first?.line, 3)
    assert.equal(second?.principal, 'carol dee')
    assert.equal(second?.namespaces, 'a,b*')
    assert.equal(second?.validAfterMs, Date.UTC(2026, 0, 1))
    assert.equal(second?.validBeforeMs, Date.UTC(2027, 0, 1))
    assert.equal(third?.principal, 'dan')
    assert.equal(third?.fingerprint, first?.fingerprint)
  })

  it('reads times of every length, in UTC or local', () => {
    const after = (time: string) =>
      parseAllowedSigners(`a valid-after="${time}" ${publicKeyLine}`, 'f')[0]?.validAfterMs
    assert.equal(after('20240229Z'), Date.UTC(2024, 1, 29))
    assert.equal(after('202612312359z'), Date.UTC(2026, 11, 31, 23, 59))
    assert.equal(after('20261231235958UTC'), Date.UTC(2026, 11, 31, 23, 59, 58))
    assert.equal(after('202612312359'), new Date(2026, 11, 31, 23, 59).getTime())
    for (const time of [
      '2026',
      '20260229Z',
      '20261301Z',
      '20260100Z',
      '2026010124Z',
      '202601012460Z',
      '20260101T',
      'x',
      '',
    ]) {
      problemsOf(`a valid-after="${time}" ${publicKeyLine}`)
    }
  })

  it('names every problem with its line', () => {
    const message = problemsOf(
      [
        `fine ${publicKeyLine}`,
        `ca cert-authority ${publicKeyLine}`,
        `a namespaces="x",namespaces="y" ${publicKeyLine}`,
        'only-a-principal',
        `a unheard="x" ${publicKeyLine}`,
        `a constructor ${publicKeyLine}`,
        `a ${keyType} ${keyBase64.slice(0, -5)}`,
        'a ecdsa-sha2-nistp256 AAAAE2VjZHNh',
        `a valid-after="20270101Z",valid-before="20260101Z" ${publicKeyLine}`,
        `a namespaces="" ${publicKeyLine}`,
        'a namespaces="x"',
      ].join('\n'),
    )
    assert.match(message, /line 2: cert-authority is not supported/)
    assert.match(message, /line 3: namespaces is there twice/)
    assert.match(message, /line 4: after the principal there is no key/)
    assert.match(message, /line 9: valid-before is not later/)
    for (const line of [5, 6, 7, 8, 10, 11]) assert.match(message, new RegExp(`line ${line}: `))
    assert.ok(!message.includes('line 1:'))
  })

  it('refuses a file without a signer: it would trust nobody', () => {
    assert.match(problemsOf('# nobody\n'), /no signer/)
  })

  it('L10: says that a private key is one and repeats nothing of it', () => {
    const message = problemsOf(privateKeyText)
    assert.match(message, /secret/)
    assert.ok(!/[A-Za-z0-9+/]{24}/.test(message))
  })
})

describe('allowsNamespace()', () => {
  it('has OpenSSH’s patterns: any match, unless one that begins with ! matches', () => {
    const allows = (patterns: string, namespace: string): boolean => {
      const [signer] = parseAllowedSigners(`a namespaces="${patterns}" ${publicKeyLine}`, 'f')
      return signer !== undefined && allowsNamespace(signer, namespace)
    }
    assert.ok(allows('file,manifest@btrvault', 'manifest@btrvault'))
    assert.ok(allows('*@btrvault', 'manifest@btrvault'))
    assert.ok(allows('manifes?@*', 'manifest@btrvault'))
    assert.ok(!allows('manifest', 'manifest@btrvault'))
    assert.ok(!allows('manifest.btrvault', 'manifest@btrvault'))
    assert.ok(!allows('*,!manifest@*', 'manifest@btrvault'))
    assert.ok(!allows('!other', 'manifest@btrvault'))
    const [any] = parseAllowedSigners(`a ${publicKeyLine}`, 'f')
    assert.ok(any && allowsNamespace(any, 'whatever'))
  })
})
