// What doctor makes of object lock: whether it holds, who could lift it, and whether somebody hid
// what is locked.

import { isFailure } from '../../base/failure.ts'
import { plural } from '../../base/units.ts'
import type { RemoteConfig } from '../../config/config.ts'
import { parseManifestKey } from '../../format/object-key.ts'
import type { ProbeCheck } from '../../model/probe.ts'
import type { ObjectLock, ObjectVersion, Store, VersionPlace } from '../../store/store.ts'
import { bad, type Finding, ok, warn } from './checks.ts'

/** Undefined where the check has nothing to do with locks. */
export function lockFinding(
  { name, lock }: Pick<RemoteConfig, 'name' | 'lock'>,
  { name: check, outcome, words }: ProbeCheck,
): Finding | undefined {
  if (check === 'object lock') {
    if (outcome === 'ok') return ok(words)
    const policy = `btrvault policy s3 --role writer ${name}`
    if (outcome === 'not-permitted')
      return warn(words, `give the credentials the rights of: ${policy}`)
    const hint =
      outcome === 'missing'
        ? `make the bucket anew with object lock, or take remotes.${name}.lock out of the configuration`
        : 'nothing is protected by a lock there: use another store'
    return bad(words, hint)
  }
  if (check !== 'lift object lock') return undefined
  if (outcome === 'ok' || lock?.mode === 'compliance') return ok(words)
  const hint = `whoever takes them over can too: give the credentials no more than btrvault policy s3 --role writer ${name}`
  return warn(words, hint)
}

/** Locked manifests that a delete marker hides: prune does not do that, so somebody else did. */
export async function hiddenFinding({ lock }: Store, now: Date): Promise<Finding> {
  if (lock === undefined || (await lock.whyNot()) !== undefined) return ok('there are none')
  const hidden = hiddenManifests(await lock.versions('manifests/'))
  let count = 0
  for (const { key, version } of hidden.slice(0, mostAsked)) {
    if (await mayBeLocked(lock, { key, version }, now)) count += 1
  }
  if (count === 0) return ok('none of them was deleted')
  const many = hidden.length > mostAsked ? 'at least ' : ''
  return bad(
    `${many}${plural(count, 'backup')} there, still locked, ${count === 1 ? 'was' : 'were'} deleted by somebody: nothing lists or restores what is behind a delete marker`,
    'all of it is still there: docs/object-lock.md says how to get it back',
  )
}

const mostAsked = 100

/** Where the credentials may not ask, it counts: better one alarm too many. */
async function mayBeLocked(lock: ObjectLock, place: VersionPlace, now: Date): Promise<boolean> {
  try {
    const retention = await lock.retention(place)
    return retention !== undefined && retention.until > now
  } catch (error) {
    if (isFailure(error, 'store-refused')) return true
    throw error
  }
}

function hiddenManifests(versions: readonly ObjectVersion[]): ObjectVersion[] {
  const marked = new Set(versions.filter(one => one.isMarker && one.isNewest).map(one => one.key))
  const found = new Map<string, ObjectVersion>()
  for (const one of versions) {
    const isHidden = marked.has(one.key) && !one.isMarker && !found.has(one.key)
    if (isHidden && parseManifestKey(one.key)?.part === 'manifest') found.set(one.key, one)
  }
  return [...found.values()]
}
