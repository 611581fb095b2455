import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plainPaint } from '../../src/cli/colour.ts'
import { type Invocation, parseArguments } from '../../src/cli/program.ts'
import { cliReference } from '../../src/cli/reference.ts'
import type { Verb } from '../../src/cli/verb.ts'
import { verbs } from '../../src/cli/verbs.ts'

const facts = { verbs, version: '1.2.3', paint: plainPaint, width: 80 }

function parse(...argv: string[]) {
  return parseArguments(argv, facts)
}

function invoke(...argv: string[]): Invocation {
  const request = parse(...argv)
  assert.equal(request.kind, 'run')
  return (request as { invocation: Invocation }).invocation
}

function leaves(list: readonly Verb[], above: readonly string[] = []): [string[], Verb][] {
  return list.flatMap(verb => {
    const path = [...above, verb.name]
    return verb.verbs ? leaves(verb.verbs, path) : [[path, verb] as [string[], Verb]]
  })
}

test('the verbs of this version are there', () => {
  const names = verbs.map(verb => verb.name)
  for (const name of 'keygen init doctor plan backup list restore verify status demo'.split(' ')) {
    assert.ok(names.includes(name), name)
  }
})

for (const [path, verb] of leaves(verbs)) {
  test(`btrvault ${path.join(' ')} --help teaches: what it does, examples, exit statuses`, () => {
    const request = parse(...path, '--help')
    assert.ok(request.kind === 'print')
    assert.ok(
      verb.description.length > verb.summary.length,
      'the description says no more than the summary',
    )
    assert.ok(request.text.includes(verb.description.slice(0, 40)))
    assert.ok(verb.examples.length > 0)
    for (const { line } of verb.examples) assert.ok(request.text.includes(line), line)
    assert.match(request.text, /Exit statuses:\n +0 {2}done\n/)
    assert.match(request.text, /--json/)
    for (const line of request.text.split('\n')) {
      const isExample = verb.examples.some(example => line.includes(example.line))
      assert.ok(isExample || line.length <= 80, line)
    }
  })

  for (const { line } of verb.examples) {
    test(`the example works as written: ${line}`, () => {
      const [program, ...words] = line.split(/ [>|] /)[0]?.split(' ') ?? []
      assert.equal(program, 'btrvault')
      assert.equal(parse(...words).kind, 'run')
    })
  }

  test(`btrvault ${path.join(' ')} suggests the near flag`, () => {
    assert.throws(() => parse(...path, '--jsn'), {
      code: 'usage',
      exitStatus: 2,
      message: "cannot read the command line: unknown option '--jsn' (did you mean --json?)",
    })
  })
}

test('an unknown verb suggests the near one', () => {
  assert.throws(() => parse('bakcup'), /unknown command 'bakcup' \(did you mean backup\?\)$/)
  assert.throws(() => parse('config', 'chekc'), /\(did you mean check\?\)$/)
  assert.throws(() => parse('xyzzy'), /unknown command 'xyzzy'$/)
})

test('an unknown choice suggests the near one and lists all', () => {
  assert.throws(
    () => parse('verify', '--level', 'presnet'),
    /--level <level>' argument 'presnet': it is not listed, present, bytes, decrypts or receives \(did you mean present\?\)$/,
  )
})

test('a value of the wrong kind is refused with what is wanted', () => {
  assert.throws(
    () => parse('restore', 'home', '--at', 'yesterday'),
    /it is not a time, such as 2026-11-20/,
  )
  assert.throws(() => parse('restore', 'home', '--at', '2026-13-45'), /it is not a time/)
})

test('too many and missing words are refused', () => {
  assert.throws(() => parse('status', 'home'), { code: 'usage' })
  assert.throws(() => parse('backup', '--config'), { code: 'usage' })
})

test('flags for all verbs count before and after the verb', () => {
  assert.equal(invoke('--json', 'status').options['json'], true)
  assert.equal(invoke('status', '--json').options['json'], true)
  assert.equal(invoke('--config', 'a', 'config', 'check').options['config'], 'a')
  assert.equal(invoke('config', 'check', '--config', 'a').options['config'], 'a')
})

test('flags arrive as values: repeated, negated, parsed, absent', () => {
  const given = invoke('restore', 'home', '--backup', '12', '--at', '2026-11-20T08:00Z')
  assert.deepEqual(given.arguments, ['home'])
  assert.equal(given.options['backup'], 12)
  assert.deepEqual(invoke('list', '-r', 'a', '-r', 'b').options['remote'], ['a', 'b'])
  assert.deepEqual(given.options['at'], new Date('2026-11-20T08:00Z'))
  assert.equal(given.options['verify'], undefined)
  assert.equal(invoke('backup').options['check'], true)
  assert.equal(invoke('backup', '--no-check').options['check'], false)
  assert.equal(invoke('backup', '-n', 'home', 'var').options['dryRun'], true)
  assert.deepEqual(invoke('backup', 'home', 'var').arguments, ['home', 'var'])
})

test('every verb that changes something has --dry-run, and no other', () => {
  const mutating = leaves(verbs)
    .filter(([, verb]) => verb.mutates)
    .map(([path]) => path.join(' '))
  assert.deepEqual(mutating.sort(), [
    'backup',
    'forget',
    'init',
    'keygen',
    'prune',
    'restore',
    'undelete',
  ])
  assert.throws(() => parse('list', '--dry-run'), /unknown option '--dry-run'/)
})

test('no verb: help as an error; --help and --version: as asked', () => {
  assert.equal(parse().kind, 'lost')
  assert.equal(parse('config').kind, 'lost')
  assert.deepEqual(parse('--version'), { kind: 'print', text: '1.2.3\n' })
  assert.equal(parse('help', 'backup').kind, 'print')
})

test('docs/cli.md is what the verbs say', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8')
  assert.equal(page, cliReference(), 'run node scripts/generate-docs.ts')
})
