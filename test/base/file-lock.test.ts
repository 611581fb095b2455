import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { type Failure, isFailure } from '../../src/base/failure.ts'
import { lockFile } from '../../src/base/file-lock.ts'

const moduleUrl = new URL('../../src/base/file-lock.ts', import.meta.url).href
let folder: string
let children: ChildProcess[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'btrvault-lock-'))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Another process that holds the lock and says so. */
async function holder(path: string): Promise<ChildProcess> {
  const program = `
    const { lockFile } = await import(${JSON.stringify(moduleUrl)})
    const lock = await lockFile(${JSON.stringify(path)})
    console.log('held')
    process.stdin.on('data', async () => { await lock.release(); console.log('released') })
    setTimeout(() => process.exit(9), 20_000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  await said(child, 'held')
  return child
}

async function said(child: ChildProcess, word: string): Promise<void> {
  const [chunk] = await once(child.stdout!, 'data', { signal: AbortSignal.timeout(10_000) })
  assert.equal(String(chunk).trim(), word)
}

const isLocked = (error: unknown) => isFailure(error, 'locked')

test('lockFile() refuses while another process holds it and names its pid and start', async () => {
  const path = join(folder, 'deep', 'source.lock')
  const child = await holder(path)
  const before = readFileSync(path, 'utf8')
  await assert.rejects(lockFile(path), (error: Failure) => {
    assert.equal(error.code, 'locked')
    assert.match(error.message, new RegExp(`pid ${child.pid} since 20\\d\\d-`))
    assert.equal(error.exitStatus, 11)
    return true
  })
  assert.equal(readFileSync(path, 'utf8'), before, 'a refused taker changes nothing')
})

test('a lock ends with its holder, also when that is killed with SIGKILL', async () => {
  const path = join(folder, 'source.lock')
  const child = await holder(path)
  await assert.rejects(lockFile(path), isLocked)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = await lockFile(path)
  assert.match(readFileSync(path, 'utf8'), new RegExp(`^pid ${process.pid} since `))
  await lock.release()
})

test('release() gives the lock to the next one, and may be called twice', async () => {
  const path = join(folder, 'source.lock')
  const child = await holder(path)
  child.stdin!.write('release\n')
  await said(child, 'released')
  const lock = await lockFile(path)
  await lock.release()
  await lock.release()
  await using again = await lockFile(path)
  assert.equal(again.path, path)
})

test('two locks of one process on the same file exclude each other too', async () => {
  const path = join(folder, 'source.lock')
  await using lock = await lockFile(path)
  await assert.rejects(lockFile(lock.path), isLocked)
})

test('of many takers at once exactly one gets the lock', async () => {
  const path = join(folder, 'source.lock')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFile(path)))
  const held = results.filter(result => result.status === 'fulfilled')
  assert.equal(held.length, 1)
  for (const one of held) await one.value.release()
})

test('a program started meanwhile does not keep the lock of a holder that released it', async () => {
  const path = join(folder, 'source.lock')
  const lock = await lockFile(path)
  const sleeper = spawn('sleep', ['20'])
  children.push(sleeper)
  await once(sleeper, 'spawn')
  await lock.release()
  await (await lockFile(path)).release()
})

test('text of a stranger in the lock file is not repeated in the message', async () => {
  const path = join(folder, 'source.lock')
  await using lock = await lockFile(path)
  writeFileSync(lock.path, 'pid of your password: hunter2')
  await assert.rejects(lockFile(path), (error: Failure) => {
    assert.equal(error.message, `cannot lock ${path}: another process holds it`)
    return true
  })
})

test('lockFile() follows no symbolic link and does nothing once the signal has aborted', async () => {
  const path = join(folder, 'source.lock')
  const target = join(folder, 'precious')
  writeFileSync(target, 'precious')
  symlinkSync(target, path)
  await assert.rejects(lockFile(path), error => isFailure(error, 'failed'))
  assert.equal(readFileSync(target, 'utf8'), 'precious')
  const aborted = lockFile(join(folder, 'other.lock'), { signal: AbortSignal.abort() })
  await assert.rejects(aborted, error => isFailure(error, 'interrupted'))
})
