// repository.json: says that a prefix is a repository, of which version, and which one.

import * as z from 'zod'
import type { RepositoryId } from '../model/ids.ts'
import {
  type DocumentKind,
  decodeDocument,
  encodeDocument,
  repositoryIdField,
  timeField,
} from './json-document.ts'

export interface RepositoryDocument {
  readonly id: RepositoryId
  readonly createdAt: Date
}

const kind: DocumentKind<RepositoryDocument> = {
  format: 'btrvault-repository',
  version: 1,
  noun: 'repository',
  schema: z
    .strictObject({
      format: z.string(),
      version: z.number(),
      id: repositoryIdField,
      createdAt: timeField,
    })
    .transform(({ id, createdAt }) => ({ id, createdAt })),
}

export function decodeRepository(bytes: Uint8Array, label: string): RepositoryDocument {
  return decodeDocument(bytes, kind, label)
}

export function encodeRepository(repository: RepositoryDocument): Uint8Array<ArrayBuffer> {
  return encodeDocument({
    format: kind.format,
    version: kind.version,
    id: repository.id,
    createdAt: repository.createdAt,
  })
}
