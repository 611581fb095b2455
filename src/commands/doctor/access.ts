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
  return remote.access === 'full' ? ofFull(remote, mayDelete) : ofNoDelete(remote, mayDelete)
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

function ofNoDelete({ name, address }: Wanted, mayDelete: boolean): Finding {
  if (!mayDelete) return ok('it refuses to delete backups, as access: no-delete wants')
  if (address.kind === 'directory') {
    return warn(
      'root on this machine can delete backups there: a directory refuses nothing',
      'keep snapshots of it that this machine can not reach, or use a bucket',
    )
  }
  return bad(
    'these credentials can delete backups, though access is no-delete',
    `give the credentials no more than: btrvault policy s3 --role writer ${name}`,
  )
}

/** Rights that a machine without `access: full` had better not have, or need not have. */
export function limitedFinding(remote: Wanted, check: ProbeCheck): Finding | undefined {
  if (remote.access === 'full') return undefined
  if (check.name === 'delete' && check.outcome === 'not-permitted') return ok(check.words)
  if (check.name !== 'overwrite' || check.outcome !== 'ok') return undefined
  if (remote.address.kind === 'directory') return undefined
  return warn(
    'who may put objects may write over them, backups too',
    'switch on versions or object lock for the bucket: they keep what was there',
  )
}
