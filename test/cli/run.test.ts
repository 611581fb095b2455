import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { FakeClock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { exitMeanings } from '../../src/cli/exits.ts'
import { runCommandLine, type World } from '../../src/cli/run.ts'
import type { Call, Outcome, Verb } from '../../src/cli/verb.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { FakeScreen } from './fake-screen.ts'

function verbThat(run: (call: Call) => Promise<Outcome>): Verb {
  return { name: 'try', summary: 's', description: 'd', examples: [], exits: [], run }
}

interface Run {
  readonly status: number
  readonly out: string
  readonly err: string
}

async function run(verb: Verb, argv: string[] = [], more: Partial<World> = {}): Promise<Run> {
  const out = new FakeScreen({ isTerminal: false })
  const err = new FakeScreen({ isTerminal: false })
  const status = await runCommandLine({
    argv: ['try', ...argv],
    env: {},
    version: '1',
    verbs: [verb],
    out,
    err,
    isJournal: false,
    isRoot: true,
    clock: new FakeClock(0),
    signal: new AbortController().signal,
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    stdout: new PassThrough() as unknown as NodeJS.WriteStream,
    stderr: new PassThrough() as unknown as NodeJS.WriteStream,
    makeContext: async emit => ({ emit }) as Context,
    ...more,
  })
  return { status, out: out.written, err: err.written }
}

const fails = (error: unknown) =>
  verbThat(async () => {
    throw error
  })

test('an outcome is printed as lines, and its status is the exit status', async () => {
  const verb = verbThat(async () => ({ report: {}, lines: () => ['a', 'b'], exit: 3 }))
  assert.deepEqual(await run(verb), { status: 3, out: 'a\nb\n', err: '' })
  assert.deepEqual(await run(verb, ['--quiet']), { status: 3, out: '', err: '' })
})

test('--json prints one document, with every value in a plain form', async () => {
  const report = {
    at: new Date(0),
    big: 10n,
    bytes: new Uint8Array([1, 255]),
    map: new Map([['a', 1]]),
    none: null,
    missing: undefined,
    infinite: Number.POSITIVE_INFINITY,
    failure: new Failure('locked', 'cannot x: y'),
  }
  const { out, status } = await run(
    verbThat(async () => ({ report, lines: () => ['never'] })),
    ['--json'],
  )
  assert.equal(status, 0)
  assert.deepEqual(JSON.parse(out), {
    command: 'try',
    ok: true,
    exit: 0,
    report: {
      at: '1970-01-01T00:00:00.000Z',
      big: '10',
      bytes: '01ff',
      map: { a: 1 },
      none: null,
      infinite: null,
      failure: { code: 'locked', message: 'cannot x: y', hint: null, exit: 11 },
    },
  })
})

test('a failure is its words, its hint and its status', async () => {
  const failure = new Failure('locked', 'cannot back up home: locked', { hint: 'wait' })
  assert.deepEqual(await run(fails(failure)), {
    status: 11,
    out: '',
    err: 'error: cannot back up home: locked\n hint: wait\n',
  })
  const json = await run(fails(failure), ['--json'])
  assert.deepEqual(JSON.parse(json.out), {
    command: 'try',
    ok: false,
    exit: 11,
    error: { code: 'locked', message: 'cannot back up home: locked', hint: 'wait', exit: 11 },
  })
})

test('wrong arguments are JSON too when --json is among them', async () => {
  const { out, status } = await run(fails(1), ['--json', '--nope'])
  assert.equal(status, 2)
  assert.equal(JSON.parse(out).error.code, 'usage')
})

test('every failure has an exit status that the help explains', () => {
  for (const code of [
    'failed',
    'usage',
    'config-invalid',
    'incomplete',
    'refused',
    'repository-missing',
    'locked',
    'identity-wrong',
    'send-failed',
    'receive-failed',
    'btrfs-failed',
    'store-unavailable',
    'store-busy',
    'store-refused',
    'object-missing',
    'archived',
    'corrupt',
    'untrusted',
    'interrupted',
    'no-space',
    'object-exists',
  ] as const) {
    assert.ok(new Failure(code, 'x').exitStatus in exitMeanings, code)
  }
})

test('what is no Failure is a bug: status 70, with its stack', async () => {
  const { status, err, out } = await run(fails(new TypeError('x is not a function')), ['--json'])
  assert.equal(status, 70)
  assert.match(
    err,
    /^error: this is a bug in btrvault: x is not a function\n hint: .*\nTypeError: x is/,
  )
  assert.match(err, /run\.test\.ts/)
  assert.equal(JSON.parse(out).error.code, 'bug')
})

test('--verbose adds what a failure came from', async () => {
  const cause = new Error('ECONNRESET', { cause: new Error('deep') })
  const { err } = await run(fails(new Failure('store-unavailable', 'cannot x: y', { cause })), [
    '-v',
  ])
  assert.equal(err, 'error: cannot x: y\ncause: ECONNRESET\ncause: deep\n')
})

test('failures escape what comes from outside', async () => {
  const { err } = await run(fails(new Failure('corrupt', 'cannot read k\x1b[2J\u202e: \x07')))
  assert.equal(err, 'error: cannot read k\\x1b[2J\\u202e: \\x07\n')
})

test('under the journal an error has its level', async () => {
  const { err } = await run(fails(new Failure('failed', 'cannot x: y', { hint: 'z' })), [], {
    isJournal: true,
  })
  assert.equal(err, '<3>error: cannot x: y\n<3> hint: z\n')
})

test('a question off a terminal is refused, unless --yes was given', async () => {
  const asks = verbThat(async call => {
    await call.agree('restore home', 'Restore home?')
    return { report: {}, lines: () => ['done'] }
  })
  const yes = { ...asks, flags: [{ flags: '--yes', doc: 'agree' }] }
  const refused = await run(yes)
  assert.equal(refused.status, 4)
  assert.match(
    refused.err,
    /cannot restore home: nobody is at a terminal to agree\n hint: give --yes/,
  )
  assert.equal((await run(yes, ['--yes'])).out, 'done\n')
})

test('configIfAny() is undefined only when no file was named and none is at its place', async () => {
  const looks = verbThat(async call => {
    const config = await call.configIfAny()
    return { report: {}, lines: () => [config === undefined ? 'none' : 'some'] }
  })
  const world = { isRoot: false, env: { HOME: '/nonexistent' } }
  assert.equal((await run(looks, [], world)).out, 'none\n')
  assert.equal((await run(looks, ['--config', '/nonexistent/c.yaml'], world)).status, 2)
  assert.equal(
    (await run(looks, [], { ...world, env: { BTRVAULT_CONFIG: '/nonexistent' } })).status,
    2,
  )
})
