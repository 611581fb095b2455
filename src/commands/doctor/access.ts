// What doctor makes of the rights that the trial found: a machine that may delete what it need not
// lends that right to whoever takes it over.

import type { RemoteConfig } from '../../config/config.ts'
import type { ProbeCheck, ProbeReport } from '../../model/probe.ts'
import { bad, type Finding, ok, warn } from './checks.ts'

type Wanted = Pick<RemoteConfig, 'name' | 'access' | 'address'>

/** Undefined where the trial says nothing of it. */
export function accessFinding(remote: Wanted, { checks }: ProbeReport): Finding | undefined {
  const check = checks.find(({ name }) => name === 'delete beyond the trial')
  if (check?.outcome !== 'ok' && check?.outcome !== 'not-permitted') return undefined
  const mayDelete = check.outcome === 'ok'
  return remote.access === 'full' ? ofFull(remote, mayDelete) : ofLimited(remote, mayDelete)
}

function ofFull({ name, address }: Wanted, mayDelete: boolean): Finding {
  if (!mayDelete) {
    const needed =
      address.kind === 's3'
        ? `, or give the rights of: btrvault policy s3 --role pruner ${name}`
        : ''
    return warn('backups can not be deleted there', `write access: no-delete${needed}`)
  }
  return ok('backups can be deleted there, by whoever gets these credentials too')
}

function ofLimited({ name, access, address }: Wanted, mayDelete: boolean): Finding {
  if (!mayDelete) return ok(`it refuses to delete backups, as access: ${access} wants`)
  if (address.kind === 'directory') {
    return warn(
      'root on this machine can delete backups there: a directory refuses nothing',
      'keep snapshots of it that this machine can not reach, or use a bucket',
    )
  }
  return bad(
    `these credentials can delete backups, though access is ${access}`,
    `give the credentials no more than: ${policyFor({ name, access })}`,
  )
}

function policyFor({ name, access }: Pick<Wanted, 'name' | 'access'>): string {
  const flag = access === 'write-only' ? ' --write-only' : ''
  return `btrvault policy s3 --role writer${flag} ${name}`
}

/** Rights to look, which a machine that only writes had better not have. */
function lookingFinding(remote: Wanted, { name, outcome, words }: ProbeCheck): Finding | undefined {
  const isLooking = name === 'read' || name === 'ranges' || name === 'list after write'
  if (remote.access !== 'write-only' || !isLooking) return undefined
  if (outcome === 'not-permitted') return ok(`it refuses that, as access: write-only wants`)
  if (outcome !== 'ok') return undefined
  // Some servers let everybody read what they put themselves: a trial's objects prove no more.
  if (name !== 'list after write') return ok(`${words}, of what this machine put itself`)
  return bad(
    'these credentials can list what is there, though access is write-only: who knows names can write over them',
    `give the credentials no more than: ${policyFor(remote)}`,
  )
}

/** What doctor says of a repository.json that could be read. */
export function readFinding(remote: Wanted, words: string): Finding {
  if (remote.access !== 'write-only') return ok(words)
  return warn(
    `${words}; these credentials can read it, though access is write-only`,
    `give the credentials no more than: ${policyFor(remote)} (some servers let everybody read what they put themselves)`,
  )
}

/** Rights that a machine without `access: full` had better not have, or need not have. */
export function limitedFinding(remote: Wanted, check: ProbeCheck): Finding | undefined {
  if (remote.access === 'full') return undefined
  const looking = lookingFinding(remote, check)
  if (looking !== undefined) return looking
  if (check.name === 'delete' && check.outcome === 'not-permitted') return ok(check.words)
  if (check.name !== 'overwrite' || check.outcome !== 'ok') return undefined
  if (remote.address.kind === 'directory') return undefined
  return warn(
    'who may put objects may write over them, backups too',
    'switch on versions or object lock for the bucket: they keep what was there',
  )
}
