// Once for each machine and remote: the signing key, a repository on each remote after trying out
// what the remote can do, the proof that an identity opens what we seal, and the recovery kit.

import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readTextIfPresent, writeFileAtomic } from '../base/atomic-file.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { allowsNamespace, parseAllowedSigners } from '../catalog/allowed-signers.ts'
import { sha256Of } from '../catalog/catalog.ts'
import { loadRemoteMemory, storeProbe, storeRemoteMemory } from '../catalog/local-state.ts'
import { keepGuideCurrent, putGuide, type Repository } from '../catalog/repository.ts'
import { generateSigningKey, type SigningKey } from '../catalog/signing.ts'
import { withCredentials } from '../config/access-key.ts'
import type { Config, RemoteConfig } from '../config/config.ts'
import { manifestNamespace, signerPrincipal } from '../format/manifest.ts'
import { restoreGuide } from '../format/restore-guide.ts'
import { formatSshPublicKeyLine } from '../format/ssh-key.ts'
import { tombstoneNamespace } from '../format/tombstone.ts'
import { asRepositoryId, type RepositoryId } from '../model/ids.ts'
import type { ProbeReport } from '../model/probe.ts'
import { describeRemote, type RemoteAddress } from '../model/remote.ts'
import { initDirectoryTarget } from '../store/directory/target.ts'
import { probeStore } from '../store/probe.ts'
import { proveIdentity, proveWithoutStore } from './init/canary.ts'
import { joinOrCreate, openOrCreate } from './init/join.ts'
import { recoveryKit } from './init/recovery-kit.ts'
import { writeNewSecret } from './keygen.ts'
import { chooseRemotes } from './shared/choose-remotes.ts'
import { type Context, nowOf } from './shared/context.ts'
import { readIdentities, readSigningKey } from './shared/keys.ts'
import { combinedStatus, type FailureReport, reportFailure } from './shared/report.ts'

export interface InitOptions {
  readonly config: Config
  /** Names of remotes; empty: all. */
  readonly remotes: readonly string[]
  /** Proves that backups can be read; it is read and not kept. */
  readonly identity?: string | undefined
  /** Asked when the identity file has a passphrase. */
  readonly passphrase?: (() => Promise<string>) | undefined
  /** Id of the repository that must be there: for a machine that may not look. Needs one remote. */
  readonly repository?: string | undefined
  /** Where the recovery kit goes. */
  readonly kit: string
  readonly dryRun: boolean
}

export interface InitReport {
  readonly dryRun: boolean
  readonly signingKey: {
    readonly file: string
    readonly made: boolean
    readonly fingerprint: string | null
  }
  readonly allowedSigners: { readonly file: string; readonly added: boolean }
  readonly remotes: readonly RemoteInit[]
  /** Null when none was written. */
  readonly kit: string | null
  readonly exitStatus: number
}

export interface RemoteInit {
  readonly remote: string
  readonly address: string
  readonly repository: RepositoryId | null
  readonly made: boolean
  /** False where this machine may not look, and believes the id that it was given or knew. */
  readonly seen: boolean
  readonly probe: ProbeReport | null
  /** An identity opened what was sealed for our recipients. */
  readonly proven: boolean
  readonly failure: FailureReport | null
}

export async function init(context: Context, options: InitOptions): Promise<InitReport> {
  const { config, dryRun } = options
  const chosen = chooseRemotes(config, options.remotes)
  const known = givenRepository(options, chosen)
  const signing = await makeSigningKey(context, config, dryRun)
  const added = await allowSigner(config, signing.publicKeyLine, dryRun)
  const remotes: RemoteInit[] = []
  for (const remote of chosen) remotes.push(await initRemote(context, options, { remote, known }))
  const failures = remotes.flatMap(({ failure }) => failure ?? [])
  const kit = dryRun || signing.key === null ? null : options.kit
  if (kit !== null) await writeKit(context, { config, kit, remotes })
  return {
    dryRun,
    signingKey: {
      file: config.keys.signingKey,
      made: signing.made,
      fingerprint: signing.key?.fingerprint ?? null,
    },
    allowedSigners: { file: config.keys.allowedSigners, added },
    remotes,
    kit,
    exitStatus: combinedStatus(failures, remotes.length - failures.length),
  }
}

function givenRepository(
  { repository }: InitOptions,
  chosen: readonly RemoteConfig[],
): RepositoryId | undefined {
  if (repository === undefined) return undefined
  const id = asRepositoryId(repository)
  if (id !== undefined && chosen.length === 1) return id
  const why =
    id === undefined ? 'it is not 32 hexadecimal digits' : 'there is more than one remote to make'
  throw new Failure('usage', `cannot use repository ${repository}: ${why}`, {
    hint: 'give the id as the recovery kit has it, and --remote NAME',
  })
}

interface Place {
  readonly remote: RemoteConfig
  /** What the person says is there. */
  readonly known: RepositoryId | undefined
}

async function initRemote(
  context: Context,
  options: InitOptions,
  place: Place,
): Promise<RemoteInit> {
  const { remote } = place
  const address = describeRemote(remote.address)
  const nothing = {
    remote: remote.name,
    address,
    repository: null,
    made: false,
    seen: false,
    probe: null,
  }
  if (options.dryRun) return { ...nothing, proven: false, failure: null }
  try {
    if (remote.address.kind === 'directory') await initDirectoryTarget(remote.address.path)
    return await initOpened(context, options, place)
  } catch (error) {
    if (isFailure(error, 'interrupted')) throw error
    return { ...nothing, proven: false, failure: reportFailure(error) }
  }
}

async function initOpened(
  context: Context,
  options: InitOptions,
  { remote, known }: Place,
): Promise<RemoteInit> {
  const { signal, clock } = context
  const { state } = options.config
  const address = await withCredentials(remote)
  const probe = await tryOut(context, remote, address)
  await storeProbe(state, remote.name, probe)
  refuseBroken(probe, remote)
  // A server that ignores create-if-absent would let a new repository.json replace the old one.
  const { createIfAbsent } = probe
  const opening = { clock, signal, limits: remote.limit, features: { createIfAbsent } }
  const { store } = await context.openStore(address, opening)
  try {
    const earlier = await loadRemoteMemory(state, remote.name)
    const here = earlier?.address === store.address ? earlier.repository : undefined
    const isWriteOnly = remote.access === 'write-only'
    const { repository, made, seen } = isWriteOnly
      ? await joinOrCreate(context, store, { remote, known: known ?? here, createIfAbsent })
      : await openOrCreate(context, store, known ?? here)
    if (isWriteOnly) await putGuide(store, restoreGuide(), { signal })
    else await keepGuideCurrent(store, restoreGuide(), { signal })
    const proven = await prove(context, options, { repository, remote })
    await storeRemoteMemory(state, remote.name, {
      repository: repository.id,
      address: store.address,
      provenAt: proven ? nowOf(context) : (earlier?.provenAt ?? null),
      createIfAbsent,
      ...(isWriteOnly && { guide: sha256Of(Buffer.from(restoreGuide())) }),
    })
    return {
      remote: remote.name,
      address: store.address,
      repository: repository.id,
      made,
      seen,
      probe,
      proven,
      failure: null,
    }
  } finally {
    await store.close()
  }
}

async function tryOut(
  { openStore, clock, signal }: Context,
  { limit, lock, access }: RemoteConfig,
  address: RemoteAddress,
): Promise<ProbeReport> {
  const { store } = await openStore(address, { clock, signal, limits: limit })
  try {
    const locks = lock !== undefined
    return await probeStore(store, { clock, signal, locks, onlyPuts: access === 'write-only' })
  } finally {
    await store.close()
  }
}

async function prove(
  context: Context,
  options: InitOptions,
  { repository, remote }: { repository: Repository; remote: RemoteConfig },
): Promise<boolean> {
  if (options.identity === undefined || remote.encrypt === 'none') return remote.encrypt === 'none'
  const identities = await readIdentities(options.identity, options.passphrase)
  const keys = { identities, recipients: options.config.keys.recipients }
  if (remote.access === 'write-only') await proveWithoutStore(context, keys)
  else await proveIdentity(context, repository, keys)
  return true
}

function refuseBroken(probe: ProbeReport, { access }: RemoteConfig): void {
  const reading = access === 'write-only' ? [] : ['read', 'ranges', 'list after write']
  const needed = new Set(['put', ...reading])
  const bad = probe.checks.find(
    ({ name, outcome }) =>
      outcome === 'broken' ||
      (outcome !== 'ok' && needed.has(name)) ||
      (name === 'object lock' && outcome !== 'ok' && outcome !== 'not-permitted'),
  )
  if (bad === undefined) return
  const code = bad.outcome === 'not-permitted' ? 'store-refused' : 'refused'
  throw new Failure(code, `cannot use ${probe.address}: ${bad.name}: ${bad.words}`, {
    hint: 'run btrvault doctor to see everything that was tried',
  })
}

interface MadeKey {
  readonly key: SigningKey | null
  readonly made: boolean
  readonly publicKeyLine: string | null
}

async function makeSigningKey(context: Context, config: Config, dryRun: boolean): Promise<MadeKey> {
  const file = config.keys.signingKey
  const exists = (await readTextIfPresent(file)) !== undefined
  if (!exists && dryRun) return { key: null, made: true, publicKeyLine: null }
  if (!exists) {
    const { privateKeyText, publicKeyLine } = generateSigningKey(`btrvault@${context.hostname}`)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeNewSecret(file, privateKeyText)
    await writeFileAtomic(`${file}.pub`, `${publicKeyLine}\n`, 0o644)
  }
  const key = await readSigningKey(file)
  return { key, made: !exists, publicKeyLine: formatSshPublicKeyLine(key.publicKey, 'btrvault') }
}

/** Adds our key to allowed_signers unless it is there; other lines stay as they are. */
async function allowSigner(
  config: Config,
  publicKeyLine: string | null,
  dryRun: boolean,
): Promise<boolean> {
  const file = config.keys.allowedSigners
  const text = (await readTextIfPresent(file)) ?? ''
  if (publicKeyLine === null) return true
  // A machine that may not delete anywhere has no business hiding either.
  const mayForget = config.remotes.some(({ access }) => access === 'full')
  const namespaces = mayForget ? `${manifestNamespace},${tombstoneNamespace}` : manifestNamespace
  const line = `${signerPrincipal} namespaces="${namespaces}" ${publicKeyLine}`
  const [ours] = parseAllowedSigners(line, 'our own key')
  const known = text.trim() === '' ? [] : parseAllowedSigners(text, file)
  const isThere = known.some(
    signer =>
      signer.fingerprint === ours?.fingerprint && allowsNamespace(signer, manifestNamespace),
  )
  if (isThere) return false
  const joined = text === '' || text.endsWith('\n') ? text : `${text}\n`
  if (!dryRun) await writeFileAtomic(file, `${joined}${line}\n`, 0o644)
  return true
}

async function writeKit(
  context: Context,
  { config, kit, remotes }: { config: Config; kit: string; remotes: readonly RemoteInit[] },
): Promise<void> {
  const signers = await readFile(config.keys.allowedSigners, 'utf8')
  const made = nowOf(context)
  const reached = remotes.flatMap(({ remote, repository }) =>
    repository === null ? [] : [[remote, repository] as const],
  )
  const repositories = new Map(reached)
  const text = recoveryKit({ config, signers, repositories, made, host: context.hostname })
  await writeFileAtomic(kit.startsWith('/') ? kit : join(process.cwd(), kit), text)
}
