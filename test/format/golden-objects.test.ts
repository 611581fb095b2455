// Whole sealed objects, as a stranger would have to read them: with an identity alone, with an
// index's facts alone, and with stock age and zstd.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { openManifest } from '../../src/catalog/catalog.ts'
import { epochIdOf } from '../../src/catalog/epoch-id.ts'
import { seriesIdOf } from '../../src/catalog/series-id.ts'
import { SigningKey, seriesSecretOf } from '../../src/catalog/signing.ts'
import { decodeLead } from '../../src/format/lead-frame.ts'
import { manifestKey } from '../../src/format/object-key.ts'
import type { BackupParameters } from '../../src/model/backup.ts'
import type { EpochId, RepositoryId, SeriesId, Sha256, SourceName } from '../../src/model/ids.ts'
import { loadIdentities } from '../../src/pack/identities.ts'
import { Pieces } from '../../src/pack/pieces.ts'
import { openSegment, openWithIdentity } from '../../src/pack/unpacker.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { FakePool } from '../pack/fake-pool.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import type { Change } from './make/objects.ts'
import { fromBase64, isExpected, readVector, vectorFile, vectorsOf } from './vectors.ts'

interface SoundObject {
  readonly name: string
  readonly file: string
  readonly parameters: BackupParameters
  readonly identity: string
  readonly sha256: string
  readonly lead: unknown
  readonly raw: { readonly sha256: string; readonly bytes: number }
  readonly inside: {
    readonly header: number
    readonly key: string | null
    readonly lead: number
    readonly frames: readonly number[]
    readonly raw: number
  }
}

interface BrokenObject {
  readonly of: string
  readonly change: Change
  readonly identity?: string
}

const all = vectorsOf<SoundObject | BrokenObject>('objects.json')
const sound = all.filter(vector => 'file' in vector)
const broken = all.filter(vector => 'of' in vector)

describe('golden objects', () => {
  it('are all of the files, each ending once', () => {
    const files = readdirSync(new URL('vectors/objects/', import.meta.url)).sort()
    assert.deepEqual(sound.map(({ file }) => file.replace('objects/', '')).sort(), files)
    assert.equal(new Set(files.map(file => file.slice(file.indexOf('.')))).size, 4)
  })

  for (const vector of sound) {
    it(`${vector.name}: opens with its identity`, async () => {
      const bytes = vectorFile(vector.file)
      assert.equal(sha256(bytes), vector.sha256)
      const { lead, raw } = await read(bytes, vector, vector.identity)
      assert.deepEqual(lead, vector.lead)
      assert.deepEqual({ sha256: sha256(raw), bytes: raw.length }, vector.raw)
    })

    it(`${vector.name}: opens with what an index says, and no identity`, async () => {
      const { header, key, lead, frames, raw } = vector.inside
      const inside = {
        headerBytes: header,
        fileKey: key === null ? null : fromBase64(key),
        leadBytes: lead,
        rawBytes: raw,
        frames,
      }
      const options = {
        pool: new FakePool().asPool,
        parameters: vector.parameters,
        label: 'vector',
      }
      const parts = await Array.fromAsync(
        openSegment(new Pieces([vectorFile(vector.file)]), inside, options),
      )
      assert.deepEqual(parts[0]?.lead, vector.lead)
      assert.equal(sha256(concatBytes(parts.map(part => part.raw))), vector.raw.sha256)
    })

    it(`${vector.name}: opens with stock tools`, async () => {
      const bytes = vectorFile(vector.file)
      const plain =
        vector.parameters.encrypt === 'age' ? await stockAge(bytes, vector.identity) : bytes
      const raw =
        vector.parameters.compress === 'zstd'
          ? run('zstd', ['-dc'], plain)
          : plain.subarray(decodeLead(plain, 'vector').bytes)
      assert.equal(sha256(raw), vector.raw.sha256)
    })
  }

  for (const vector of broken) {
    it(`L6: ${vector.name}: ${vector.failure?.code}`, async () => {
      const of = sound.find(({ name }) => name === vector.of)
      assert.ok(of && vector.failure)
      const bytes = changed(vectorFile(of.file), vector.change)
      const reading = read(bytes, of, vector.identity ?? of.identity)
      await assert.rejects(reading, isExpected(vector.failure))
    })
  }
})

describe('golden signatures', () => {
  interface SignedVector {
    readonly repository: RepositoryId
    readonly series: SeriesId
    readonly seq: number
    readonly manifest: string
    readonly signature: string
    readonly signers: string
    readonly signer?: string
  }
  const vectors = vectorsOf<SignedVector>('signatures.json')
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.failure?.code ?? 'believed'}`, () => {
      const { repository, series, seq, signature } = vector
      const manifest = new Uint8Array(Buffer.from(vector.manifest))
      const signers = parseAllowedSigners(vector.signers, 'vector')
      const place = { id: repository, store: new MemoryStore() }
      const backup = readVector(vector, () =>
        openManifest(place, { series, seq, manifest, signature }, signers),
      )
      if (backup !== undefined) assert.equal(backup.signer, vector.signer)
    })
  }

  it('are believed by stock ssh-keygen too', async () => {
    const [vector] = vectors
    assert.ok(vector)
    await withScratchFolder(async folder => {
      const paths = { signers: join(folder, 'signers'), signature: join(folder, 'signature') }
      await writeFile(paths.signers, vector.signers)
      await writeFile(paths.signature, vector.signature)
      const who = ['-f', paths.signers, '-I', 'btrvault', '-n', 'manifest@btrvault']
      run(
        'ssh-keygen',
        ['-Y', 'verify', ...who, '-s', paths.signature],
        Buffer.from(vector.manifest),
      )
    })
    assert.equal(manifestKey(vector.series, vector.seq), `manifests/${vector.series}/00000001.json`)
  })
})

describe('golden ids of series', () => {
  interface SeriesVector {
    readonly seed: string
    readonly repository: RepositoryId
    readonly source: SourceName
    readonly series: SeriesId
  }
  for (const { name, seed, repository, source, series } of vectorsOf<SeriesVector>('series.json')) {
    it(name, () => {
      const secret = seriesSecretOf(new SigningKey(Buffer.from(seed, 'hex')))
      assert.equal(seriesIdOf(secret, repository, source), series)
    })
  }
})

describe('golden ids of epochs', () => {
  interface EpochVector {
    readonly seed: string
    readonly series: SeriesId
    readonly epoch: string
    readonly id: EpochId
  }
  for (const { name, seed, series, epoch, id } of vectorsOf<EpochVector>('epochs.json')) {
    it(name, () => {
      const secret = seriesSecretOf(new SigningKey(Buffer.from(seed, 'hex')))
      assert.equal(epochIdOf(secret, series, epoch), id)
    })
  }
})

async function read(bytes: Uint8Array<ArrayBuffer>, { parameters }: SoundObject, identity: string) {
  const identities = await loadIdentities(identity, 'vector')
  const options = { identities, parameters, label: 'vector' }
  const { lead, raw } = await openWithIdentity(bytes, { sha256: sha256(bytes) as Sha256 }, options)
  return { lead, raw: concatBytes([...raw]) }
}

function changed(bytes: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  if ('cut' in change) return bytes.slice(0, change.cut)
  if ('append' in change) return concatBytes([bytes, fromBase64(change.append)])
  const [at, bit] = change.flip
  const copy = bytes.slice()
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return copy
}

async function stockAge(bytes: Uint8Array, identity: string): Promise<Uint8Array> {
  return await withScratchFolder(async folder => {
    const path = join(folder, 'identity')
    await writeFile(path, `${identity}\n`, { mode: 0o600 })
    return run('age', ['-d', '-i', path], bytes)
  })
}

function run(program: string, args: readonly string[], input: Uint8Array): Uint8Array {
  const { status, stdout, stderr } = spawnSync(program, args, {
    input,
    timeout: 20_000,
    maxBuffer: 2 ** 24,
  })
  assert.equal(status, 0, stderr.toString())
  return stdout
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
