// What a user installs: the bundle, packed by npm and installed globally, from nothing but the
// tarball. Built in a copy, so that it never meets a dist/ that somebody is using.

import assert from 'node:assert/strict'
import { type ExecFileOptionsWithStringEncoding, execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const version = (
  JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
).version

/** Our Node first, as `#!/usr/bin/env node` will find it; nothing of the run around us. */
const options: ExecFileOptionsWithStringEncoding = {
  encoding: 'utf8',
  timeout: 120_000,
  env: {
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
    HOME: process.env.HOME,
  },
}

describe('the package', { timeout: 300_000 }, () => {
  let folder = ''
  let installed = ''
  let program = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'btrvault-package-'))
    const checkout = join(folder, 'checkout')
    for (const name of ['package.json', 'LICENSE', 'scripts', 'src', 'tsconfig.json']) {
      await cp(join(root, name), join(checkout, name), { recursive: true })
    }
    await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'))
    const here = { ...options, cwd: checkout }
    await run(process.execPath, ['scripts/build.ts'], here)
    await run('npm', ['pack', '--pack-destination', folder], here)
    const tarball = join(folder, `btrvault-${version}.tgz`)
    const prefix = join(folder, 'prefix')
    await run('npm', ['install', '--global', '--offline', '--prefix', prefix, tarball], here)
    installed = join(prefix, 'lib', 'node_modules', 'btrvault')
    program = join(prefix, 'bin', 'btrvault')
  })

  after(() => rm(folder, { recursive: true, force: true }))

  test('installs offline as one package without dependencies', async () => {
    assert.deepEqual(await readdir(dirname(installed)), ['btrvault'])
    assert.ok(!(await readdir(installed)).includes('node_modules'))
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as object
    for (const kind of [
      'dependencies',
      'optionalDependencies',
      'peerDependencies',
      'bundleDependencies',
    ]) {
      assert.ok(!(kind in manifest), `the package asks for ${kind}`)
    }
  })

  test('says its version', async () => {
    const { stdout } = await run(program, ['--version'], options)
    assert.equal(stdout.trim(), version)
  })

  test('explains itself', async () => {
    const { stdout } = await run(program, ['--help'], options)
    assert.match(stdout, /backup/)
    assert.match(stdout, /restore/)
  })

  test('holds every worker thread beside the code that starts it', async () => {
    const sources = await readdir(join(root, 'src'), { recursive: true })
    const workers = sources.filter(path => path.endsWith('-worker.ts'))
    assert.ok(workers.length > 0)
    for (const path of workers) {
      const name = path.replace(/^.*\//, '').replace(/\.ts$/, '.js')
      await run(process.execPath, ['--check', join(installed, 'dist', name)], options)
    }
  })

  test('names each library inside with its licence', async () => {
    const notices = await readFile(join(installed, 'dist', 'THIRD-PARTY-NOTICES'), 'utf8')
    for (const name of ['@aws-sdk/client-s3', 'age-encryption', 'commander', 'yaml', 'zod']) {
      assert.match(notices, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\n\nLicence: `, 'm'))
    }
  })

  test('tells an older Node apart in one sentence', async () => {
    const asOlder = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.1.0' })`
    const start = ['--import', asOlder, join(installed, 'dist', 'btrvault.js'), '--version']
    await assert.rejects(
      run(process.execPath, start, options),
      (error: { code: number; stderr: string }) => {
        assert.equal(error.code, 1)
        assert.match(error.stderr, /^btrvault: needs Node 26 or newer; this is v\S+\n$/)
        return true
      },
    )
  })
})
