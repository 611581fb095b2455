// The directory store and the system calls it makes: killed before each one of them, refused, or
// broken. strace does it to a real process.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openDirectoryStore } from '../../src/store/directory/open-directory-store.ts'
import { initDirectoryTarget } from '../../src/store/directory/target.ts'
import { listAll } from './contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'btrvault-test-crash-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Run {
  readonly path: string
  /** Keys whose put or delete was acknowledged, and failures as `key code`. */
  readonly lines: readonly string[]
  readonly killed: boolean
  readonly trace: string
}

/** Runs test/store/directory-child.ts on a new target under strace with these options. */
async function run(options: readonly string[], verbs = 'put'): Promise<Run> {
  const path = mkdtempSync(join(folder, 'target-'))
  await initDirectoryTarget(path)
  const trace = `${path}.trace`
  const child = new URL('directory-child.ts', import.meta.url).pathname
  const result = spawnSync(
    'strace',
    ['-f', '-y', '-o', trace, ...options, process.execPath, child, path, verbs],
    {
      encoding: 'utf8',
      timeout: 30_000,
      stdio: ['ignore', 'pipe', 'pipe'],
      // strace counts the calls of each thread for itself; so all are made by one.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    },
  )
  assert.equal(result.error, undefined)
  const lines = result.stdout.split('\n').filter(line => line !== '')
  const killed = !lines.includes('end')
  if (!killed) assert.equal(result.status, 0, result.stderr)
  return { path, lines, killed, trace: readFileSync(trace, 'utf8') }
}

async function storedWhole(path: string): Promise<string[]> {
  const store = await openDirectoryStore({ path })
  try {
    const keys: string[] = []
    for (const { key } of await listAll(store, '')) {
      const bytes = await store.get(key)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      assert.equal(basename(key), sha256, `${key} is not whole`)
      keys.push(key)
    }
    return keys
  } finally {
    await store.close()
  }
}

describe('the directory store, killed before each of its system calls,', () => {
  for (const call of ['mkdir', 'pwrite64', 'fsync', 'link', 'unlink', 'rename', 'rmdir']) {
    it(`${call}: has every object that it acknowledged, whole, and no half one`, async () => {
      const verbs = call === 'rmdir' ? 'delete' : call === 'rename' ? 'replace' : 'put'
      let kills = 0
      for (let when = 1; when <= 60; when += 1) {
        const { path, lines, killed } = await run(
          [`--trace=${call}`, `--inject=${call}:signal=KILL:when=${when}`],
          verbs,
        )
        const keys = await storedWhole(path)
        for (const line of lines) {
          if (line.startsWith('put ')) assert.ok(keys.includes(line.slice(4)), `${line} is lost`)
        }
        if (!killed) break
        kills += 1
      }
      assert.ok(kills >= 3 && kills < 60, `${kills} calls of ${call} were seen`)
    })
  }
})

describe('the directory store', () => {
  it('syncs the bytes before they have a name, and the name before it says done', async () => {
    const { trace, lines } = await run(['--trace=pwrite64,fsync,link'])
    const calls = trace
      .split('\n')
      .map(line => /\b(pwrite64|fsync|link)\(.*/.exec(line)?.[0])
      .filter(call => call !== undefined)
    const put = lines.find(line => line.startsWith('put '))?.slice(4) ?? ''
    const links = calls.findIndex(call => call.startsWith('link(') && call.includes(put))
    assert.notEqual(links, -1)
    const writes = calls.findLastIndex((call, n) => n < links && call.startsWith('pwrite64('))
    const syncsBetween = calls.slice(writes, links).filter(call => call.startsWith('fsync('))
    assert.ok(
      syncsBetween.some(call => call.includes('/.btrvault-tmp/')),
      syncsBetween.join('\n'),
    )
    const next = calls.slice(links + 1).find(call => call.startsWith('fsync('))
    assert.match(next ?? '', /\/segments\/x>/)
    // The new folders' own entries: segments in the root, x in segments, before the name.
    const before = calls.slice(0, links).filter(call => call.startsWith('fsync('))
    assert.ok(
      before.some(call => /\/segments>/.test(call)),
      before.join('\n'),
    )
    assert.ok(
      before.some(call => /\/target-\w+>/.test(call)),
      before.join('\n'),
    )
  })

  it('says store-unavailable for EIO, no-space for ENOSPC and EDQUOT, and leaves nothing half', async () => {
    for (const [call, error, wanted] of [
      ['fsync', 'EIO', 'store-unavailable'],
      ['pwrite64', 'EIO', 'store-unavailable'],
      ['pwrite64', 'ENOSPC', 'no-space'],
      ['pwrite64', 'EDQUOT', 'no-space'],
      ['fsync', 'ENOSPC', 'no-space'],
      ['fsync', 'ESTALE', 'store-unavailable'],
    ] as const) {
      const { path, lines } = await run([`--trace=${call}`, `--inject=${call}:error=${error}`])
      assert.ok(lines.filter(line => line.endsWith(` ${wanted}`)).length === 4, lines.join('\n'))
      assert.deepEqual(await storedWhole(path), [])
      assert.deepEqual(readdirSync(join(path, '.btrvault-tmp')), [])
    }
  })

  it('works without hard links (exFAT), and does not claim to refuse racing creates there', async () => {
    for (const error of ['EPERM', 'EOPNOTSUPP']) {
      const { path, lines } = await run(['--trace=link', `--inject=link:error=${error}`])
      assert.ok(lines.includes('createIfAbsent false'), lines.join('\n'))
      assert.equal(lines.filter(line => line.startsWith('put ')).length, 3)
      assert.ok(lines.includes('again object-exists'))
      assert.equal((await storedWhole(path)).length, 3)
    }
  })
})
