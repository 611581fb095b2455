import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeBtrfsWorld } from './btrfs-world.ts'

const moduleUrl = new URL('./btrfs-world.ts', import.meta.url).href

const loopFiles = () => spawnSync('losetup', ['-n', '-O', 'BACK-FILE'], { encoding: 'utf8' }).stdout
const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8')

test('a world is two real btrfs and leaves nothing behind', async () => {
  let folder: string
  {
    await using world = await makeBtrfsWorld({ mountOptions: 'compress=zstd', second: true })
    folder = world.folder
    world.sh('btrfs subvolume create a')
    writeFileSync(world.secondPath('file'), 'x')
    assert.match(world.sh('grep " $1 " /proc/self/mountinfo', world.path()), /compress=zstd/)
    assert.notEqual(world.device(), world.device('second'))
    assert.throws(() => world.sh('echo reason >&2; exit 3'), /failed with 3[\s\S]*reason/)
    world.mountImage('first', world.outside('again odd\nname'), 'subvol=a')
  }
  assert.ok(!existsSync(folder))
  assert.ok(!mounts().includes(folder))
  assert.ok(!loopFiles().includes(folder))
})

test('destroy() waits for a filesystem that is still in use', async () => {
  const world = await makeBtrfsWorld()
  const busy = spawn('sleep', ['0.3'], { cwd: world.path() })
  await once(busy, 'spawn')
  await world.destroy()
  assert.ok(!existsSync(world.folder))
})

test('what a killed test process left is swept by the next world, and nothing else is', async () => {
  await using mine = await makeBtrfsWorld()
  const program = `const { makeBtrfsWorld } = await import(${JSON.stringify(moduleUrl)})
    const world = await makeBtrfsWorld({ second: true })
    console.log(world.folder); setTimeout(() => {}, 20_000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  const [line] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(10_000) })
  const left = String(line).trim()
  assert.ok(existsSync(join(left, 'second')))
  await using during = await makeBtrfsWorld()
  assert.ok(existsSync(join(left, 'second.img')), 'its owner still lives')
  child.kill('SIGKILL')
  await once(child, 'exit')
  await using later = await makeBtrfsWorld()
  assert.ok(!existsSync(left))
  assert.ok(!mounts().includes(left))
  for (const world of [mine, during, later]) world.sh('touch still-here')
})
