import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { collectProgram, runProgram, startProgram } from '../../src/base/process.ts'

const sh = (script: string, ...args: string[]) => ({
  program: '/bin/sh',
  args: ['-c', script, 'sh', ...args],
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie still has a pid.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

test('runProgram() returns stdout as bytes and passes arguments without a shell', async () => {
  const odd = 'a b; $(exit 1) "\n*'
  const out = await runProgram({ program: 'printf', args: ['%s', odd] })
  assert.equal(out.toString(), odd)
})

test('runProgram() tells the status and the complaint when a program fails', async () => {
  await assert.rejects(runProgram(sh('echo out; echo no such thing >&2; exit 7')), {
    code: 'failed',
    message: 'cannot run /bin/sh: no such thing (it ended with status 7)',
  })
})

test('runProgram() tells which signal killed a program', async () => {
  await assert.rejects(runProgram(sh('kill -KILL $$')), {
    message: 'cannot run /bin/sh: it was killed by SIGKILL',
  })
})

test('a program that is not installed is a Failure that names its package', async () => {
  const path = process.env['PATH']
  process.env['PATH'] = '/nonexistent'
  try {
    await assert.rejects(runProgram({ program: 'btrfs', args: [] }), {
      code: 'failed',
      message: 'cannot run btrfs: it is not installed or not in PATH',
      hint: 'install the package btrfs-progs',
    })
  } finally {
    process.env['PATH'] = path
  }
  await assert.rejects(runProgram({ program: '/etc', args: [] }), {
    message: 'cannot run /etc: EACCES',
  })
})

test('programs see an allow-listed environment and nothing secret of ours (L10)', async () => {
  process.env['AWS_SECRET_ACCESS_KEY'] = 'hunter2'
  try {
    const out = await runProgram({ program: 'env', args: [], env: { TZ: 'UTC' } })
    const names = out
      .toString()
      .trim()
      .split('\n')
      .map(line => line.split('=')[0])
    assert.deepEqual(new Set(names), new Set(['HOME', 'LANG', 'LC_ALL', 'PATH', 'TZ']))
    assert.match(out.toString(), /^LC_ALL=C$/m)
  } finally {
    delete process.env['AWS_SECRET_ACCESS_KEY']
  }
})

test('of a long complaint the end is kept', async () => {
  const { outcome } = await collectProgram(sh('seq 1 100000 >&2; echo the end >&2; exit 1'))
  assert.ok(outcome.stderr.length <= 8 * 1024)
  assert.match(outcome.stderr, /100000\nthe end\n$/)
})

test('output beyond the bound is a Failure and ends the program', async () => {
  const call = { ...sh('echo $$ >&2; exec cat /dev/zero'), maxOutputBytes: 100_000 }
  await assert.rejects(runProgram(call), {
    code: 'failed',
    message: 'cannot run /bin/sh: it writes more than 100000 bytes',
  })
})

test('all of the output is there, however large, when the program has ended', async () => {
  const out = await runProgram(sh('head -c 5000000 /dev/zero'))
  assert.equal(out.length, 5_000_000)
})

test('an aborted signal ends the program and everything it started', async () => {
  const abort = new AbortController()
  const running = startProgram({
    ...sh('sleep 30 & echo $!; wait'),
    stdout: 'pipe',
    signal: abort.signal,
  })
  const [line] = await once(running.stdout!, 'data')
  const grandchild = Number(String(line))
  assert.ok(isAlive(grandchild))
  abort.abort()
  await assert.rejects(running.done, error => isFailure(error, 'interrupted'))
  for (let i = 0; i < 100 && isAlive(grandchild); i += 1) await delay(10)
  assert.ok(!isAlive(grandchild))
  assert.ok(!isAlive(running.pid!))
})

test('a program that ignores SIGTERM is killed after the grace', async () => {
  const abort = new AbortController()
  const running = startProgram({
    ...sh('trap "" TERM; echo ready; for i in $(seq 200); do sleep 0.05; done'),
    stdout: 'pipe',
    signal: abort.signal,
    killGraceMs: 100,
  })
  await once(running.stdout!, 'data')
  abort.abort(new Failure('refused', 'changed my mind'))
  await assert.rejects(running.done, { code: 'refused', message: 'changed my mind' })
  assert.ok(!isAlive(running.pid!))
})

test('an already aborted signal starts nothing', () => {
  assert.throws(() => startProgram({ ...sh('exit 0'), signal: AbortSignal.abort() }), {
    code: 'interrupted',
  })
})

test('startProgram() writes to a descriptor of ours and leaves it open', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'btrvault-process-'))
  const fd = openSync(join(folder, 'out'), 'w')
  try {
    const outcome = await startProgram({ ...sh('echo hello; exit 3'), stdout: fd }).done
    assert.deepEqual(outcome, { kind: 'exited', status: 3, stderr: '' })
    assert.equal(readFileSync(join(folder, 'out'), 'utf8'), 'hello\n')
  } finally {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
})

test('startProgram() feeds a pipe, and a program that stops reading is told by its outcome', async () => {
  const counted = startProgram({ ...sh('wc -c'), stdin: 'pipe', stdout: 'pipe' })
  let count = ''
  counted.stdout!.on('data', chunk => (count += String(chunk)))
  counted.stdin!.end(Buffer.alloc(300_000))
  assert.equal((await counted.done).kind, 'exited')
  assert.equal(count.trim(), '300000')
  const rude = startProgram({ ...sh('exec 0<&-; exit 4'), stdin: 'pipe' })
  rude.stdin!.write(Buffer.alloc(1_000_000))
  rude.stdin!.end()
  assert.deepEqual(await rude.done, { kind: 'exited', status: 4, stderr: '' })
})

test('done does not wait for a grandchild that keeps stderr open', async () => {
  const started = performance.now()
  const { outcome } = await collectProgram(sh('sleep 5 >/dev/null & echo gone >&2; exit 0'))
  assert.deepEqual(outcome, { kind: 'exited', status: 0, stderr: 'gone\n' })
  assert.ok(performance.now() - started < 3_000)
})

test('collected output is whole also when it comes after the end of the program (L9)', async () => {
  const { stdout } = await collectProgram(sh('(sleep 0.8; echo late) & echo early; exit 0'))
  assert.equal(stdout.toString(), 'early\nlate\n')
})

test('an aborted signal ends the wait for a grandchild that keeps stdout open', async () => {
  const signal = AbortSignal.timeout(200)
  const started = performance.now()
  await assert.rejects(collectProgram({ ...sh('sleep 5 & exit 0'), signal }), {
    code: 'interrupted',
  })
  assert.ok(performance.now() - started < 3_000)
})

test('an aborted signal does not wait for what has left the group of the program', async () => {
  const abort = new AbortController()
  const collecting = collectProgram({ ...sh('setsid sleep 4 & wait'), signal: abort.signal })
  const started = performance.now()
  setTimeout(() => abort.abort(), 200)
  await assert.rejects(collecting, { code: 'interrupted' })
  assert.ok(performance.now() - started < 3_000)
})

test('done does not wait for a reader that never reads', async () => {
  const running = startProgram({ ...sh('echo unread'), stdout: 'pipe' })
  assert.equal((await running.done).kind, 'exited')
  running.stdout!.destroy()
})
