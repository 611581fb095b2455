// The demonstration, run as a newcomer does; what it leaves when it is stopped in any way; and that
// its judge, a shell script, sees every difference.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { compareLists, walk, walkScript } from '../../src/commands/demo/walk.ts'
import { sweepDemos } from '../../src/commands/demo/world.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const signal = AbortSignal.timeout(300_000)

interface StartedDemo {
  readonly child: ChildProcess
  readonly output: () => string
  readonly ended: Promise<number | NodeJS.Signals>
}

function startDemo(temporary: string, ...args: readonly string[]): StartedDemo {
  const child = spawn(process.execPath, [main, 'demo', ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 280_000,
  })
  let output = ''
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString()
  })
  child.stderr.resume()
  const ended = once(child, 'close').then(([status, by]) => (status ?? by) as number)
  return { child, output: () => output, ended }
}

async function untilSaid({ output, child }: StartedDemo, words: RegExp): Promise<void> {
  for (let n = 0; n < 1000; n += 1) {
    if (words.test(output())) return
    if (child.exitCode !== null) break
    await delay(100)
  }
  throw new Error(`it never said ${words.source}:\n${output()}`)
}

async function untilGone(temporary: string): Promise<void> {
  for (let n = 0; n < 200; n += 1) {
    if (readdirSync(temporary).length === 0 && !isMounted(temporary)) return
    await delay(100)
  }
  assert.fail(`left: ${readdirSync(temporary).join(', ')}`)
}

function isMounted(folder: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder}/`)
}

function hasLoopDevice(folder: string): boolean {
  return execFileSync('losetup', ['-l', '-n', '-O', 'BACK-FILE'], { encoding: 'utf8' }).includes(
    folder,
  )
}

test('the demonstration succeeds, and nothing is left of it', async () => {
  await withScratchFolder(async temporary => {
    const started = startDemo(temporary, '--json')
    assert.equal(await started.ended, 0, started.output())
    const { report } = JSON.parse(started.output())
    assert.deepEqual(
      report.restored.map(({ id, equal }: { id: number; equal: boolean }) => [id, equal]),
      [
        [1, true],
        [2, true],
      ],
    )
    assert.ok(report.restored.every(({ lineCount }: { lineCount: number }) => lineCount > 5000))
    assert.ok(report.tree.fileCount > 3000 && report.tree.apparentBytes > 300 * 1024 ** 2)
    const [full, difference] = report.backups
    assert.ok(full.readBytes > 200 * 1024 ** 2 && difference.readBytes < full.readBytes / 5)
    assert.deepEqual(
      report.commands.map(({ line }: { line: string }) => line.split(' ')[1]),
      'keygen init backup plan backup list verify status restore restore'.split(' '),
    )
    assert.deepEqual(readdirSync(temporary), [])
    assert.equal(isMounted(temporary) || hasLoopDevice(temporary), false)
  })
})

for (const [how, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 130],
  ['SIGKILL', 'SIGKILL'],
] as const) {
  test(`a demonstration that is ended by ${how} leaves nothing`, async () => {
    await withScratchFolder(async temporary => {
      const started = startDemo(temporary)
      await untilSaid(started, /\$ btrvault backup\n/)
      await delay(300)
      assert.equal(isMounted(temporary), true)
      started.child.kill(how)
      assert.equal(await started.ended, expected)
      await untilGone(temporary)
      for (let n = 0; hasLoopDevice(temporary) && n < 100; n += 1) await delay(100)
      assert.equal(hasLoopDevice(temporary), false)
    })
  })
}

test('without root the demonstration refuses, and says how to run it', async () => {
  await withScratchFolder(async temporary => {
    const code = `import { checkDemoCanRun } from ${JSON.stringify(join(import.meta.dirname, '../../src/commands/demo/world.ts'))}
process.setgid(65534); process.setuid(65534)
await checkDemoCanRun().catch(error => { console.log(error.exitStatus, error.message, '-', error.hint) })`
    writeFileSync(join(temporary, 'try.ts'), code)
    const said = execFileSync(process.execPath, [join(temporary, 'try.ts')], { encoding: 'utf8' })
    assert.match(said, /^4 cannot run the demonstration: .* root may - run: sudo /)
  })
})

test('a demonstration removes what killed ones left, and nothing else', async () => {
  await withScratchFolder(async temporary => {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const folders = {
      'btrvault-demo-killed': `${boot} 999999999 1`,
      'btrvault-demo-reused': `${boot} ${process.pid} 1`,
      'btrvault-demo-alive': `${boot} ${process.pid} ${startTimeOf(process.pid)}`,
      'btrvault-demo-kept': 'kept',
      'btrvault-other': `${boot} 999999999 1`,
    }
    for (const [name, owner] of Object.entries(folders)) {
      mkdirSync(join(temporary, name, 'source'), { recursive: true })
      writeFileSync(join(temporary, name, '.owner'), owner)
    }
    mkdirSync(join(temporary, 'btrvault-demo-young'))
    const killed = join(temporary, 'btrvault-demo-killed/source')
    execFileSync('mount', ['-t', 'tmpfs', 'none', killed])
    const tmpdir = process.env['TMPDIR']
    process.env['TMPDIR'] = temporary
    try {
      await sweepDemos()
    } finally {
      if (tmpdir === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = tmpdir
    }
    assert.deepEqual(readdirSync(temporary).sort(), [
      'btrvault-demo-alive',
      'btrvault-demo-kept',
      'btrvault-demo-young',
      'btrvault-other',
    ])
    assert.equal(isMounted(killed), false)
  })
})

describe('the judge of the demonstration', () => {
  let world: BtrfsWorld
  before(async () => {
    world = await makeBtrfsWorld({ sizeMiB: 256 })
    world.sh(`mkdir -p tree/folder; cd tree; echo text > file; echo twin > twin; ln twin other
      ln -s target symlink; mkfifo pipe; mknod device c 1 3; cp /bin/true tool; setcap cap_net_raw=ep tool
      setfattr -n user.mood -v calm file; setfacl -m u:1001:r twin; setfacl -d -m u:1001:rx folder
      printf odd > "$(printf 'two\\nlines')"; printf odd > "$(printf 'not utf8 \\377')"`)
  })
  after(() => world.destroy())

  const changes = {
    nothing: ':',
    'contents of the same size and time':
      'touch -r file /tmp/r.$$; printf TEXT | dd of=file conv=notrunc status=none; touch -r /tmp/r.$$ file; rm /tmp/r.$$',
    'a mode': 'chmod 600 file',
    'an owner': 'chown 5 file',
    'a group': 'chgrp 5 file',
    'a time, by a nanosecond':
      'touch -d "$(stat -c %y twin | sed s/.\\\\{6\\\\}\\ +/000001\\ +/)" twin',
    'the time of the top folder': 'touch .',
    'a hard link that is a copy': 'cp -a other o && mv o other',
    'the target of a symbolic link': 'ln -sfn elsewhere symlink',
    'a pipe that is a file': 'rm pipe && touch pipe',
    'a device number': 'rm device && mknod device c 1 5',
    'an extended attribute': 'setfattr -n user.mood -v angry file',
    'an extended attribute that is gone': 'setfattr -x user.mood file',
    'an access list': 'setfacl -m u:1001:rw twin',
    'a default access list': 'setfacl -k folder',
    'a capability': 'setcap -r tool',
    'a name with a line feed': 'mv "$(printf "two\\nlines")" "$(printf "two\\nrows")"',
    'a name that is not UTF-8': 'mv "$(printf "not utf8 \\377")" "$(printf "not utf8 \\376")"',
    'an empty folder': 'rmdir folder',
    'a file more': 'touch -d @0 more',
  }
  for (const [what, change] of Object.entries(changes)) {
    test(`it sees ${what}`, async () => {
      const folder = world.outside()
      writeFileSync(join(folder, 'walk.sh'), walkScript)
      world.sh('rm -rf copy; cp -a --reflink=auto tree copy')
      assert.ok((await walk({ folder, tree: 'first/tree', list: 'a', signal })) > 20)
      world.sh(`cd copy; ${change}`)
      await walk({ folder, tree: 'first/copy', list: 'b', signal })
      const { equal, lines, onlyRootTime } = await compareLists(folder, ['a', 'b'], signal)
      assert.equal(equal, what === 'nothing', lines.join('\n'))
      assert.equal(onlyRootTime, what === 'the time of the top folder', lines.join('\n'))
    })
  }

  test('it fails, and does not pass, when a tree is not there', async () => {
    const folder = world.outside()
    writeFileSync(join(folder, 'walk.sh'), walkScript)
    await assert.rejects(walk({ folder, tree: 'first/gone', list: 'c', signal }), /cannot walk/)
    await assert.rejects(compareLists(folder, ['a', 'gone'], signal), /cannot compare/)
    assert.equal(existsSync(world.path('gone')), false)
  })
})

function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] as string
}
