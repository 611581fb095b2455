// manifests/<series>/<seq>.tombstone.json: the backup is forgotten (docs/format.md §4).

import * as z from 'zod'
import { Failure } from '../base/failure.ts'
import type { Tombstone } from '../model/tombstone.ts'
import {
  countField,
  type DocumentKind,
  decodeDocument,
  encodeDocument,
  repositoryIdField,
  runField,
  seriesField,
  sha256Field,
  timeField,
} from './json-document.ts'
import { lastSeq } from './object-key.ts'

/** Its own, so that a key may be allowed to write backups and not to forget any. */
export const tombstoneNamespace = 'tombstone@btrvault'

const kind: DocumentKind<Tombstone> = {
  format: 'btrvault-tombstone',
  version: 1,
  noun: 'tombstone',
  schema: z
    .strictObject({
      format: z.string(),
      version: z.number(),
      program: z.string().max(64),
      repository: repositoryIdField,
      series: seriesField,
      seq: countField.min(1).max(lastSeq),
      run: runField,
      manifest: sha256Field,
      createdAt: timeField,
      notBefore: timeField,
    })
    .transform(({ format: _format, version: _version, ...tombstone }) => tombstone),
}

/** `label` names it in messages. Failure 'corrupt' when its own facts don't fit together. */
export function decodeTombstone(bytes: Uint8Array, label: string): Tombstone {
  const tombstone = decodeDocument(bytes, kind, label)
  if (tombstone.notBefore >= tombstone.createdAt) return tombstone
  throw new Failure(
    'corrupt',
    `cannot read tombstone ${label}: its objects might go before it was made`,
  )
}

export function encodeTombstone(tombstone: Tombstone): Uint8Array<ArrayBuffer> {
  const { repository, series, seq, run, manifest, createdAt, notBefore } = tombstone
  return encodeDocument({
    format: kind.format,
    version: kind.version,
    program: tombstone.program,
    repository,
    series,
    seq,
    run,
    manifest,
    createdAt,
    notBefore,
  })
}
