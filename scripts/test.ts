// The test run: fast checks first, one S3 server for all tests, then node:test, whose summary is
// the last thing said. With arguments (files, folders, options of node --test) only that part.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { down, sweep, up } from '../test/support/radosgw.ts'

/** A run that hangs is ended, and node:test says where it was. Below .ci/run's own limit. */
const runLimitMs = 36 * 60_000
const testLimitMs = 15 * 60_000
const concurrency = 2

const interruption = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interruption.abort(`interrupted by ${name}`))
}
process.exitCode = await main(process.argv.slice(2), interruption.signal)

async function main(args: readonly string[], interrupted: AbortSignal): Promise<number> {
  const options = args.filter(arg => arg.startsWith('-'))
  const places = args.filter(arg => !arg.startsWith('-'))
  const files = testFilesIn(places.length > 0 ? places : ['test'])
  if (
    places.length === 0 &&
    (await run('sh', ['scripts/check.sh'], { signal: interrupted })) !== 0
  ) {
    console.error('test: the checks failed, so no test was run')
    return 1
  }
  const signal = AbortSignal.any([interrupted, runLimit()])
  if (!files.some(needsServer)) return runTests(files, { options, env: {}, signal })
  return withServer(env => runTests(files, { options, env, signal }))
}

function testFilesIn(places: readonly string[]): readonly string[] {
  return places.flatMap(place => {
    if (!existsSync(place)) throw new Error(`no such test file or folder: ${place}`)
    if (!statSync(place).isDirectory()) return [place]
    return globSync(`${place}/**/*.test.ts`).sort()
  })
}

/** A test that needs the server without saying so starts one of its own. */
function needsServer(file: string): boolean {
  return readFileSync(file, 'utf8').includes('radosgw')
}

/** One server for all tests: each file would otherwise start its own, some seconds each. */
async function withServer<T>(use: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  if (process.env['BTRVAULT_TEST_S3'] !== undefined) return use({})
  await sweep()
  // The name is the one that sweep() looks for, should we be killed.
  const folder = mkdtempSync(join(tmpdir(), 'btrvault-radosgw-'))
  try {
    const facts = await up(folder, process.pid)
    return await use({ BTRVAULT_TEST_S3: JSON.stringify(facts) })
  } finally {
    await down(folder)
  }
}

interface TestRun {
  /** Passed on to `node --test`. */
  readonly options: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

async function runTests(
  files: readonly string[],
  { options, env, signal }: TestRun,
): Promise<number> {
  const args = [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${testLimitMs}`,
    '--test-reporter=./scripts/test-reporter.ts',
    '--test-reporter-destination=stdout',
    ...options,
    ...files,
  ]
  return run(process.execPath, args, { env, signal })
}

function runLimit(): AbortSignal {
  const limit = new AbortController()
  const stop = (): void => limit.abort(`the tests took longer than ${runLimitMs / 60_000} minutes`)
  setTimeout(stop, runLimitMs).unref()
  return limit.signal
}

interface RunOptions {
  /** Beside our own environment. */
  readonly env?: NodeJS.ProcessEnv
  readonly signal: AbortSignal
}

/** Runs a program on our own terminal and gives its exit status; an abort ends it gently, then not. */
async function run(
  program: string,
  args: readonly string[],
  { env = {}, signal }: RunOptions,
): Promise<number> {
  if (signal.aborted) return 130
  const stdio = ['ignore', 'inherit', 'inherit'] as const
  const child = spawn(program, args, { stdio: [...stdio], env: { ...process.env, ...env } })
  let force: NodeJS.Timeout | undefined
  const stop = (): void => {
    console.error(`test: ${String(signal.reason)}`)
    child.kill('SIGTERM')
    force = setTimeout(() => child.kill('SIGKILL'), 20_000)
  }
  signal.addEventListener('abort', stop)
  try {
    const [status] = (await once(child, 'exit')) as [number | null]
    return signal.aborted ? 130 : (status ?? 1)
  } finally {
    clearTimeout(force)
    signal.removeEventListener('abort', stop)
  }
}
