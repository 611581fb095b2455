// The repository of a remote: the one that is there, or a new one where it is certain that none is
// written over.

import { Failure, isFailure } from '../../base/failure.ts'
import { createRepository, openRepository, type Repository } from '../../catalog/repository.ts'
import type { RemoteConfig } from '../../config/config.ts'
import type { RepositoryDocument } from '../../format/repository.ts'
import { asRepositoryId, type RepositoryId } from '../../model/ids.ts'
import type { Store } from '../../store/store.ts'
import { type Context, nowOf, randomHex } from '../shared/context.ts'

export interface Joined {
  readonly repository: Repository
  readonly made: boolean
  /** False when nobody could look whether it is there. */
  readonly seen: boolean
}

function newRepository(context: Context): RepositoryDocument {
  const id = asRepositoryId(randomHex(context, 16))
  if (id === undefined) throw new Error('16 random bytes are not 32 hexadecimal digits')
  return { id, createdAt: nowOf(context) }
}

/** For a machine that may look. Failure 'repository-missing' when what it knew is gone. */
export async function openOrCreate(
  context: Context,
  store: Store,
  expect: RepositoryId | undefined,
): Promise<Joined> {
  const { signal } = context
  // A repository that was here must not come back as an empty one: that is a disk that is not there.
  if (expect === undefined) {
    try {
      const repository = await createRepository(store, newRepository(context), { signal })
      return { repository, made: true, seen: true }
    } catch (error) {
      if (!isFailure(error, 'object-exists')) throw error
    }
  }
  const repository = await openRepository(store, { signal, expect })
  return { repository, made: false, seen: true }
}

export interface JoinOptions {
  readonly remote: RemoteConfig
  /** The id that a person gave, or that was found there before. */
  readonly known: RepositoryId | undefined
  /** The store has just shown that it creates only what is absent. */
  readonly createIfAbsent: boolean
}

/**
 * For a machine that only writes. Looks, where the credentials allow it after all; else believes `known`; else creates, if the store
 * itself refuses to write over what exists. Failure 'refused' when none of these is possible.
 */
export async function joinOrCreate(
  context: Context,
  store: Store,
  { remote, known, createIfAbsent }: JoinOptions,
): Promise<Joined> {
  const { signal } = context
  const seen = await look(store, { signal, expect: known })
  if (seen !== 'denied' && seen !== 'absent') return { repository: seen, made: false, seen: true }
  if (known !== undefined && seen === 'denied') {
    return { repository: { id: known, store }, made: false, seen: false }
  }
  // Whoever gave an id, or made backups before, did not mean an empty place.
  if (known !== undefined) {
    throw new Failure(
      'repository-missing',
      `cannot use ${store.address}: repository ${known} is not there, nor any other`,
      { hint: 'check the address of the remote' },
    )
  }
  if (seen === 'denied' && !createIfAbsent) {
    throw refusal({ store, remote }, 'the store would write over a repository that is there')
  }
  try {
    const repository = await createRepository(store, newRepository(context), { signal })
    return { repository, made: true, seen: true }
  } catch (error) {
    if (!isFailure(error, 'object-exists')) throw error
    const why = 'a repository is there already, and its id can not be read'
    throw refusal({ store, remote }, why, error)
  }
}

/** S3 tells those who may not list nothing of what is absent: it says "denied". */
async function look(
  store: Store,
  options: Parameters<typeof openRepository>[1],
): Promise<Repository | 'denied' | 'absent'> {
  try {
    return await openRepository(store, options)
  } catch (error) {
    if (isFailure(error, 'store-refused')) return 'denied'
    if (isFailure(error, 'repository-missing')) return 'absent'
    throw error
  }
}

function refusal(
  { store, remote: { name } }: { readonly store: Store; readonly remote: RemoteConfig },
  why: string,
  cause?: unknown,
): Failure {
  return new Failure('refused', `cannot make a repository at ${store.address}: ${why}`, {
    hint: `run init where the credentials may read, then here: btrvault init --remote ${name} --repository ID`,
    cause,
  })
}
