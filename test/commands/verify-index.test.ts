// An index that is signed and sealed as it must be, and that does not tell what is true of the
// stream: a bug of ours would make one. Only the level decrypts can see it.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { signManifest } from '../../src/catalog/commit.ts'
import { readSigningKey } from '../../src/commands/shared/keys.ts'
import { type VerifyReport, verify } from '../../src/commands/verify.ts'
import {
  encodeIndexRecord,
  IndexDecoder,
  type IndexEnd,
  type IndexRecord,
} from '../../src/format/index-record.ts'
import { decodeLead } from '../../src/format/lead-frame.ts'
import { decodeManifest, encodeManifest } from '../../src/format/manifest.ts'
import { zstdFrameAt } from '../../src/format/zstd-frame.ts'
import type { Sha256 } from '../../src/model/ids.ts'
import { compressFrame, decompressFrame } from '../../src/pack/frame.ts'
import type { VerifyLevel } from '../../src/restore/verify-ledger.ts'
import { makeVault, type Vault } from '../support/vault.ts'

let vault: Vault

before(async () => {
  vault = await makeVault({ encrypt: 'none' })
  vault.write('file', 'x'.repeat(5000))
  await vault.backup()
})

after(async () => vault[Symbol.asyncDispose]())

describe('verify() to the level decrypts', () => {
  it('believes an index that was only written anew', async () => {
    await withIndex(
      record => record,
      async () => {
        assert.equal((await verified('decrypts')).exitStatus, 0)
      },
    )
  })

  const lies: Readonly<Record<string, (end: IndexEnd) => IndexEnd>> = {
    'another hash of the stream': end => ({ ...end, streamSha256: 'a'.repeat(64) as Sha256 }),
    'another number of commands': end => ({ ...end, commands: end.commands + 1 }),
    'another length of the stream': end => ({ ...end, streamBytes: end.streamBytes + 1 }),
  }
  for (const [name, lie] of Object.entries(lies)) {
    it(`finds ${name} in the index`, async () => {
      await findsLie(record =>
        record.kind === 'end' ? { kind: 'end', end: lie(record.end) } : record,
      )
    })
  }

  it('finds the skeleton of another stream in the index', async () => {
    const bytes = Buffer.from('another skeleton, with its own hash')
    const skeletonSha256 = sha256(bytes)
    await findsLie(record => {
      if (record.kind === 'skeleton') return { kind: 'skeleton', bytes }
      if (record.kind !== 'end') return record
      return { kind: 'end', end: { ...record.end, skeletonSha256, skeletonBytes: bytes.length } }
    })
  })

  it('finds a segment that the index describes wrongly', async () => {
    await findsLie(record => {
      if (record.kind !== 'segment') return record
      const frames = record.segment.frames.map(bytes => bytes - 1)
      return { kind: 'segment', segment: { ...record.segment, frames } }
    })
  })
})

type Change = (record: IndexRecord) => IndexRecord

async function findsLie(change: Change): Promise<void> {
  await withIndex(change, async () => {
    assert.equal((await verified('bytes')).exitStatus, 0)
    const report = await verified('decrypts')
    assert.equal(report.exitStatus, 40)
    const found = report.remotes[0]?.series[0]?.damages ?? []
    assert.deepEqual(
      found.map(({ level, backup }) => [level, backup]),
      [['decrypts', 1]],
    )
  })
}

/** Replaces the index and signs the manifest anew, with the real key; puts all back afterwards. */
async function withIndex(change: Change, run: () => Promise<void>): Promise<void> {
  const [name = ''] = vault.objects('manifests/')
  const [indexKey = ''] = vault.objects('indexes/')
  const kept = [name, `${name}.sig`].map(key => [key, vault.readObject(key)] as const)
  const manifest = decodeManifest(vault.readObject(name), name)
  const index = rewritten(vault.readObject(indexKey), change)
  const indexes = [{ sha256: sha256(index), bytes: index.length }]
  const bytes = encodeManifest({ ...manifest, indexes })
  const key = await readSigningKey(vault.config.keys.signingKey)
  vault.writeObject(name, bytes)
  vault.writeObject(`${name}.sig`, signManifest(manifest, bytes, key).signature)
  const newKey = indexKey.replace(/[0-9a-f]{64}/, sha256(index))
  vault.writeObject(newKey, index)
  try {
    await run()
  } finally {
    if (newKey !== indexKey) vault.deleteObject(newKey)
    for (const [path, contents] of kept) vault.writeObject(path, contents)
  }
}

function rewritten(stored: Uint8Array, change: Change): Uint8Array {
  const lead = decodeLead(stored, 'index')
  const records: IndexRecord[] = []
  const decoder = new IndexDecoder('index')
  for (let at = lead.bytes; at < stored.length; ) {
    const frame = zstdFrameAt(stored, at)
    const raw = decompressFrame(stored.subarray(at, at + frame.bytes), frame.rawBytes, 'zstd')
    for (const record of decoder.write(raw)) records.push(structuredClone(record))
    at += frame.bytes
  }
  const raw = Buffer.concat(records.map(record => encodeIndexRecord(change(record))))
  const frame = compressFrame(new Uint8Array(raw), 3)
  return Buffer.concat([stored.subarray(0, lead.bytes), frame])
}

async function verified(level: VerifyLevel): Promise<VerifyReport> {
  // Without the memory of this machine, which knows the manifest that is replaced.
  const { repositoryFolder: from, signers, identity } = vault
  const options = { from, signers, identity, level, sources: [], remotes: [] }
  return await verify(vault.context, options)
}

function sha256(bytes: Uint8Array): Sha256 {
  return createHash('sha256').update(bytes).digest('hex') as Sha256
}
