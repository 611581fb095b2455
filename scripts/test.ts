// The test run: fast checks first, one S3 server for all tests, then node:test, whose summary is
// the last thing said. With arguments (files, folders, options of node --test) only that part.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, statSync } from 'node:fs'

/** A run that hangs is ended, and node:test says where it was. Below .ci/run's own limit. */
const runLimitMs = 36 * 60_000
const testLimitMs = 15 * 60_000
const concurrency = 2

const interruption = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interruption.abort(new Error(`interrupted by ${name}`)))
}
process.exitCode = await main(process.argv.slice(2), interruption.signal)

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = args.filter(arg => arg.startsWith('-'))
  const places = args.filter(arg => !arg.startsWith('-'))
  const files = testFilesIn(places.length > 0 ? places : ['test'])
  if (places.length === 0 && (await run('sh', ['scripts/check.sh'], signal)) !== 0) {
    console.error('test: the checks failed, so no test was run')
    return 1
  }
  return runTests(files, options, signal)
}

function testFilesIn(places: readonly string[]): readonly string[] {
  return places.flatMap(place => {
    if (!existsSync(place)) throw new Error(`no such test file or folder: ${place}`)
    if (!statSync(place).isDirectory()) return [place]
    return globSync(`${place}/**/*.test.ts`).sort()
  })
}

async function runTests(
  files: readonly string[],
  options: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  return run(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${testLimitMs}`,
      '--test-reporter=./scripts/test-reporter.ts',
      '--test-reporter-destination=stdout',
      ...options,
      ...files,
    ],
    AbortSignal.any([signal, AbortSignal.timeout(runLimitMs)]),
  )
}

/** Runs a program on our own terminal and resolves with its exit status; abort ends it gently, then not. */
async function run(program: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  if (signal.aborted) return 130
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  let force: NodeJS.Timeout | undefined
  const stop = (): void => {
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
