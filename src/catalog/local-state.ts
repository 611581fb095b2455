// What this machine remembers: where its files lie, and what it knows of each remote. Everything
// here can be rebuilt from the remotes (L8) and may be deleted; then a run asks once more.

import { join } from 'node:path'
import * as z from 'zod'
import { LineFile, readTextIfPresent, writeFileAtomic } from '../base/atomic-file.ts'
import { repositoryIdField, sha256Field, timeField, uuidField } from '../format/json-document.ts'
import type { SourceName, Uuid } from '../model/ids.ts'
import type { ProbeReport } from '../model/probe.ts'

export function lockPath(state: string, source: SourceName): string {
  return join(state, 'sources', source, 'lock')
}

export function journalPath(state: string, source: SourceName, remote: string): string {
  return join(state, 'sources', source, `journal-${remote}`)
}

const remoteMemory = z.strictObject({
  repository: repositoryIdField,
  address: z.string(),
  /** When an identity was last shown to open what this machine seals; null: never. */
  provenAt: timeField.nullable(),
  /** False once a probe found that the store ignores create-if-absent. */
  createIfAbsent: z.boolean(),
  /** SHA-256 of the RESTORE.md that was put there last, where this machine may not look. */
  guide: sha256Field.optional(),
})

export type RemoteMemory = z.infer<typeof remoteMemory>

/** Undefined when this machine has not met the remote, or its memory can't be read. */
export async function loadRemoteMemory(
  state: string,
  remote: string,
): Promise<RemoteMemory | undefined> {
  const text = await readTextIfPresent(remotePath(state, remote))
  if (text === undefined) return undefined
  try {
    return remoteMemory.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function storeRemoteMemory(
  state: string,
  remote: string,
  memory: RemoteMemory,
): Promise<void> {
  await writeFileAtomic(remotePath(state, remote), `${JSON.stringify(memory, null, 1)}\n`)
}

function remotePath(state: string, remote: string): string {
  return join(state, 'remotes', `${remote}.json`)
}

/** What a trial of the remote found last; shown by doctor. */
export async function storeProbe(state: string, remote: string, probe: ProbeReport): Promise<void> {
  await writeFileAtomic(probePath(state, remote), `${JSON.stringify(probe, null, 1)}\n`)
}

function probePath(state: string, remote: string): string {
  return join(state, 'remotes', `${remote}.probe.json`)
}

const madeSnapshot = z.strictObject({ uuid: uuidField, name: z.string() })

/** L11: uuids of the snapshots that this program made for a source. */
export async function loadMadeSnapshots(state: string, source: SourceName): Promise<Set<Uuid>> {
  const text = (await readTextIfPresent(snapshotsPath(state, source))) ?? ''
  const made = new Set<Uuid>()
  for (const line of text.split('\n')) {
    const entry = parseMadeSnapshot(line)
    if (entry !== undefined) made.add(entry)
  }
  return made
}

export async function recordMadeSnapshot(
  state: string,
  source: SourceName,
  snapshot: { readonly uuid: Uuid; readonly name: string },
): Promise<void> {
  const file = await LineFile.open(snapshotsPath(state, source))
  try {
    await file.append(JSON.stringify({ uuid: snapshot.uuid, name: snapshot.name }))
  } finally {
    await file.close()
  }
}

function parseMadeSnapshot(line: string): Uuid | undefined {
  try {
    return madeSnapshot.parse(JSON.parse(line)).uuid
  } catch {
    return undefined
  }
}

function snapshotsPath(state: string, source: SourceName): string {
  return join(state, 'sources', source, 'snapshots')
}
