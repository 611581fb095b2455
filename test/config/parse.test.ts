import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { findRemote, findSource } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'

const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'
const keys = `keys: { recipients: [${recipient}] }\n`

function configOf(text: string): Config {
  const parsed = parseConfig(text, '/etc/btrvault/config.yaml')
  assert.ok('config' in parsed, JSON.stringify(parsed))
  return parsed.config
}

function problemsOf(text: string): string[] {
  const parsed = parseConfig(text, 'c')
  return 'problems' in parsed ? parsed.problems.map(one => `${one.line}:${one.column}`) : []
}

test('parseConfig() fills in what is not written', () => {
  const config = configOf(`${keys}remotes: { nas: { directory: { path: /mnt/nas/ } } }`)
  assert.deepEqual(config, {
    file: '/etc/btrvault/config.yaml',
    timezone: 'UTC',
    state: '/var/lib/btrvault',
    keys: {
      recipients: [recipient],
      signingKey: '/etc/btrvault/signing_key',
      allowedSigners: '/etc/btrvault/allowed_signers',
    },
    sources: [],
    remotes: [
      {
        name: 'nas',
        address: { kind: 'directory', path: '/mnt/nas' },
        encrypt: 'age',
        compress: 'zstd',
        level: 1,
        segmentSizeBytes: 67_108_864,
        limit: {},
        access: 'full',
        graceMs: 7 * 86_400_000,
        maxDelete: { percent: 20 },
        retryDeadlineMs: 900_000,
      },
    ],
    warnings: [],
  })
})

test('parseConfig() turns words into values', () => {
  const config = configOf(`timezone: europe/paris
keys: { recipients: [${recipient}], signing_key: /keys/sign }
sources:
  home:
    path: /home//user/
    snapshots: /.snapshots
    nested: [a/b/, c]
    remotes: { s: { keep: " 1y  3m ", shape: tree } }
remotes:
  s:
    s3: { bucket: bucket, endpoint: "http://127.0.0.1:9000/", path_style: false, sse: aws:kms, kms_key: k }
    storage_class: { segments: DEEP_ARCHIVE }
    segment_size: 128M
    limit: { up: 1MB/s }
    retry: { deadline: 1.5h }
`)
  const source = findSource(config, 'home')
  const remote = findRemote(config, 's')
  assert.equal(config.timezone, 'Europe/Paris')
  assert.equal(config.keys.allowedSigners, '/keys/allowed_signers')
  assert.equal(source?.path, '/home/user')
  assert.deepEqual(source?.nested, { kind: 'ignore-listed', paths: ['a/b', 'c'] })
  assert.deepEqual(source?.remotes, [
    {
      remote: 's',
      ruleSets: [
        soleRuleSet({
          ...keepEverything,
          keep: {
            spans: [
              { unit: 'y', count: 1 },
              { unit: 'm', count: 3 },
            ],
            last: 0,
          },
          shape: 'tree',
        }),
      ],
    },
  ])
  assert.equal(remote?.segmentSizeBytes, 128 * 1024 * 1024)
  assert.deepEqual(remote?.limit, { upBytesPerSecond: 1_000_000 })
  assert.equal(remote?.retryDeadlineMs, 5_400_000)
  assert.ok(remote?.address.kind === 's3')
  assert.equal(remote.address.endpoint, 'http://127.0.0.1:9000')
  assert.equal(remote.address.pathStyle, false)
  assert.deepEqual(remote.address.sse, { kind: 'aws:kms', kmsKeyId: 'k' })
  assert.deepEqual(remote.address.storageClass, { segments: 'DEEP_ARCHIVE' })
  assert.deepEqual(config.warnings, [])
})

test('parseConfig() warns of plaintext, where it is written', () => {
  const config = configOf('remotes:\n  nas:\n    directory: { path: /mnt }\n    encrypt: none\n')
  assert.deepEqual(config.warnings, [
    {
      kind: 'plaintext',
      option: 'remotes.nas.encrypt',
      line: 4,
      column: 14,
      text: 'remote nas stores plaintext: whoever can read it can read your files',
    },
  ])
})

test('parseConfig() warns of a server that is reached without TLS, unless it is this machine', () => {
  const at = (endpoint: string) =>
    configOf(`${keys}remotes: { s: { s3: { bucket: bucket, endpoint: "${endpoint}" } } }`).warnings
  assert.deepEqual(
    at('http://nas.lan:9000').map(one => one.kind),
    ['unencrypted-connection'],
  )
  assert.deepEqual(at('http://[::1]:9000'), [])
  assert.deepEqual(at('https://nas.lan'), [])
  // A name that only begins like this machine's.
  assert.equal(at('http://127.0.0.1.example.org').length, 1)
})

test('parseConfig() never takes encrypt: none from anything but the word (YAML false, null, ~)', () => {
  for (const word of ['false', 'null', '~', 'no', 'None', '""']) {
    assert.equal(
      problemsOf(`${keys}remotes: { nas: { directory: { path: /mnt }, encrypt: ${word} } }`).length,
      1,
      word,
    )
  }
})

test('parseConfig() repeats no secret in any problem (L10)', () => {
  const secrets = [
    'AGE-SECRET-KEY-1QQQSECRETQQQ',
    'wJalrXUtnFEMIhunter2',
    'AKIAIOSFODNN7EXAMPLE',
    '-----BEGIN OPENSSH PRIVATE KEY-----hunter2',
  ]
  for (const secret of secrets) {
    const quoted = JSON.stringify(secret)
    for (const text of [
      `keys: { recipients: [${quoted}] }`,
      `keys: { identity: ${quoted} }`,
      `remotes: { s: { s3: { secret_access_key: ${quoted}, endpoint: "https://a:${secret}@b" } } }`,
      `remotes: { s: { password: ${quoted} } }`,
      `keys: ${quoted}\nx: [`,
      `a: "${secret}`,
    ]) {
      const parsed = parseConfig(text, 'c')
      assert.ok('problems' in parsed)
      assert.doesNotMatch(JSON.stringify(parsed.problems), new RegExp(secret.slice(-12)), text)
    }
  }
})

test('parseConfig() bounds what aliases can grow to', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level += 1) {
    const inner = Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')
    lines.push(`a${level}: &a${level} [${inner}]`)
  }
  assert.deepEqual(problemsOf(lines.join('\n')), ['1:1'])
})

test('parseConfig() refuses a file of more than 1 MiB without reading it as YAML', () => {
  assert.deepEqual(problemsOf(`#${'x'.repeat(1024 * 1024)}\n`), ['1:1'])
})

test('parseConfig() withstands any cut of a good file', () => {
  const whole = `${keys}sources: { home: { path: /home, snapshots: /s, remotes: { nas: {} } } }\nremotes: { nas: { directory: { path: /mnt } } }\n`
  for (let end = 0; end < whole.length; end += 1) parseConfig(whole.slice(0, end), 'c')
})
