// npm run bench: btrvault beside what else one would use, on the same files, server and machine.
// How to read what it prints: docs/performance.md

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { btrvault } from './btrvault.ts'
import { type Attempt, type Contender, steps, type Turn } from './contender.ts'
import { change } from './files.ts'
import { measure } from './measure.ts'
import { bareReceive, bareSend, filePipeline, type KeyPair, s3Pipeline } from './pipelines.ts'
import { type Sample, tables, verdictLines, verdicts } from './report.ts'
import { restic } from './restic.ts'
import { bytesBelow, type Ground, makeGround, makeLive, warm } from './world.ts'

const root = new URL('..', import.meta.url).pathname
const usage = `usage: npm run bench -- [options]
  --rounds N     how often everything is repeated (default 3)
  --size SIZE    of the files, such as 512M or 5G (default 1.5G)
  --only WORDS   contenders whose names hold one of these words, separated by commas
  --sources      run the sources (bin/btrvault) instead of the bundle that is installed
  --json FILE    also write every figure to a file
`

const interruption = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interruption.abort(new Error(`stopped by ${name}`)))
}

const options = readOptions()
try {
  await main()
} catch (error) {
  if (!interruption.signal.aborted) throw error
  say(interruption.signal.reason.message)
  process.exitCode = 130
}

async function main(): Promise<void> {
  await using ground = await makeGround(options.sizeBytes, say)
  // Where the next run finds and removes it, if this one is killed.
  const folder = ground.world.outside('bench')
  mkdirSync(folder)
  const env = environment(ground)
  const keys = await makeKeys(folder, env)
  const contenders = chosen(keys)
  const samples: Sample[] = []
  for (let round = 1; round <= options.rounds; round += 1) {
    // Nobody is always first, nor always after the same one.
    const turns = contenders.map((_, n) => (n + round - 1) % contenders.length)
    for (const n of turns) {
      const contender = contenders[n]
      if (contender === undefined) continue
      say(`round ${round}: ${contender.name}`)
      samples.push(...(await runTurn({ contender, round, n }, { ground, folder, env })))
    }
    // The server keeps what was deleted for hours else, and its disk has an end.
    ground.bucket.server.admin(['gc', 'process', '--include-all'])
  }
  report(samples, ground)
}

interface Place {
  readonly ground: Ground
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
}

async function runTurn(
  { contender, round, n }: { contender: Contender; round: number; n: number },
  { ground, folder, env }: Place,
): Promise<Sample[]> {
  const { world } = ground
  const name = `turn-${round}-${n}`
  const turn: Turn = {
    ground,
    live: makeLive(world, name),
    folder: join(folder, name),
    target: world.secondPath(name),
    prefix: name,
    env,
  }
  mkdirSync(turn.folder)
  mkdirSync(turn.target)
  try {
    const attempt = await contender.begin(turn)
    return await runSteps({ contender, round, turn, attempt })
  } finally {
    // Nothing of one turn may be in the way of the next.
    world.sh(
      'find . -maxdepth 2 -inum 256 -path "./$1*" -exec btrfs -q subvolume delete {} +',
      name,
    )
    world.sh('cd ../second; find . -mindepth 1 -inum 256 -exec btrfs -q subvolume delete {} +')
    rmSync(turn.target, { recursive: true, force: true })
    rmSync(turn.folder, { recursive: true, force: true })
    await ground.bucket.empty(turn.prefix)
  }
}

async function runSteps(run: {
  contender: Contender
  round: number
  turn: Turn
  attempt: Attempt
}): Promise<Sample[]> {
  const { contender, round, turn, attempt } = run
  const { ground } = turn
  const samples: Sample[] = []
  for (const step of steps) {
    if (step === 'incremental') change(turn.live)
    attempt.before?.(step)
    const text = attempt.script(step)
    if (text === undefined) continue
    warm(ground.world)
    const stored = await storedBytes(turn, attempt)
    const requests = await ground.bucket.requestsSoFar()
    const { output, ...cost } = await measure({ text, env: turn.env }, interruption.signal)
    // Before anything else is asked of the server.
    const answered = (await ground.bucket.requestsSoFar()) - requests
    attempt.check?.(step, { ...cost, output })
    const grown = (await storedBytes(turn, attempt)) - stored
    const { fullBytes, changeBytes } = ground
    samples.push({
      round,
      contender: contender.name,
      step,
      cost,
      streamBytes: {
        full: fullBytes,
        incremental: changeBytes,
        idle: 0,
        restore: fullBytes + changeBytes,
      }[step],
      storedBytes: step === 'restore' || grown === 0 ? null : grown,
      requests: answered === 0 ? null : answered,
    })
  }
  return samples
}

async function storedBytes({ ground, prefix }: Turn, { repository }: Attempt): Promise<number> {
  return repository === null ? ground.bucket.storedBytes(prefix) : bytesBelow(repository)
}

function chosen(keys: KeyPair): readonly Contender[] {
  const sources = [join(root, 'bin/btrvault')]
  const bundle = [join(root, 'node_modules/.bin/node'), join(root, 'dist/btrvault.js')]
  const program = options.sources ? sources : bundle
  const all = [
    bareSend(),
    bareReceive(),
    filePipeline(keys),
    s3Pipeline(keys, existsSync('/usr/bin/aws') ? 'aws' : 'rclone'),
    restic('a folder'),
    restic('S3'),
    btrvault({ program, keys, where: 'a folder', check: true }),
    btrvault({ program, keys, where: 'a folder', check: false }),
    btrvault({ program, keys, where: 'S3', check: true }),
    btrvault({ program, keys, where: 'S3', check: false }),
  ]
  if (options.only.length === 0) return all
  return all.filter(({ name }) => options.only.some(word => name.includes(word)))
}

/** Classic keys, because the age of stable distributions knows no others. */
async function makeKeys(folder: string, env: NodeJS.ProcessEnv): Promise<KeyPair> {
  const identityFile = join(folder, 'identity')
  const text = `age-keygen -o '${identityFile}' 2>/dev/null && age-keygen -y '${identityFile}'`
  const { output } = await measure({ text, env }, interruption.signal)
  return { identityFile, recipient: output.trim() }
}

function environment({ bucket }: Ground): NodeJS.ProcessEnv {
  return {
    HOME: process.env['HOME'] ?? '/',
    // The system's own tools before anything that a language's version switcher put in front.
    PATH: `/usr/bin:/usr/sbin:/bin:/sbin:${process.env['PATH'] ?? ''}`,
    TMPDIR: tmpdir(),
    AWS_ACCESS_KEY_ID: bucket.server.accessKey,
    AWS_SECRET_ACCESS_KEY: bucket.server.secretKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

function report(samples: readonly Sample[], ground: Ground): void {
  const { fullBytes, changeBytes } = ground
  const machine = {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  }
  const verdictNames = {
    bare: 'btrfs send > /dev/null',
    s3Pipeline:
      samples.find(({ contender }) => contender.startsWith('pipeline to S3'))?.contender ?? '',
    s3: 'btrvault to S3',
    folder: 'btrvault to a folder',
  }
  const found = verdicts(samples, verdictNames)
  const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`
  const lines = [
    '',
    `${machine.date}, ${machine.processor}, ${machine.cores} cores, ${mebibytes(machine.memoryBytes)}, Linux ${machine.kernel}, Node ${machine.node}`,
    `send streams: full ${mebibytes(fullBytes)}, incremental ${mebibytes(changeBytes)}; ${options.rounds} rounds, medians`,
    ...tables(samples),
    '',
    ...verdictLines(found),
    '',
  ]
  process.stdout.write(lines.join('\n'))
  if (options.json === undefined) return
  const figures = { machine, fullBytes, changeBytes, samples, verdicts: found }
  writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`)
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        size: { type: 'string', default: '1.5G' },
        only: { type: 'string', default: '' },
        sources: { type: 'boolean', default: false },
        json: { type: 'string' },
      },
    })
    const size = /^(\d+(?:\.\d+)?)([MG])$/.exec(values.size)
    const rounds = Number(values.rounds)
    if (!size || !Number.isInteger(rounds) || rounds < 1) throw new Error('a wrong number')
    const sizeBytes = Math.floor(Number(size[1]) * 1024 ** (size[2] === 'G' ? 3 : 2))
    const only = values.only.split(',').filter(word => word !== '')
    return { rounds, sizeBytes, only, sources: values.sources, json: values.json }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`)
}
