// What an unfinished run has stored already, so that the next one need not send it again. Lines
// of a CRC-32 and JSON, each on the disk before the run goes on. May be deleted at any time (L8):
// the next run then begins anew. It holds file keys, so it is readable by its owner alone.

import { rm, stat } from 'node:fs/promises'
import * as z from 'zod'
import { LineFile, readTextIfPresent, writeFailure } from '../base/atomic-file.ts'
import { systemCodeOf } from '../base/failure.ts'
import { segmentFields } from '../format/index-record.ts'
import {
  countField,
  epochField,
  repositoryIdField,
  runField,
  seriesField,
  sha256Field,
  uuidField,
} from '../format/json-document.ts'
import { checkedLine, parseCheckedLine } from './checked-line.ts'

const runRecord = z.strictObject({
  kind: z.literal('run'),
  version: z.literal(1),
  repository: repositoryIdField,
  series: seriesField,
  seq: countField,
  run: runField,
  epoch: epochField.optional(),
  /** Of its segments, where the epoch's rules name one. */
  storageClass: z.string().optional(),
  snapshot: uuidField,
  parent: z
    .strictObject({ seq: countField, manifest: sha256Field, snapshot: uuidField })
    .nullable(),
  protocol: z.union([z.literal(1), z.literal(2)]),
  /** SHA-256 over everything else that decides how stored objects look. */
  settings: sha256Field,
})

const segmentRecord = z.strictObject({
  kind: z.literal('segment'),
  ...segmentFields,
  /** SHA-256 of the stream from its start to this segment's end. */
  prefix: sha256Field,
})

/** Signed and about to be put: the next run puts the very same bytes. */
const commitRecord = z.strictObject({
  kind: z.literal('commit'),
  manifest: z.string(),
  signature: z.string(),
})

const record = z.discriminatedUnion('kind', [runRecord, segmentRecord, commitRecord])

export type RunRecord = z.infer<typeof runRecord>
export type SegmentRecord = z.infer<typeof segmentRecord>
export type CommitRecord = z.infer<typeof commitRecord>

export interface UnfinishedRun {
  readonly run: RunRecord
  /** By n. */
  readonly segments: ReadonlyMap<number, SegmentRecord>
  readonly commit: CommitRecord | undefined
}

/** Undefined when there is none, or none that can be used: then there is nothing to resume. */
export async function loadJournal(path: string): Promise<UnfinishedRun | undefined> {
  const text = await readTextIfPresent(path)
  if (text === undefined) return undefined
  const segments = new Map<number, SegmentRecord>()
  let run: RunRecord | undefined
  let commit: CommitRecord | undefined
  for (const line of text.split('\n')) {
    // A file key with one bit wrong would be committed as it is: the stream is not read again.
    const entry = parseCheckedLine(line, record)
    // A torn last line is what a power cut leaves; whatever follows damage is not believed.
    if (entry === undefined) break
    if (entry.kind === 'run') run = entry
    else if (entry.kind === 'segment') segments.set(entry.n, entry)
    else commit = entry
  }
  return run && { run, segments, commit }
}

/** When something was stored last, in milliseconds since 1970; undefined when there is no journal. */
export async function journalTouchedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export class Journal {
  readonly #file: LineFile
  readonly #path: string

  /** Begins a new one, or goes on with what loadJournal() found. */
  static async open(path: string, run: RunRecord, resumed: boolean): Promise<Journal> {
    if (!resumed) await removeFile(path)
    const journal = new Journal(await LineFile.open(path), path)
    try {
      if (!resumed) await journal.#append(run)
      return journal
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  private constructor(file: LineFile, path: string) {
    this.#file = file
    this.#path = path
  }

  async addSegment(segment: Omit<SegmentRecord, 'kind'>): Promise<void> {
    await this.#append({ kind: 'segment', ...segment })
  }

  async addCommit(commit: Omit<CommitRecord, 'kind'>): Promise<void> {
    await this.#append({ kind: 'commit', ...commit })
  }

  /** There is nothing left to resume. */
  async remove(): Promise<void> {
    await this.close()
    await removeFile(this.#path)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #append(entry: z.infer<typeof record>): Promise<void> {
    await this.#file.append(checkedLine(entry))
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw writeFailure(path, error)
  }
}
