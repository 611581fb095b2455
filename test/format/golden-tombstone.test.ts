// The signed tombstone among the vectors, as we check it and as stock ssh-keygen does.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { openTombstone } from '../../src/catalog/tombstones.ts'
import { manifestNamespace } from '../../src/format/manifest.ts'
import { tombstoneNamespace } from '../../src/format/tombstone.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { repositoryId, tombstone as sample } from './samples.ts'
import { vectorsOf } from './vectors.ts'

interface SignedVector {
  readonly text: string
  readonly signature: string
  readonly signers: string
}

const vectors = vectorsOf<SignedVector | { readonly text: string }>('tombstones.json')
const signed = vectors.filter(vector => 'signature' in vector)
const repository = { id: repositoryId, store: new MemoryStore() }
const { series, seq } = sample

function open({ text, signature }: SignedVector, signers: string) {
  const tombstone = new Uint8Array(Buffer.from(text))
  const all = parseAllowedSigners(signers, 'the vector')
  return openTombstone(repository, { series, seq, tombstone, signature }, all)
}

const untrusted = (error: unknown) => isFailure(error, 'untrusted')

describe('the signed tombstone of the vectors', () => {
  it('is there', () => assert.equal(signed.length, 1))

  for (const vector of signed) {
    it('is what its signer signed', () => {
      assert.deepEqual(open(vector, vector.signers), sample)
    })

    it('is not believed when a byte is another, or the key is allowed manifests only', () => {
      const changed = { ...vector, text: vector.text.replace('"seq": 1', '"seq": 2') }
      assert.throws(() => open(changed, vector.signers), untrusted)
      const forManifests = vector.signers.replace(tombstoneNamespace, manifestNamespace)
      assert.throws(() => open(vector, forManifests), untrusted)
    })

    it('passes ssh-keygen -Y verify under its namespace, and under no other', async () => {
      await withScratchFolder(async folder => {
        const [signers, signature] = [join(folder, 'signers'), join(folder, 'sig')]
        await writeFile(signers, vector.signers)
        await writeFile(signature, vector.signature)
        const verify = (namespace: string) => {
          const names = ['-f', signers, '-I', 'btrvault', '-n', namespace, '-s', signature]
          return spawnSync('ssh-keygen', ['-Y', 'verify', ...names], { input: vector.text }).status
        }
        assert.equal(verify(tombstoneNamespace), 0)
        assert.notEqual(verify(manifestNamespace), 0)
      })
    })
  }
})
