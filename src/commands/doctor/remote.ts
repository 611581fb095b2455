// What doctor asks of a remote: that it is the one we know, what it can do (by trying), and that what a
// restore will need is there. Only objects of the trial are written, and removed.

import { stat } from 'node:fs/promises'
import { equalBytes } from '../../base/bytes.ts'
import { Failure } from '../../base/failure.ts'
import { mountOf } from '../../btrfs/mounts.ts'
import {
  loadRemoteMemory,
  type RemoteMemory,
  storeProbe,
  storeRemoteMemory,
} from '../../catalog/local-state.ts'
import { getIfPresent } from '../../catalog/repository.ts'
import { withCredentials } from '../../config/access-key.ts'
import type { Config, RemoteConfig } from '../../config/config.ts'
import { restoreGuideKey } from '../../format/object-key.ts'
import { restoreGuide } from '../../format/restore-guide.ts'
import type { ProbeCheck, ProbeReport } from '../../model/probe.ts'
import { type DirectoryTarget, readDirectoryTarget } from '../../store/directory/target.ts'
import { probeStore } from '../../store/probe.ts'
import type { Store } from '../../store/store.ts'
import { type Context, nowOf } from '../shared/context.ts'
import { lookPatienceMs } from '../shared/remotes.ts'
import { accessFinding, limitedFinding } from './access.ts'
import { Area, bad, type Check, type Finding, ok, warn } from './checks.ts'
import { hiddenFinding, lockFinding } from './lock.ts'
import { checkLedgers, repositoryFinding } from './write-only.ts'

const yearMs = 365 * 86_400_000

export async function checkRemote(
  context: Context,
  config: Config,
  remote: RemoteConfig,
): Promise<readonly Check[]> {
  const area = new Area(`remote ${remote.name}`)
  const { address } = remote
  if (address.kind === 'directory') {
    const target = await area.obtain('target', () => targetOf(address.path))
    // Whatever else could be said follows from that.
    if (target === undefined) return area.checks
    area.add('target', ok(`${address.path}, target ${target.id}`))
    await area.check('place', () => placeFinding(config, address.path))
  } else if (address.endpoint?.startsWith('http://')) {
    area.add('connection', plainHttpFinding(address.endpoint))
  }
  const memory = await area.obtain('state', () => loadRemoteMemory(config.state, remote.name))
  const store = await area.obtain('store', () => openRemoteStore(context, remote))
  if (store === undefined) return area.checks
  try {
    await checkStore({ context, config, remote, area }, store, memory)
  } finally {
    await store.close()
  }
  return area.checks
}

interface RemoteLook {
  readonly context: Context
  readonly config: Config
  readonly remote: RemoteConfig
  readonly area: Area
}

async function checkStore(
  { context, config, remote, area }: RemoteLook,
  store: Store,
  memory: RemoteMemory | undefined,
): Promise<void> {
  const { signal, clock } = context
  const probe = await area.obtain('store', () =>
    probeStore(store, { clock, signal, locks: remote.lock !== undefined }),
  )
  if (probe === undefined) return
  const access = accessFinding(remote, probe)
  for (const check of probe.checks) {
    const isAccess = access !== undefined && check.name === 'delete beyond the trial'
    if (isAccess) area.add('access', access)
    else
      area.add(
        check.name,
        lockFinding(remote, check) ?? limitedFinding(remote, check) ?? probeFinding(check, probe),
      )
  }
  if (probe.left.length > 0) area.add('trial', leftFinding(probe, remote.access))
  await area.check('memory', () => rememberProbe(config, remote, { probe, memory }))
  await area.check('repository', () => repositoryFinding(store, { remote, memory, signal }))
  if (remote.lock) await area.check('locked backups', () => hiddenFinding(store, nowOf(context)))
  if (remote.access === 'write-only') await checkLedgers({ config, remote, area, memory })
  else await area.check('RESTORE.md', () => guideFinding(store, signal))
  area.add('proof', proofFinding(remote, memory, nowOf(context)))
}

async function openRemoteStore(context: Context, remote: RemoteConfig): Promise<Store> {
  const { signal, clock } = context
  const { store } = await context.openStore(await withCredentials(remote), {
    clock,
    signal,
    limits: remote.limit,
    retryDeadlineMs: Math.min(remote.retryDeadlineMs, lookPatienceMs),
    // Not what is remembered: what it can do is to be found out anew.
  })
  return store
}

/** The trial's word in doctor's. */
export function probeFinding({ name, outcome, words }: ProbeCheck, probe: ProbeReport): Finding {
  switch (outcome) {
    case 'ok':
      return ok(words)
    case 'broken':
      return bad(words, 'data would be at risk there: use another store, or see its documentation')
    case 'failed':
      return bad(words, `try again later: btrvault doctor; it was reached at ${probe.address}`)
    case 'not-permitted': {
      const isNeeded = name === 'put' || name === 'read' || name === 'list after write'
      const hint = 'fine when the credentials are meant to be so; restores need others then'
      return isNeeded ? bad(words, 'give the credentials that right') : warn(words, hint)
    }
    case 'missing':
      return warn(
        words,
        'never let two machines write into this repository at once: the store would not notice',
      )
  }
}

function leftFinding({ left }: ProbeReport, access: RemoteConfig['access']): Finding {
  const words = `${left.length} small objects of the trial could not be removed`
  return access === 'full' ? warn(words, `first: ${left[0]}`) : ok(words)
}

/** The trial is kept for later runs, which write with what the store can do. */
async function rememberProbe(
  { state }: Config,
  { name }: RemoteConfig,
  { probe, memory }: { probe: ProbeReport; memory: RemoteMemory | undefined },
): Promise<Finding> {
  await storeProbe(state, name, probe)
  const { createIfAbsent } = probe
  if (memory !== undefined && memory.createIfAbsent !== createIfAbsent) {
    await storeRemoteMemory(state, name, { ...memory, createIfAbsent })
    return warn('the store can do other things than it could before; that is remembered')
  }
  return ok('what was found is remembered')
}

async function targetOf(path: string): Promise<DirectoryTarget> {
  const target = await readDirectoryTarget(path)
  if (target !== undefined) return target
  throw new Failure('repository-missing', `${path} is no target: it has no target file`, {
    hint: 'mount the disk that belongs there; or run btrvault init when it is new',
  })
}

/** A backup beside its source is gone together with it. */
async function placeFinding(config: Config, path: string): Promise<Finding> {
  const { dev } = await stat(path)
  for (const source of config.sources) {
    const facts = await stat(source.path).catch(() => undefined)
    // A source that is not there has a bad check of its own.
    if (facts === undefined) continue
    // Each subvolume has a device number of its own: the mounts tell.
    if (facts.dev !== dev && !(await sharesDevice(source.path, path))) continue
    return warn(
      `it is on the same filesystem as source ${source.name}: what takes one takes both`,
      'add a remote elsewhere',
    )
  }
  return ok('on another filesystem than the sources')
}

async function sharesDevice(left: string, right: string): Promise<boolean> {
  const [a, b] = [await mountOf(left), await mountOf(right)]
  return a !== undefined && a.device === b?.device
}

function plainHttpFinding(endpoint: string): Finding {
  const isLocal = /^http:\/\/(localhost|127\.|\[::1\])/.test(endpoint)
  if (isLocal) return ok(`${endpoint}, on this machine`)
  return warn(
    `${endpoint} is not encrypted: names, times and sizes can be seen on the way`,
    'use https:// (the contents are encrypted all the same)',
  )
}

async function guideFinding(store: Store, signal: AbortSignal): Promise<Finding> {
  const present = await getIfPresent(store, restoreGuideKey, { signal })
  const hint = 'the next backup writes it; or run btrvault init'
  if (present === undefined) return warn('it is not there', hint)
  if (equalBytes(present, new TextEncoder().encode(restoreGuide()))) return ok('current')
  return warn('it is that of another version', hint)
}

export function proofFinding(
  { encrypt, name }: RemoteConfig,
  memory: RemoteMemory | undefined,
  now: Date,
): Finding {
  if (encrypt === 'none') return warn('nothing is encrypted there', 'write encrypt: age')
  const hint = `run: btrvault init --remote ${name} --identity FILE`
  const provenAt = memory?.provenAt ?? null
  if (provenAt === null) {
    return warn('nobody has shown yet that an identity can open what is stored there', hint)
  }
  const day = provenAt.toISOString().slice(0, 10)
  if (now.getTime() - provenAt.getTime() > yearMs) {
    return warn(`an identity last opened what is stored there on ${day}`, hint)
  }
  return ok(`an identity opened what is stored there on ${day}`)
}
