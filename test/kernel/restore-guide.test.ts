// RESTORE.md of a repository that the program made, followed to the letter: the blocks of sh out of
// it, run by dash with the tools that it names and nothing else.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { makeScene, type Point, type Scene, type SceneOptions } from './scene.ts'
import { assertSameTree, walk } from './walk.ts'

const stockTools =
  'ssh-keygen sha256sum age zstd btrfs ls sed sort tail grep printf wc rm cp cat od'
const mebibyte = 1024 * 1024

/** Each is done to a copy; the pattern is what the tools say of it. */
const damages: Record<
  string,
  { readonly does: (copy: Copy, scene: Scene) => void; readonly says: RegExp }
> = {
  'a manifest with another number of bytes': {
    does: copy => edit(copy, '00000003.json', text => text.replace(/"bytes":/, '"bytes":9')),
    says: /Could not verify signature|incorrect signature/i,
  },
  'a manifest signed anew by a stranger': {
    does: copy => {
      const script = `ssh-keygen -q -t ed25519 -N '' -f stranger
        for M in manifests/*/*.json; do
          rm "$M.sig"; ssh-keygen -q -Y sign -f stranger -n manifest@btrvault "$M" 2>/dev/null; done`
      execFileSync('/bin/sh', ['-euc', script], { cwd: copy.folder })
    },
    says: /Could not verify signature/,
  },
  'an old manifest in the place of a newer one': {
    does: copy => {
      for (const ending of ['json', 'json.sig']) {
        copyFileSync(
          manifestPath(copy, `00000002.${ending}`),
          manifestPath(copy, `00000003.${ending}`),
        )
      }
    },
    says: /Good/,
  },
  'another parent, well signed, than the child says': {
    does: (copy, scene) => {
      // As after a second run under the same number: good in itself, but not what was built upon.
      edit(copy, '00000002.json', text => text.replace(/"createdAt": "2/, '"createdAt": "1'))
      rmSync(manifestPath(copy, '00000002.json.sig'))
      const key = scene.config.keys.signingKey
      const sign = ['-q', '-Y', 'sign', '-f', key, '-n', 'manifest@btrvault']
      execFileSync('ssh-keygen', [...sign, manifestPath(copy, '00000002.json')], { stdio: 'pipe' })
    },
    says: /checksum did NOT match/,
  },
  'no signature': {
    does: copy => rmSync(manifestPath(copy, '00000001.json.sig')),
    says: /checking .*00000001.json[^]*No such file/,
  },
  'a segment with one byte changed': {
    does: copy => {
      const path = segmentsOf(copy)[1] as string
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
      writeFileSync(path, bytes)
    },
    says: /checksum did NOT match/,
  },
  'a segment cut short': {
    does: copy => {
      const path = segmentsOf(copy)[0] as string
      writeFileSync(path, readFileSync(path).subarray(0, -1))
    },
    says: /checksum did NOT match/,
  },
  'a segment that is not there': {
    does: copy => rmSync(segmentsOf(copy).at(-1) as string),
    says: /No such file/,
  },
  'the identity of somebody else': {
    does: copy => {
      rmSync(join(copy.folder, 'identity'))
      execFileSync('age-keygen', ['-o', join(copy.folder, 'identity')], { stdio: 'pipe' })
    },
    says: /no identity matched/,
  },
}

describe('RESTORE.md, followed to the letter', () => {
  let scene: Scene
  let points: Point[]
  before(async () => {
    scene = await furnished()
    points = await threePoints(scene)
  })
  after(async () => {
    await scene?.[Symbol.asyncDispose]()
  })

  it('restores a full and two incrementals with stock tools only', () => {
    const followed = follow(copyOf(scene, 'all'))
    assert.equal(followed.status, 0, followed.stderr)
    assertRestored(followed, points)
    assert.deepEqual(readdirSync(followed.folder).sort(), [...inFolder, 'restore.sh'].sort())
  })

  it('restores an earlier one by its number', () => {
    const followed = follow(copyOf(scene, 'earlier'), { SEQ: '00000002' })
    assert.equal(followed.status, 0, followed.stderr)
    assertRestored(followed, points.slice(0, 2))
  })

  it('begins with the manifests alone, and names the objects to fetch', () => {
    const copy = copyOf(scene, 'bare')
    rmSync(join(copy.folder, 'segments'), { recursive: true })
    const lacking = follow(copy)
    assertStopped(lacking, /No such file/)
    for (let round = 0; round < points.length; round += 1) {
      const sums = readdirSync(copy.folder).filter(name => name.endsWith('.sums'))
      for (const line of sums.flatMap(name => linesOf(join(copy.folder, name)))) {
        const object = line.slice(66)
        mkdirSync(join(copy.folder, object, '..'), { recursive: true })
        copyFileSync(join(scene.repository, object), join(copy.folder, object))
      }
      if (round < points.length - 1) assertStopped(follow(copy), /No such file/)
    }
    assertRestored(follow(copy), points)
  })

  it('says what to set where nothing or too little was set', () => {
    const copy = copyOf(scene, 'unset')
    assertStopped(follow(copy, { TARGET: '' }), /TARGET.*must name a folder/)
    assertStopped(follow(copy, { SEQ: '00000009' }), /00000009/)
  })

  for (const [name, damage] of Object.entries(damages)) {
    it(`stops before anything is received: ${name}`, () => {
      const copy = copyOf(scene, name.replaceAll(/\W/g, '-'))
      damage.does(copy, scene)
      assertStopped(follow(copy), damage.says)
    })
  }

  it('chooses among several series, which the index tells apart', async () => {
    await using other = await furnished()
    other.mutate(70, 10)
    await other.point()
    const copy = copyOf(scene, 'several')
    for (const part of ['manifests', 'indexes', 'segments']) {
      cpSync(join(other.repository, part), join(copy.folder, part), { recursive: true })
    }
    const [series = ''] = readdirSync(join(scene.repository, 'manifests'))
    assertStopped(follow(copy), /set SERIES/, 'stdout')
    const followed = follow(copy, { SERIES: series })
    assert.equal(followed.status, 0, followed.stderr)
    assertRestored(followed, points)
    const named = sourceNameBy(copy, series)
    assert.equal(named, '"source":"home"')
  })
})

describe('RESTORE.md also follows', () => {
  const rules = {
    'encrypt none': 'encrypt: none',
    'compress none': 'compress: none',
    'encrypt none and compress none': 'encrypt: none\n    compress: none',
  }
  for (const [name, remoteRules] of Object.entries(rules)) {
    it(name, async () => {
      await using scene = await furnished({ remoteRules })
      const points = await threePoints(scene)
      const followed = follow(copyOf(scene, 'all'))
      assert.equal(followed.status, 0, followed.stderr)
      assertRestored(followed, points)
    })
  }

  for (const keys of ['ssh-ed25519', 'rsa-pem'] as const) {
    it(`a key of kind ${keys}`, async () => {
      await using scene = await furnished({ keys })
      scene.mutate(71, 20)
      const points = [await scene.point()]
      const followed = follow(copyOf(scene, 'all'))
      assert.equal(followed.status, 0, followed.stderr)
      assertRestored(followed, points)
    })
  }
})

async function furnished(options: SceneOptions = {}): Promise<Scene> {
  const world = { sizeMiB: 1024, second: { sizeMiB: 1024 } }
  return makeScene({ world, segmentSizeBytes: mebibyte, ...options })
}

async function threePoints(scene: Scene): Promise<Point[]> {
  const points: Point[] = []
  for (let n = 0; n < 3; n += 1) {
    scene.mutate(60 + n, 60)
    points.push(await scene.point())
  }
  return points
}

interface Copy {
  readonly folder: string
  readonly target: string
  readonly tools: string
}

const inFolder = ['RESTORE.md', 'allowed_signers', 'identity', 'indexes', 'manifests', 'segments']

/** As the page asks for it: the repository in a folder, with the two files beside it. */
function copyOf(scene: Scene, name: string): Copy {
  const { world } = scene
  const folder = world.outside(`copy-${name}`)
  const target = world.secondPath(name)
  mkdirSync(folder)
  mkdirSync(target)
  for (const part of ['RESTORE.md', 'manifests', 'indexes', 'segments']) {
    cpSync(join(scene.repository, part), join(folder, part), { recursive: true })
  }
  copyFileSync(scene.identity, join(folder, 'identity'))
  chmodSync(join(folder, 'identity'), 0o600)
  copyFileSync(scene.config.keys.allowedSigners, join(folder, 'allowed_signers'))
  return { folder, target, tools: toolsOf(world.outside('tools')) }
}

/** A folder for PATH with what a rescue system has. */
function toolsOf(folder: string): string {
  if (existsSync(folder)) return folder
  mkdirSync(folder)
  for (const tool of stockTools.split(' ')) {
    const path = execFileSync('/bin/sh', [
      '-c',
      `PATH=/usr/bin:/bin:/usr/sbin:/sbin command -v -- "$1"`,
      'sh',
      tool,
    ])
    const found = path.toString().trim()
    if (found.startsWith('/')) symlinkSync(found, join(folder, tool))
  }
  return folder
}

interface Followed extends Copy {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function follow(copy: Copy, set: Readonly<Record<string, string>> = {}): Followed {
  const guide = readFileSync(join(copy.folder, 'RESTORE.md'), 'utf8')
  const blocks = [...guide.matchAll(/^```sh\n(.*?)^```$/gms)].map(match => match[1])
  assert.equal(blocks.length, 4)
  writeFileSync(join(copy.folder, 'restore.sh'), blocks.join(''))
  const result = spawnSync('/bin/dash', ['restore.sh'], {
    cwd: copy.folder,
    env: { PATH: copy.tools, TARGET: copy.target, ...set },
    encoding: 'utf8',
    timeout: 60_000,
  })
  const { status, stdout, stderr } = result
  return { ...copy, status, stdout, stderr }
}

function assertRestored({ target }: Followed, points: readonly Point[]): void {
  assert.deepEqual(readdirSync(target), points.map(({ send }) => send.snapshot).sort())
  for (const { send, walk: expected } of points) {
    assertSameTree(walk(join(target, send.snapshot)), expected, { label: `backup ${send.seq}` })
  }
}

function assertStopped(
  followed: Followed,
  says: RegExp,
  where: 'stdout' | 'either' = 'either',
): void {
  const { status, stdout, stderr, target } = followed
  assert.ok(status !== null && status !== 0, 'it went on')
  assert.match(where === 'stdout' ? stdout : `${stdout}\n${stderr}`, says)
  assert.deepEqual(readdirSync(target), [])
}

/** The line of the page that tells whose backups a series holds. */
function sourceNameBy({ folder, tools }: Copy, series: string): string {
  const guide = readFileSync(join(folder, 'RESTORE.md'), 'utf8')
  const line = /^ {4}(age -d -i identity indexes\/.*)$/m.exec(guide)?.[1] ?? ''
  const [run = ''] = readdirSync(join(folder, 'indexes', series))
  const [object = ''] = readdirSync(join(folder, 'indexes', series, run))
  const command = line.replace(/indexes\/\S+/, `indexes/${series}/${run}/${object}`)
  const options = { cwd: folder, env: { PATH: tools }, encoding: 'utf8' } as const
  return execFileSync('/bin/dash', ['-c', command], options).trim()
}

function manifestPath({ folder }: Copy, name: string): string {
  const [series = ''] = readdirSync(join(folder, 'manifests'))
  return join(folder, 'manifests', series, name)
}

function edit(copy: Copy, name: string, change: (text: string) => string): void {
  const path = manifestPath(copy, name)
  const text = readFileSync(path, 'utf8')
  assert.notEqual(change(text), text)
  writeFileSync(path, change(text))
}

function segmentsOf({ folder }: Copy): string[] {
  const names = readdirSync(join(folder, 'segments'), { recursive: true, encoding: 'utf8' })
  const segments = names.filter(name => name.endsWith('.age')).sort()
  assert.ok(segments.length > 2)
  return segments.map(name => join(folder, 'segments', name))
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n')
}
