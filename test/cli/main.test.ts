// The program as a child process: start, signals, pipes that break.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..')
const program = join(root, 'bin', 'btrvault')

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

interface Running {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** Resolves when standard error has the text. */
  readonly said: (text: string) => Promise<void>
  readonly kill: (name: NodeJS.Signals) => void
}

function start(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Running {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', text => (out += text))
  child.stderr.setEncoding('utf8').on('data', text => (err += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', status => resolve({ status, out, err }))
  })
  const said = async (text: string) => {
    const deadline = Date.now() + 15_000
    while (!err.includes(text)) {
      if (Date.now() > deadline || child.exitCode !== null)
        throw new Error(`never said ${text}: ${err}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  return { pid: child.pid ?? 0, ended, said, kill: name => child.kill(name) }
}

/** A verb that waits for the signal, as commands do, and takes `cleanupMs` to end cleanly. */
function waiting(cleanupMs: number): Running {
  return start(process.execPath, [
    join(import.meta.dirname, 'waiting-program.ts'),
    String(cleanupMs),
  ])
}

test('btrvault --version says the version, also through a symbolic link from anywhere', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'btrvault-link-'))
  try {
    await symlink(program, join(folder, 'first'))
    await symlink('first', join(folder, 'second'))
    const { status, out } = await start(join(folder, 'second'), ['--version']).ended
    assert.equal(status, 0)
    assert.match(out, /^\d+\.\d+\.\d+\n$/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('exit statuses reach the shell', async () => {
  const lost = await start(program, []).ended
  assert.deepEqual([lost.status, lost.out], [2, ''])
  assert.match(lost.err, /Usage: btrvault/)
  assert.equal((await start(program, ['bakcup']).ended).status, 2)
  const config = await start(program, ['config', 'check', '--json', '--config', '/nonexistent'])
    .ended
  assert.equal(config.status, 2)
  assert.equal(JSON.parse(config.out).error.code, 'config-invalid')
})

test('a reader that goes away is no error, a full disk is', async () => {
  const { status, out, err } = await start('/bin/sh', [
    '-c',
    `"${program}" config schema | head -n 1; "${program}" config schema >/dev/full; echo "$?"`,
  ]).ended
  assert.deepEqual(
    [status, out, err],
    [0, '{\n1\n', 'error: cannot write to standard output: ENOSPC\n'],
  )
})

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  test(`${name} lets a command end cleanly, says how to go on, and exits with 130`, async () => {
    const running = waiting(100)
    await running.said('waiting')
    running.kill(name)
    const { status, err } = await running.ended
    assert.equal(status, 130)
    assert.match(err, /stopping cleanly/)
    assert.match(err, /cleaned up\n/)
    assert.match(
      err,
      new RegExp(`error: interrupted by ${name}\n hint: run the same command again`),
    )
  })
}

test('a second SIGINT exits at once', async () => {
  const running = waiting(15_000)
  await running.said('waiting')
  running.kill('SIGINT')
  await running.said('press Ctrl-C again')
  running.kill('SIGINT')
  const { status, err } = await running.ended
  assert.equal(status, 130)
  assert.doesNotMatch(err, /cleaned up/)
})

test('an error that nobody caught is a bug: status 70, with its stack', async () => {
  const running = waiting(-1)
  const { status, err } = await running.ended
  assert.equal(status, 70)
  assert.match(err, /error: this is a bug in btrvault: nobody caught me\n[^]*waiting-program/)
})
