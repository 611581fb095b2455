// A real S3 server for the tests: Debian's Ceph (one monitor, one OSD on a sparse file, one
// radosgw) in a folder of its own, on free ports of the loopback, without systemd.
//
//   node test/support/radosgw.ts up STATEDIR     prints the JSON for BTRVAULT_TEST_S3
//   node test/support/radosgw.ts down STATEDIR
//
// With BTRVAULT_TEST_S3 in the environment startRadosgw() uses that server; else it starts one.

import { spawn, spawnSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cephConfiguration, cephKeyring } from './radosgw-configuration.ts'

export interface Radosgw {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Its configuration, disks and logs. */
  readonly folder: string
  /** `radosgw-admin` with these arguments; gives its output. */
  admin(args: readonly string[]): string
  /** Makes an empty bucket of a new name; with versions and object lock where `locks`. */
  makeBucket(options?: { readonly locks?: boolean }): Promise<string>
  /** Ends the server if this call started it. */
  stop(): Promise<void>
}

/** What travels in BTRVAULT_TEST_S3 and lies in STATEDIR/server.json. */
interface ServerFacts {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly folder: string
}

const folderPrefix = 'btrvault-radosgw-'
const startDeadlineMs = 60_000

export async function startRadosgw(): Promise<Radosgw> {
  const shared = process.env['BTRVAULT_TEST_S3']
  if (shared !== undefined) return connect(JSON.parse(shared) as ServerFacts, async () => {})
  await sweep()
  const folder = mkdtempSync(join(tmpdir(), folderPrefix))
  return connect(await up(folder, process.pid), () => down(folder))
}

/** Ends servers whose owner is dead: of test runs that were killed. */
export async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(folderPrefix)) continue
    const folder = join(tmpdir(), name)
    if (isLeftover(folder)) await down(folder)
  }
}

/** Starts a server in the folder, which must be empty or a dead server's. `owner`: a process's id. */
export async function up(folder: string, owner: number): Promise<ServerFacts> {
  await down(folder)
  for (const part of ['mon', 'osd', 'rgw', 'run', 'log'])
    mkdirSync(join(folder, part), { recursive: true })
  writeFileSync(join(folder, 'owner'), String(owner))
  try {
    return await start(folder)
  } catch (error) {
    await down(folder)
    throw error
  }
}

/** Ends the server of the folder, if there is one, and removes the folder. */
export async function down(folder: string): Promise<void> {
  const pids = ['rgw', 'osd', 'mon'].map(name => readNumber(pidFile(folder, name)))
  const ours = pids.filter(pid => pid !== undefined).filter(pid => runsIn(pid, folder))
  for (const pid of ours) kill(pid, 'SIGTERM')
  for (let waited = 0; waited < 3000 && ours.some(pid => runsIn(pid, folder)); waited += 50) {
    await delay(50)
  }
  for (const pid of ours) if (runsIn(pid, folder)) kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function start(folder: string): Promise<ServerFacts> {
  const fsid = randomUUID()
  const [monPort, rgwPort] = [await freePort(), await freePort()]
  const conf = join(folder, 'ceph.conf')
  writeFileSync(conf, cephConfiguration({ folder, fsid, monPort, rgwPort }))
  writeFileSync(join(folder, 'keyring'), cephKeyring(), { mode: 0o600 })
  const c = ['-c', conf]
  const monmap = join(folder, 'monmap')
  const address = `[v2:127.0.0.1:${monPort}]`
  run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', fsid, monmap])
  run('ceph-mon', [
    ...c,
    '--mkfs',
    '-i',
    'a',
    '--monmap',
    monmap,
    '--keyring',
    join(folder, 'keyring'),
  ])
  daemon(folder, 'mon', ['ceph-mon', ...c, '-i', 'a', '-f'])
  const osdUuid = randomUUID()
  await until('the monitor', () =>
    run('ceph', [...c, '--connect-timeout', '10', 'osd', 'new', osdUuid]),
  )
  run('ceph', [...c, 'auth', 'import', '-i', join(folder, 'keyring')])
  run('ceph-osd', [...c, '-i', '0', '--mkfs', '--osd-uuid', osdUuid])
  daemon(folder, 'osd', ['ceph-osd', ...c, '-i', '0', '-f'])
  await until('the OSD', () => {
    const stat = run('ceph', [...c, 'osd', 'stat', '-f', 'json'])
    if (!stat.includes('"num_up_osds":1')) throw new Error(stat)
  })
  // The first command makes the zone that the next ones change.
  const accessKey = `AK${randomBytes(8).toString('hex')}`
  const secretKey = `SK${randomBytes(16).toString('hex')}`
  const keys = ['--access-key', accessKey, '--secret-key', secretKey]
  run('radosgw-admin', [
    ...adminOptions(folder),
    'user',
    'create',
    '--uid=test',
    '--display-name=test',
    ...keys,
  ])
  addStorageClass(folder, 'DEEP_ARCHIVE')
  daemon(folder, 'rgw', ['radosgw', ...c, '-n', 'client.rgw', '-f'])
  const endpoint = `http://127.0.0.1:${rgwPort}`
  await until('radosgw', async () => {
    await (await fetch(endpoint, { signal: AbortSignal.timeout(2000) })).text()
  })
  const facts = { endpoint, accessKey, secretKey, folder }
  writeFileSync(join(folder, 'server.json'), JSON.stringify(facts), { mode: 0o600 })
  return facts
}

/** Before radosgw starts, which reads them once. A label only: what lies in it is read at once. */
function addStorageClass(folder: string, name: string): void {
  const place = ['--placement-id', 'default-placement', '--storage-class', name]
  const admin = (...args: string[]) => run('radosgw-admin', [...adminOptions(folder), ...args])
  admin('zonegroup', 'placement', 'add', '--rgw-zonegroup', 'default', ...place)
  const pool = `default.rgw.${name.toLowerCase()}.data`
  admin('zone', 'placement', 'add', '--rgw-zone', 'default', ...place, '--data-pool', pool)
}

function connect(facts: ServerFacts, stop: () => Promise<void>): Radosgw {
  const { endpoint, accessKey, secretKey, folder } = facts
  return {
    endpoint,
    accessKey,
    secretKey,
    folder,
    admin: args => run('radosgw-admin', [...adminOptions(folder), ...args]),
    makeBucket: async ({ locks = false } = {}) => {
      const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
      const client = new S3Client({
        endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
      })
      try {
        const Bucket = `test-${randomBytes(6).toString('hex')}`
        await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }))
        return Bucket
      } finally {
        client.destroy()
      }
    },
    stop,
  }
}

function adminOptions(folder: string): string[] {
  return ['-c', join(folder, 'ceph.conf'), '-n', 'client.rgw']
}

function daemon(folder: string, name: string, [program = '', ...args]: readonly string[]): void {
  // A daemon that inherits our output keeps a pipe behind us open for ever.
  const log = openSync(join(folder, 'log', `${name}.out`), 'a')
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] })
  if (child.pid === undefined) throw new Error(`cannot start ${program}; is it installed?`)
  writeFileSync(pidFile(folder, name), String(child.pid))
  child.unref()
}

function run(program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (result.status === 0) return result.stdout
  const reason = result.error?.message ?? result.stderr
  throw new Error(`${program} ${args.join(' ')}: ${reason}`)
}

async function until(what: string, attempt: () => unknown): Promise<void> {
  const deadline = Date.now() + startDeadlineMs
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what} did not come up`, { cause: error })
      await delay(50)
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise(done => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function pidFile(folder: string, name: string): string {
  return join(folder, 'run', `${name}.started`)
}

function readNumber(path: string): number | undefined {
  if (!existsSync(path)) return undefined
  const number = Number(readFileSync(path, 'utf8'))
  return Number.isInteger(number) && number > 1 ? number : undefined
}

/** One without an owner may be just being made. */
function isLeftover(folder: string): boolean {
  const owner = readNumber(join(folder, 'owner'))
  if (owner !== undefined) return !isAlive(owner)
  const madeAt = statSync(folder, { throwIfNoEntry: false })?.mtimeMs
  return madeAt !== undefined && Date.now() - madeAt > startDeadlineMs
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}

/** A process's id may be another's by now: only one with the folder in its arguments is ours. */
function runsIn(pid: number, folder: string): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    if (/\) [ZX] /.test(status)) return false
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/ceph.conf`)
  } catch {
    return false
  }
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended in between.
  }
}

if (import.meta.main) {
  const [verb, stateDir] = process.argv.slice(2)
  if (stateDir === undefined || (verb !== 'up' && verb !== 'down')) {
    process.stderr.write('usage: radosgw.ts up|down STATEDIR\n')
    process.exit(2)
  }
  await sweep()
  const folder = resolve(stateDir)
  if (verb === 'down') await down(folder)
  else process.stdout.write(`${JSON.stringify(await up(folder, process.ppid))}\n`)
}
