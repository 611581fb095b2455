// What credentials may do in a bucket, in the language of AWS IAM: what they are not given here,
// they can't do.

/** Something that may be done to objects under some names; `*` in a name stands for anything. */
export interface Grant {
  readonly sid: string
  readonly actions: readonly string[]
  /** Below the repository's prefix. */
  readonly names: readonly string[]
  /** Only with `If-None-Match`, so that nothing is ever written over. */
  readonly createOnly?: boolean
}

export interface AccessPolicy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly AccessStatement[]
}

export interface AccessStatement {
  readonly Sid: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface BucketPlace {
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
}

/** `lists`: may learn the names of all objects under the prefix; `locks`: of their versions too. */
export function accessPolicy(
  place: BucketPlace,
  grants: readonly Grant[],
  { lists, locks = false }: { readonly lists: boolean; readonly locks?: boolean },
): AccessPolicy {
  const statements = grants.map(grant => objectStatement(place, grant))
  return {
    Version: '2012-10-17',
    Statement: [
      ...statements,
      ...(lists ? [listStatement(place, 'List', 's3:ListBucket')] : []),
      ...(lists && locks ? [listStatement(place, 'ListVersions', 's3:ListBucketVersions')] : []),
      ...(locks ? [lockStatement(place), noLiftStatement(place)] : []),
    ],
  }
}

function objectStatement({ bucket, prefix }: BucketPlace, grant: Grant): AccessStatement {
  const folder = prefix === '' ? '' : `${literal(prefix)}/`
  return {
    Sid: grant.sid,
    Effect: 'Allow',
    Action: grant.actions,
    Resource: grant.names.map(name => `${bucketArn(bucket)}/${folder}${name}`),
    ...(grant.createOnly && { Condition: { Null: { 's3:if-none-match': 'false' } } }),
  }
}

function lockStatement({ bucket }: BucketPlace): AccessStatement {
  const Action = ['s3:GetBucketObjectLockConfiguration']
  return { Sid: 'AskLock', Effect: 'Allow', Action, Resource: [bucketArn(bucket)] }
}

/** Not to allow it is not enough everywhere: radosgw lets everybody lift locks who is not denied it. */
function noLiftStatement({ bucket }: BucketPlace): AccessStatement {
  const Action = ['s3:BypassGovernanceRetention']
  return { Sid: 'LiftNoLock', Effect: 'Deny', Action, Resource: [`${bucketArn(bucket)}/*`] }
}

function listStatement(
  { bucket, prefix }: BucketPlace,
  sid: string,
  action: string,
): AccessStatement {
  return {
    Sid: sid,
    Effect: 'Allow',
    Action: [action],
    Resource: [bucketArn(bucket)],
    ...(prefix !== '' && { Condition: { StringLike: { 's3:prefix': `${literal(prefix)}/*` } } }),
  }
}

function bucketArn(bucket: string): string {
  return `arn:aws:s3:::${bucket}`
}

/** A prefix with a star of its own would give rights over other people's prefixes. */
function literal(prefix: string): string {
  return prefix.replace(/[*?$]/g, character => `\${${character}}`)
}
