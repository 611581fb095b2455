import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { concatBytes } from '../../src/base/bytes.ts'
import { isFailure } from '../../src/base/failure.ts'
import { commandLayouts } from '../../src/stream/commands.ts'
import { encodeCommand } from '../../src/stream/encode.ts'
import { StreamGuard } from '../../src/stream/guard.ts'
import { type BtrfsWorld, makeBtrfsWorld } from '../support/btrfs-world.ts'
import { escapes } from './escapes.ts'
import { encodeHostile, hostileStreams } from './hostile-streams.ts'

const hostile = hostileStreams()

test(`L6: each of ${hostile.length} hostile streams is refused at the command that makes it so`, () => {
  assert.ok(hostile.length >= 260)
  for (const each of hostile) {
    const pieces = encodeHostile(each)
    const last = pieces.pop() as Uint8Array
    const guard = new StreamGuard({ expect: {} })
    for (const piece of pieces) guard.write(piece)
    const offset = concatBytes(pieces).length
    assert.throws(
      () => guard.write(last),
      error => isFailure(error, 'corrupt') && error.message.includes(` at offset ${offset}: `),
      `version ${each.version}, ${each.name}`,
    )
  }
})

test('every command of the format is among the hostile streams', () => {
  const tried = new Set(hostile.map(each => each.commands.at(-1)?.[0]))
  const all = commandLayouts().map(layout => layout.command)
  assert.deepEqual(
    all.filter(command => !tried.has(command)),
    ['end'],
  )
})

// The control: what the same attacks do to a plain `btrfs receive`, which has no fence. The canary
// folder lies beside the folder that is received into, on the same throw-away filesystem.
let world: BtrfsWorld
before(async () => {
  world = await makeBtrfsWorld()
})
after(() => world.destroy())

/** Everything about the canary folder that could change. */
function canaryState(): string {
  return world.sh(
    `cd canary; find . -printf '%p %y %m %U %s %T@ %l\\n' | sort; cat present 2>&1 || true; getfattr -d -m - present 2>&1 || true`,
  )
}

test('L6: attacks that do escape a plain btrfs receive are refused by the guard', () => {
  let escapeCount = 0
  for (const [name, commands] of Object.entries(escapes)) {
    for (const version of [1, 2]) {
      const pieces = [
        ...encodeHostile({ name, version, commands }),
        encodeCommand('end', [], version),
      ]
      assert.throws(
        () => new StreamGuard({ expect: {} }).write(concatBytes(pieces)),
        /cannot accept/,
        name,
      )

      rmSync(world.path('canary'), { recursive: true, force: true })
      mkdirSync(world.path('canary/folder'), { recursive: true })
      writeFileSync(world.path('canary/present'), 'untouched')
      world.sh('mkdir -p target; [ ! -e target/snap ] || btrfs -q subvolume delete target/snap >&2')
      const before = canaryState()
      const input = concatBytes(pieces)
      spawnSync('btrfs', ['-q', 'receive', world.path('target')], { input, timeout: 20_000 })
      if (canaryState() !== before) escapeCount += 1
    }
  }
  const attackCount = Object.keys(escapes).length * 2
  assert.ok(
    escapeCount >= attackCount - 4,
    `only ${escapeCount} of ${attackCount} attacks escaped: the control proves too little`,
  )
})
