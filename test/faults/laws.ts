// The numbered laws, checked from outside: what lies in a store and on the fake btrfs is looked at
// without the program's own catalog, then the program is asked and must say the same.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { parseAllowedSigners } from '../../src/catalog/allowed-signers.ts'
import { loadCatalog } from '../../src/catalog/catalog.ts'
import { loadJournal } from '../../src/catalog/journal.ts'
import { openRepository } from '../../src/catalog/repository.ts'
import { readIdentities } from '../../src/commands/shared/keys.ts'
import type { Backup } from '../../src/model/backup.ts'
import type { WorkerPool } from '../../src/pack/worker-pool.ts'
import { writeStream } from '../../src/restore/write-stream.ts'
import type { Store } from '../../src/store/store.ts'
import type { Stand } from './stand.ts'

/** What lies in a store: SHA-256 of every object, and what its manifests say. */
export interface Lying {
  readonly hashes: ReadonlyMap<string, string>
  readonly manifests: ReadonlyMap<string, ManifestFacts>
}

export interface ManifestFacts {
  readonly series: string
  readonly seq: number
  readonly run: string
  readonly snapshot: { readonly uuid: string }
  readonly parent: { readonly seq: number; readonly manifest: string } | null
  readonly segments: readonly { readonly sha256: string; readonly bytes: number }[]
  readonly indexes: readonly { readonly sha256: string; readonly bytes: number }[]
}

export async function lookInto(store: Store): Promise<Lying> {
  const hashes = new Map<string, string>()
  const manifests = new Map<string, ManifestFacts>()
  for await (const { key } of store.list('')) {
    const bytes = await store.get(key)
    hashes.set(key, createHash('sha256').update(bytes).digest('hex'))
    if (key.startsWith('manifests/') && key.endsWith('.json')) {
      manifests.set(key, JSON.parse(Buffer.from(bytes).toString('utf8')) as ManifestFacts)
    }
  }
  return { hashes, manifests }
}

/** L2, L3, L4, L5: `after` may hold one manifest more than `before`, and all that it needs. */
export function checkStored(before: Lying, after: Lying): void {
  for (const [key, hash] of before.hashes) {
    if (key === 'RESTORE.md') continue
    assert.equal(after.hashes.get(key), hash, `L5: ${key} was changed or removed`)
  }
  const added = [...after.manifests.keys()].filter(key => !before.manifests.has(key))
  assert.ok(added.length <= 1, `L2: one run added ${added.length} manifests`)
  for (const [key, manifest] of after.manifests) {
    assert.ok(after.hashes.has(`${key}.sig`), `L2: ${key} has no signature`)
    for (const name of namesOf(manifest)) {
      const sha256 = /-([0-9a-f]{64})\./.exec(name)?.[1]
      assert.equal(after.hashes.get(name), sha256, `L2: ${key} names ${name}, which is not there`)
    }
    if (manifest.parent === null) continue
    const parent = key.replace(/\d+\.json$/, `${String(manifest.parent.seq).padStart(8, '0')}.json`)
    assert.equal(after.hashes.get(parent), manifest.parent.manifest, `L3: ${key} has no parent`)
  }
}

function namesOf({ series, run, segments, indexes }: ManifestFacts): string[] {
  const keyOf = (folder: string) => (object: { readonly sha256: string }, n: number) =>
    `${folder}/${series}/${run}/${String(n).padStart(8, '0')}-${object.sha256}.age`
  return [...segments.map(keyOf('segments')), ...indexes.map(keyOf('indexes'))]
}

/** Objects that no manifest names, signatures without a manifest among them. */
export function orphansOf({ hashes, manifests }: Lying): string[] {
  const named = new Set([...manifests.values()].flatMap(namesOf))
  for (const key of manifests.keys()) named.add(key).add(`${key}.sig`)
  for (const key of ['repository.json', 'RESTORE.md']) named.add(key)
  return [...hashes.keys()].filter(key => !named.has(key))
}

/** L7, L11: the snapshot of the newest backup is held, and nobody else's was touched. */
export function checkSnapshots(stand: Stand, { manifests }: Lying): void {
  const { btrfs } = stand
  const paths = btrfs.paths()
  assert.ok(paths.includes(stand.foreign), 'L11: somebody else’s snapshot is gone')
  assert.ok(paths.includes(stand.source), 'the source is gone')
  const newest = [...manifests.values()].sort((a, b) => b.seq - a.seq)[0]
  if (newest === undefined) return
  const held = paths.some(path => btrfs.uuidOf(path) === newest.snapshot.uuid)
  assert.ok(held, `L7: the snapshot of backup ${newest.seq} is not held`)
}

/** The series as the program itself lists it, which must be what is there. */
export async function listed(stand: Stand, store: Store, lying: Lying): Promise<readonly Backup[]> {
  const repository = await openRepository(store)
  const file = stand.config.keys.allowedSigners
  const signers = parseAllowedSigners(readFileSync(file, 'utf8'), file)
  const catalog = await loadCatalog(repository, { signers })
  const backups = [...catalog.series.values()].flat()
  assert.deepEqual(
    backups.map(({ manifest }) => manifest.seq),
    [...lying.manifests.values()].map(({ seq }) => seq).sort((a, b) => a - b),
    'the program lists something else than what lies there',
  )
  return backups
}

/** L6: the stream of a backup, as it would be received. */
export async function streamOf(
  stand: Stand,
  store: Store,
  { backup, backups, pool }: { backup: Backup; backups: readonly Backup[]; pool: WorkerPool },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  const output = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      chunks.push(Buffer.from(chunk))
      callback()
    },
  })
  const seq = backup.manifest.parent?.seq
  const parent = backups.find(({ manifest }) => manifest.seq === seq)?.manifest.stream ?? null
  const repository = await openRepository(store)
  const identities = await readIdentities(stand.identity)
  const { signal } = new AbortController()
  await writeStream({ repository, backup, parent, identities, pool, output, signal })
  return Buffer.concat(chunks)
}

/** After an undisturbed run: the newest backup is the source as it is, and nothing is left over. */
export async function checkConverged(
  stand: Stand,
  store: Store,
  expected: { readonly count: number; readonly orphans: number; readonly pool: WorkerPool },
): Promise<void> {
  const { pool } = expected
  const lying = await lookInto(store)
  checkSnapshots(stand, lying)
  const backups = await listed(stand, store, lying)
  assert.equal(backups.length, expected.count, 'the next run did not make the backup')
  const newest = backups.at(-1) as Backup
  const { btrfs } = stand
  const path = btrfs.paths().find(one => btrfs.uuidOf(one) === newest.manifest.snapshot.uuid)
  assert.ok(path)
  assert.equal(
    btrfs.contentsOf(path),
    btrfs.contentsOf(stand.source),
    'the newest is not the source',
  )
  const parentSeq = newest.manifest.parent?.seq
  const parent = backups.find(({ manifest }) => manifest.seq === parentSeq)?.manifest.stream
  const stream = await streamOf(stand, store, { backup: newest, backups, pool })
  assert.ok(stream.equals(btrfs.streamOf(path, parent)), 'the stream restores differently')
  const orphans = orphansOf(lying)
  assert.ok(orphans.length <= expected.orphans, `orphans: ${orphans.join('\n')}`)
  assert.ok(!orphans.some(key => key.endsWith('.sig')), 'a signature without a manifest is left')
  const journal = await loadJournal(join(stand.state, 'sources', 'home', 'journal-disk'))
  const isOver = backups.some(({ manifest }) => manifest.run === journal?.run.run)
  assert.ok(journal === undefined || isOver, 'a journal is left')
  const ours = btrfs.paths().filter(one => one.startsWith(stand.snapshots) && one !== stand.foreign)
  assert.ok(ours.length <= 2, `snapshots are left: ${ours.join(', ')}`)
}
