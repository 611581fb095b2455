// Vectors of signed manifests, and of the ids of series: from fixed seeds, Ed25519 is the same
// every time.

import { decodeUtf8 } from '../../../src/base/bytes.ts'
import { seriesIdOf } from '../../../src/catalog/series-id.ts'
import { SigningKey, seriesSecretOf, sign } from '../../../src/catalog/signing.ts'
import { encodeManifest, manifestNamespace } from '../../../src/format/manifest.ts'
import { formatSshPublicKeyLine } from '../../../src/format/ssh-key.ts'
import { asRepositoryId, type SourceName } from '../../../src/model/ids.ts'
import { fullManifest, repositoryId, seriesId } from '../samples.ts'

const key = new SigningKey(new Uint8Array(32).fill(1))
const foreignKey = new SigningKey(new Uint8Array(32).fill(2))

function signersOf(one: SigningKey, options = 'namespaces="manifest@btrvault"'): string {
  return `btrvault ${options} ${formatSshPublicKeyLine(one.publicKey)}\n`
}

export function signatureVectors(): unknown[] {
  const bytes = encodeManifest(fullManifest)
  const manifest = decodeUtf8(bytes)
  const signature = sign(bytes, { key, namespace: manifestNamespace })
  const base = {
    repository: repositoryId,
    series: seriesId,
    seq: 1,
    manifest,
    signature,
    signers: signersOf(key),
  }
  const untrusted = (words: string) => ({
    code: 'untrusted',
    words: `cannot trust manifest manifests/${seriesId}/${words}`,
  })
  const ours = '00000001.json: '
  const signed = (text: string, namespace: string = manifestNamespace) =>
    sign(Buffer.from(text), { key, namespace })
  const later = manifest.replace('"version": 1', '"version": 2')
  const noJson = `${manifest}}`
  return [
    { name: 'signed by whom we believe', ...base, signer: key.fingerprint },
    {
      name: 'one of several signers',
      ...base,
      signers: signersOf(foreignKey) + signersOf(key),
      signer: key.fingerprint,
    },
    {
      name: 'a key that was valid then',
      ...base,
      signers: signersOf(key, 'valid-before="20261122Z"'),
      signer: key.fingerprint,
    },
    {
      name: 'a foreign signer',
      ...base,
      signers: signersOf(foreignKey),
      failure: untrusted(`${ours}its signer ${key.fingerprint} is not allowed here`),
    },
    {
      name: 'a key that was not valid any more',
      ...base,
      signers: signersOf(key, 'valid-before="20261120Z"'),
      failure: untrusted(`${ours}${key.fingerprint} (btrvault) expired`),
    },
    {
      name: 'a key for another purpose',
      ...base,
      signers: signersOf(key, 'namespaces="git"'),
      failure: untrusted(`${ours}${key.fingerprint} (btrvault) may not sign`),
    },
    {
      name: 'a signature for another purpose',
      ...base,
      signature: signed(manifest, 'git'),
      failure: untrusted(`${ours}it was signed for another purpose`),
    },
    {
      name: 'a manifest with one byte changed',
      ...base,
      manifest: manifest.replace('"seq": 1', '"seq": 2'),
      failure: untrusted(`${ours}it is not what ${key.fingerprint} signed`),
    },
    {
      name: 'the same facts, spelled anew',
      ...base,
      manifest: JSON.stringify(JSON.parse(manifest)),
      failure: untrusted(`${ours}it is not what ${key.fingerprint} signed`),
    },
    {
      name: 'under the number of another',
      ...base,
      seq: 2,
      failure: untrusted('00000002.json: it belongs under another name'),
    },
    {
      name: 'in the series of another',
      ...base,
      series: seriesId.replace('9f', '9e'),
      failure: {
        code: 'untrusted',
        words:
          'cannot trust manifest manifests/9e16d3e0a1c24b7f8e5d6c3b2a190807/00000001.json: it belongs under another name',
      },
    },
    {
      name: 'in another repository',
      ...base,
      repository: repositoryId.replace('ac', 'ad'),
      failure: untrusted(`${ours}it belongs to another repository`),
    },
    {
      name: 'the signature is looked at before the contents',
      ...base,
      manifest: noJson,
      failure: untrusted(`${ours}it is not what ${key.fingerprint} signed`),
    },
    {
      name: 'well signed, and no manifest',
      ...base,
      manifest: noJson,
      signature: signed(noJson),
      failure: {
        code: 'corrupt',
        words: `cannot read manifest manifests/${seriesId}/${ours}it is not JSON`,
      },
    },
    {
      name: 'well signed, of a later version',
      ...base,
      manifest: later,
      signature: signed(later),
      failure: {
        code: 'refused',
        words: `cannot read manifest manifests/${seriesId}/${ours}its format version is 2`,
      },
    },
    {
      name: 'a signature that is cut',
      ...base,
      signature: signature.slice(0, 100),
      failure: { code: 'untrusted', words: 'cannot read a signature' },
    },
  ]
}

export function seriesVectors(): unknown[] {
  const other = asRepositoryId('00000000000000000000000000000000')
  return [
    [1, repositoryId, 'home'],
    [1, repositoryId, 'home.2'],
    [1, other, 'home'],
    [2, repositoryId, 'home'],
  ].map(([byte, repository, source]) => {
    const seed = new Uint8Array(32).fill(Number(byte))
    const secret = seriesSecretOf(new SigningKey(seed))
    const series = seriesIdOf(secret, repository as typeof repositoryId, source as SourceName)
    const name = `${source} of key ${byte} in ${repository}`
    return { name, seed: Buffer.from(seed).toString('hex'), repository, source, series }
  })
}
