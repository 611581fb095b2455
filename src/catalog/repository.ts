// One repository in one store: made once, opened by every command.

import { createHash } from 'node:crypto'
import { encodeUtf8, equalBytes } from '../base/bytes.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { repositoryKey, restoreGuideKey } from '../format/object-key.ts'
import {
  decodeRepository,
  encodeRepository,
  type RepositoryDocument,
} from '../format/repository.ts'
import type { RepositoryId, SeriesId } from '../model/ids.ts'
import type { NewObject } from '../model/object.ts'
import type { CallOptions, Store } from '../store/store.ts'

export interface Repository {
  readonly id: RepositoryId
  readonly store: Store
}

/** L5: Failure 'object-exists' when the prefix holds a repository already. */
export async function createRepository(
  store: Store,
  document: RepositoryDocument,
  options: CallOptions = {},
): Promise<Repository> {
  await store.put(repositoryKey, hashed(encodeRepository(document)), options)
  return { id: document.id, store }
}

interface OpeningOptions extends CallOptions {
  /** Which one was there before. */
  readonly expect?: RepositoryId | undefined
}

/**
 * Failure 'repository-missing' when there is none, 'refused' when it is not the one expected: a
 * remote that was swapped is no place to write to, to read from or to delete in.
 */
export async function openRepository(
  store: Store,
  options: OpeningOptions = {},
): Promise<Repository> {
  const document = await readRepository(store, options)
  if (options.expect !== undefined && document.id !== options.expect) {
    throw new Failure(
      'refused',
      `cannot use ${store.address}: it holds repository ${document.id}, expected was ${options.expect}`,
      { hint: 'another repository lies there: check the address, or run init if that is right' },
    )
  }
  return { id: document.id, store }
}

const longestDocumentBytes = 64 * 1024

function whyMissing(expect: RepositoryId | undefined): { why: string; hint: string } {
  if (expect === undefined) {
    return {
      why: 'no repository is there',
      hint: 'run btrvault init to make one, or check the address',
    }
  }
  return {
    why: `repository ${expect} was there before and is gone`,
    hint: 'check the address; if somebody deleted it, docs/recovery.md says what is left',
  }
}

async function readRepository(store: Store, options: OpeningOptions): Promise<RepositoryDocument> {
  try {
    const { signal } = options
    const bytes = await store.get(repositoryKey, { signal, maxBytes: longestDocumentBytes })
    return decodeRepository(bytes, `${store.address}/${repositoryKey}`)
  } catch (cause) {
    if (!isFailure(cause, 'object-missing')) throw cause
    const { why, hint } = whyMissing(options.expect)
    throw new Failure('repository-missing', `cannot use ${store.address}: ${why}`, { hint, cause })
  }
}

/** Writes RESTORE.md when it is not there or is another version's: the one object that changes (L5). */
export async function keepGuideCurrent(
  store: Store,
  text: string,
  options: CallOptions = {},
): Promise<boolean> {
  const wanted = encodeUtf8(text)
  const present = await getIfPresent(store, restoreGuideKey, options).catch((error: unknown) => {
    // S3 tells who may list only a part of the bucket nothing of what is absent: it says "denied".
    if (isFailure(error, 'store-refused')) return undefined
    throw error
  })
  if (present !== undefined && equalBytes(present, wanted)) return false
  await putGuide(store, text, options)
  return true
}

export async function putGuide(
  store: Store,
  text: string,
  options: CallOptions = {},
): Promise<void> {
  await store.put(restoreGuideKey, hashed(encodeUtf8(text)), { ...options, replace: true })
}

export async function getIfPresent(
  store: Store,
  key: string,
  options: CallOptions = {},
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await store.get(key, options)
  } catch (error) {
    if (isFailure(error, 'object-missing')) return undefined
    throw error
  }
}

/** A small object, hashed here; large ones are hashed by the threads that make them. */
export function hashed(bytes: Uint8Array<ArrayBuffer>): NewObject {
  return { bytes, sha256: new Uint8Array(createHash('sha256').update(bytes).digest()) }
}

interface SignedPlace {
  readonly repository: RepositoryId
  readonly series: SeriesId
  readonly seq: number
}

/** L6: what is signed counts only where it says that it belongs. Failure 'untrusted'. */
export function checkPlace(says: SignedPlace, found: SignedPlace, what: string): void {
  const misplaced =
    says.repository !== found.repository
      ? 'it belongs to another repository'
      : says.series !== found.series || says.seq !== found.seq
        ? 'it belongs under another name'
        : undefined
  if (misplaced) throw new Failure('untrusted', `cannot trust ${what}: ${misplaced}`)
}
