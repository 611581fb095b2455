// manifests/<series>/<seq>.json: makes a backup exist (docs/format.md §4). Public facts only.

import * as z from 'zod'
import { Failure } from '../base/failure.ts'
import type { Manifest } from '../model/backup.ts'
import {
  countField,
  type DocumentKind,
  decodeDocument,
  encodeDocument,
  epochField,
  repositoryIdField,
  runField,
  seriesField,
  sha256Field,
  timeField,
  uuidField,
} from './json-document.ts'
import { lastSeq } from './object-key.ts'

/** The namespace of manifest signatures, so that one can never pass for anything else. */
export const manifestNamespace = 'manifest@btrvault'
/** The principal that allowed_signers files name for keys that may sign manifests. */
export const signerPrincipal = 'btrvault'

const storedObject = z.strictObject({ sha256: sha256Field, bytes: countField })

const kind: DocumentKind<Manifest> = {
  format: 'btrvault-manifest',
  version: 1,
  noun: 'manifest',
  schema: z
    .strictObject({
      format: z.string(),
      version: z.number(),
      program: z.string().max(64),
      repository: repositoryIdField,
      series: seriesField,
      seq: countField.min(1).max(lastSeq),
      run: runField,
      epoch: epochField.optional(),
      createdAt: timeField,
      snapshot: z.strictObject({
        uuid: uuidField,
        sourceUuid: uuidField.nullable(),
        generation: countField,
        createdAt: timeField,
      }),
      stream: z.strictObject({
        uuid: uuidField,
        ctransid: countField,
        version: z.number().int().min(1).max(2),
        bytes: countField,
      }),
      parent: z
        .strictObject({ seq: countField.min(1), snapshot: uuidField, manifest: sha256Field })
        .nullable(),
      previous: sha256Field.nullable(),
      parameters: z.strictObject({
        segmentSize: countField.min(1),
        frameSize: countField.min(1),
        compress: z.enum(['zstd', 'none']),
        encrypt: z.enum(['age', 'none']),
      }),
      segments: z.array(storedObject).min(1),
      indexes: z.array(storedObject).min(1),
    })
    .transform(({ format: _format, version: _version, ...manifest }) => manifest),
}

/** `label` names it in messages. Failure 'corrupt' when its own facts don't fit together. */
export function decodeManifest(bytes: Uint8Array, label: string): Manifest {
  const manifest = decodeDocument(bytes, kind, label)
  const { segmentSize, frameSize } = manifest.parameters
  const problem =
    manifest.parent !== null && manifest.parent.seq >= manifest.seq
      ? // L3: so no chain of parents goes round in a circle.
        'its parent is not older than itself'
      : segmentSize % frameSize !== 0
        ? 'its segment size is not a multiple of its frame size'
        : manifest.segments.length !== Math.ceil(manifest.stream.bytes / segmentSize)
          ? 'its segments are not as many as its stream needs'
          : undefined
  if (problem) throw new Failure('corrupt', `cannot read manifest ${label}: ${problem}`)
  return manifest
}

export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const { repository, series, seq, run, createdAt, snapshot, stream, parent } = manifest
  return encodeDocument({
    format: kind.format,
    version: kind.version,
    program: manifest.program,
    repository,
    series,
    seq,
    run,
    ...(manifest.epoch !== undefined && { epoch: manifest.epoch }),
    createdAt,
    snapshot,
    stream,
    parent,
    previous: manifest.previous,
    parameters: manifest.parameters,
    segments: manifest.segments.map(({ sha256, bytes }) => ({ sha256, bytes })),
    indexes: manifest.indexes.map(({ sha256, bytes }) => ({ sha256, bytes })),
  })
}
