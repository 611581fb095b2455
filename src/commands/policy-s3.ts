// What a machine of a role must be allowed in a bucket, and nothing besides: as a policy to give to
// its user. Reads and writes nothing.

import { Failure } from '../base/failure.ts'
import { type Config, findRemote } from '../config/config.ts'
import { manifestPrefix, repositoryKey, restoreGuideKey } from '../format/object-key.ts'
import {
  type AccessPolicy,
  accessPolicy,
  type BucketPlace,
  type Grant,
} from '../store/s3/access-policy.ts'

export type Role = 'writer' | 'reader' | 'pruner'

export interface PolicyOptions {
  readonly role: Role
  /** Writers: neither reading nor listing. */
  readonly writeOnly: boolean
  /** Writers: objects that are never replaced can be created, and not written over. */
  readonly createOnly: boolean
  /** The bucket was made with object lock, and backups are locked there. */
  readonly locks?: boolean
}

const segmentNames = 'segments/*'
const backupNames = [`${manifestPrefix}*`, 'indexes/*', segmentNames]
const trialNames = 'probe/*'

export function policyS3(place: BucketPlace, options: PolicyOptions): AccessPolicy {
  const { role, writeOnly, createOnly } = options
  if (role !== 'writer' && (writeOnly || createOnly)) {
    throw new Failure('usage', `cannot make a policy: a ${role} does not write backups`, {
      hint: 'give --write-only and --create-only with --role writer',
    })
  }
  return accessPolicy(place, [...grantsOf(options), ...lockGrants(options)], {
    lists: !writeOnly,
    locks: options.locks ?? false,
  })
}

/** Without s3:BypassGovernanceRetention nobody lifts a lock or makes it shorter. */
function lockGrants({ role, writeOnly, locks = false }: PolicyOptions): Grant[] {
  if (!locks) return []
  const ask: Grant = { sid: 'AskLocks', actions: ['s3:GetObjectRetention'], names: ['*'] }
  const remove = (names: readonly string[]): Grant => {
    return { sid: 'RemoveVersions', actions: ['s3:DeleteObjectVersion'], names }
  }
  switch (role) {
    case 'writer': {
      const names = [repositoryKey, ...backupNames, trialNames]
      const lock: Grant = { sid: 'Lock', actions: ['s3:PutObjectRetention'], names }
      return writeOnly ? [lock] : [lock, ask, remove([trialNames])]
    }
    case 'reader':
      // What somebody deleted can be read by its version.
      return [ask, { sid: 'ReadVersions', actions: ['s3:GetObjectVersion'], names: ['*'] }]
    case 'pruner':
      return [ask, remove([...backupNames, trialNames])]
  }
}

function grantsOf({ role, writeOnly, createOnly }: PolicyOptions): Grant[] {
  const read: Grant = { sid: 'Read', actions: ['s3:GetObject'], names: ['*'] }
  switch (role) {
    case 'writer': {
      const write = writeGrants(createOnly)
      return writeOnly ? write : [...write, read, removeGrant('RemoveProbes', [trialNames])]
    }
    case 'reader':
      return [read, { sid: 'Thaw', actions: ['s3:RestoreObject'], names: [segmentNames] }]
    case 'pruner':
      return [read, removeGrant('Remove', [...backupNames, trialNames]), forgetGrant()]
  }
}

function writeGrants(createOnly: boolean): Grant[] {
  const created = [repositoryKey, ...backupNames]
  // L5: nothing else is ever replaced.
  const replaced = [restoreGuideKey, trialNames]
  const actions = ['s3:PutObject']
  if (!createOnly) return [{ sid: 'Write', actions, names: [...created, ...replaced] }]
  return [
    { sid: 'Create', actions, names: created, createOnly },
    { sid: 'Replace', actions, names: replaced },
  ]
}

function removeGrant(sid: string, names: readonly string[]): Grant {
  return { sid, actions: ['s3:DeleteObject'], names }
}

/** Tombstones hide a backup before its objects go; a pruner makes no backups. */
function forgetGrant(): Grant {
  const names = [`${manifestPrefix}*.tombstone.json`, `${manifestPrefix}*.tombstone.json.sig`]
  return { sid: 'Forget', actions: ['s3:PutObject'], names }
}

/** Where the configuration's remote lies; with one bucket in it, no name is needed. */
export function placeOfRemote(config: Config, name: string | undefined): BucketPlace {
  const { address } = name === undefined ? onlyBucket(config) : namedRemote(config, name)
  if (address.kind === 's3') return { bucket: address.bucket, prefix: address.prefix }
  throw new Failure('usage', `cannot make a policy for remote ${name}: it is not a bucket`, {
    hint: 'policies are for buckets: name another remote, or give --bucket',
  })
}

function namedRemote(config: Config, name: string) {
  const remote = findRemote(config, name)
  if (remote !== undefined) return remote
  throw new Failure('usage', `cannot use remote ${name}: no remote has that name`, {
    hint: `the configuration has: ${config.remotes.map(one => one.name).join(', ')}`,
  })
}

function onlyBucket(config: Config) {
  const buckets = config.remotes.filter(({ address }) => address.kind === 's3')
  const [only] = buckets
  if (only !== undefined && buckets.length === 1) return only
  const why = only === undefined ? 'no remote is a bucket' : 'there are several buckets'
  const names = buckets.map(({ name }) => name).join(', ')
  throw new Failure('usage', `cannot choose a remote: ${why}`, {
    hint: only === undefined ? 'give --bucket NAME' : `name one of: ${names}`,
  })
}
