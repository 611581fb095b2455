// The keys of a bucket under a prefix, page after page.

import type { ListObjectsV2CommandInput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { Failure } from '../../base/failure.ts'
import { compareKeys } from '../keys.ts'
import type { ListedObject } from '../store.ts'

export interface BucketListing {
  readonly bucket: string
  /** The remote's own prefix; empty or with a `/` at its end. Listed keys come without it. */
  readonly folder: string
  readonly prefix: string
  readonly after: string | undefined
  readonly page: (input: ListObjectsV2CommandInput) => Promise<ListObjectsV2CommandOutput>
}

/** Ends normally only after a page that says it is the last (L9). */
export async function* listBucket(listing: BucketListing): AsyncGenerator<ListedObject, void> {
  const { bucket, folder, prefix, after, page } = listing
  let token: string | undefined
  let last = after ?? ''
  do {
    const output = await page({
      Bucket: bucket,
      Prefix: folder + prefix,
      // Without it one foreign key with a control character breaks the XML of the whole page.
      EncodingType: 'url',
      ...(token === undefined ? startAfter(folder, after) : { ContinuationToken: token }),
    })
    for (const object of objectsOf(output, listing)) {
      if (object.key === '') continue
      if (last !== '' && compareKeys(object.key, last) <= 0) throw disorder(listing, object.key)
      last = object.key
      yield object
    }
    token = nextToken(output, listing, token)
  } while (token !== undefined)
}

function startAfter(folder: string, after: string | undefined) {
  return after === undefined || after === '' ? {} : { StartAfter: folder + after }
}

function objectsOf(output: ListObjectsV2CommandOutput, listing: BucketListing): ListedObject[] {
  return (output.Contents ?? []).map(({ Key, Size, LastModified }) => {
    const name = Key === undefined ? undefined : decodeKey(Key, output.EncodingType)
    if (name === undefined || Size === undefined || !name.startsWith(listing.folder)) {
      throw unclear(listing, 'an entry without a name or size, or of another place')
    }
    const key = name.slice(listing.folder.length)
    return { key, bytes: Size, ...(LastModified && { modifiedAt: LastModified }) }
  })
}

// Some servers write a space as `+`, others as `%20`; a plus sign is `%2B` with both.
export function decodeKey(key: string, encoding: string | undefined): string {
  if (encoding !== 'url') return key
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return key
  }
}

// An error page that is read as a listing has no entries and no end: it must not be taken for an
// empty bucket.
function nextToken(
  output: ListObjectsV2CommandOutput,
  listing: BucketListing,
  token: string | undefined,
): string | undefined {
  if (output.IsTruncated === undefined) throw unclear(listing, 'no word on whether it is complete')
  if (!output.IsTruncated) return undefined
  const next = output.NextContinuationToken
  if (next === undefined || next === token) throw unclear(listing, 'no way to the next page')
  return next
}

function unclear({ bucket, prefix }: BucketListing, lacking: string): Failure {
  return new Failure(
    'store-unavailable',
    `cannot list ${prefix} in ${bucket}: the answer has ${lacking}`,
  )
}

function disorder({ bucket, prefix }: BucketListing, key: string): Failure {
  const message = `cannot list ${prefix} in ${bucket}: ${JSON.stringify(key)} came out of order`
  return new Failure('corrupt', message, {
    hint: 'this server cannot be used: completeness of its listings cannot be told',
  })
}
