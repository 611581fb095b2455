import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Failure } from '../../src/base/failure.ts'
import { parseAccessKeyFile, withCredentials } from '../../src/config/access-key.ts'
import type { RemoteConfig } from '../../src/config/config.ts'
import { configPath } from '../../src/config/config-path.ts'
import { loadConfig } from '../../src/config/load.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'btrvault-config-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('configPath() takes the flag, then the environment, then the place of the user', () => {
  const env = { BTRVAULT_CONFIG: '/env.yaml', HOME: '/home/u', XDG_CONFIG_HOME: '/xdg' }
  assert.equal(configPath({ flag: 'flag.yaml', env, isRoot: true }), 'flag.yaml')
  assert.equal(configPath({ env, isRoot: true }), '/env.yaml')
  assert.equal(configPath({ env: { HOME: '/root' }, isRoot: true }), '/etc/btrvault/config.yaml')
  const user = { ...env, BTRVAULT_CONFIG: '' }
  assert.equal(configPath({ env: user, isRoot: false }), '/xdg/btrvault/config.yaml')
  const relative = { HOME: '/home/u', XDG_CONFIG_HOME: 'relative' }
  assert.equal(configPath({ env: relative, isRoot: false }), '/home/u/.config/btrvault/config.yaml')
})

test('loadConfig() fails with every problem as file:line:column', async () => {
  const file = join(folder, 'bad.yaml')
  await writeFile(file, 'timezome: UTC\nremotes: { nas: { directory: { path: mnt } } }\n')
  await assert.rejects(loadConfig(file), error => {
    assert.ok(error instanceof Failure)
    assert.equal(error.code, 'config-invalid')
    assert.equal(error.exitStatus, 2)
    const lines = error.message.split('\n')
    assert.equal(lines[0], `cannot use ${file}: it has 3 problems`)
    assert.ok(lines.slice(1).every(line => line.startsWith(`${file}:`)))
    return true
  })
})

test('loadConfig() says which file is missing, and how to name another', async () => {
  const file = join(folder, 'none.yaml')
  await assert.rejects(loadConfig(file), {
    code: 'config-invalid',
    message: `cannot read the configuration ${file}: there is no such file`,
  })
})

test('loadConfig() refuses what is not UTF-8', async () => {
  const file = join(folder, 'latin1.yaml')
  await writeFile(file, Buffer.from('state: /\xe9\n', 'latin1'))
  await assert.rejects(loadConfig(file), /it is not UTF-8 text/)
})

const remote: RemoteConfig = {
  name: 'aws',
  address: { kind: 's3', bucket: 'bucket', prefix: '' },
  encrypt: 'age',
  compress: 'zstd',
  level: 1,
  segmentSizeBytes: 64 * 1024 * 1024,
  limit: {},
  access: 'full',
  graceMs: 0,
  maxDelete: { percent: 20 },
  retryDeadlineMs: 1000,
}
const keyFile = `[default]
aws_access_key_id = one
aws_secret_access_key = a=b/c
; comment
[profile nas]
aws_access_key_id=two
aws_secret_access_key=d
aws_session_token=e
`

test('withCredentials() reads the section of the profile, and refuses a file that others can read (L10)', async () => {
  const accessKeyFile = join(folder, 'aws')
  await writeFile(accessKeyFile, keyFile, { mode: 0o600 })
  const address = await withCredentials({ ...remote, accessKeyFile })
  assert.deepEqual(address.kind === 's3' && address.credentials, {
    accessKeyId: 'one',
    secretAccessKey: 'a=b/c',
    sessionToken: undefined,
  })
  await chmod(accessKeyFile, 0o640)
  await assert.rejects(withCredentials({ ...remote, accessKeyFile }), {
    code: 'config-invalid',
    hint: 'run chmod 600 on it',
  })
})

test('parseAccessKeyFile() keeps sections apart', () => {
  assert.deepEqual(parseAccessKeyFile(keyFile, 'nas'), {
    accessKeyId: 'two',
    secretAccessKey: 'd',
    sessionToken: 'e',
  })
  assert.equal(parseAccessKeyFile(keyFile, 'other'), undefined)
  assert.equal(parseAccessKeyFile('[default]\naws_access_key_id = x\n', 'default'), undefined)
})
