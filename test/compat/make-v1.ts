// Writes a small complete repository with this version of the program: the real commands over a
// btrfs of our own making, whose streams shrink well. For scripts/make-compat.ts.

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { concatBytes } from '../../src/base/bytes.ts'
import { FakeClock } from '../../src/base/clock.ts'
import { backup } from '../../src/commands/backup.ts'
import { init } from '../../src/commands/init.ts'
import { keygen } from '../../src/commands/keygen.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import type { Config, RemoteConfig } from '../../src/config/config.ts'
import type { SourceName } from '../../src/model/ids.ts'
import { keepEverything, soleRuleSet } from '../../src/model/policy.ts'
import { openStore } from '../../src/store/open.ts'
import { encodeCommand } from '../../src/stream/encode.ts'
import { FakeBtrfs } from '../faults/fake-btrfs.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

const MiB = 1024 * 1024
const writeBytes = 48 * 1024

interface Variant {
  readonly name: string
  readonly encrypt: RemoteConfig['encrypt']
  readonly compress: RemoteConfig['compress']
}

export const variants: readonly Variant[] = [
  { name: 'sealed', encrypt: 'age', compress: 'zstd' },
  { name: 'plain', encrypt: 'none', compress: 'none' },
]

/** Makes `folder` with a repository for each variant, keys, and what is to be found in them. */
export async function makeV1(folder: string): Promise<void> {
  await withScratchFolder(async root => {
    const btrfs = new CompressibleBtrfs(root)
    const context = contextOf(btrfs)
    const identity = join(root, 'identity.txt')
    const { recipient } = await keygen(context, { out: identity, classic: true, dryRun: false })
    if (recipient === null) throw new Error('the identity has no recipient')
    const config = configOf(root, recipient)
    btrfs.create(config.sources[0]?.path ?? '')
    mkdirSync(join(root, 'fs', 'snapshots'), { mode: 0o700 })
    const kit = join(root, 'kit.md')
    await init(context, { config, remotes: [], identity, kit, dryRun: false })
    const options = { config, sources: [], dryRun: false, check: true }
    for (let run = 0; run < 2; run += 1) {
      const report = await backup(context, options)
      if (report.exitStatus !== 0) throw new Error(JSON.stringify(report))
      btrfs.change(config.sources[0]?.path ?? '')
      context.clock.advance(86_400_000)
    }
    mkdirSync(folder, { recursive: true })
    for (const { name } of variants) {
      cpSync(join(root, name), join(folder, name), { recursive: true })
    }
    for (const name of ['identity.txt', 'allowed_signers']) {
      cpSync(join(root, name), join(folder, name))
      chmodSync(join(folder, name), 0o644)
    }
    writeFileSync(
      join(folder, 'expected.json'),
      `${JSON.stringify([...btrfs.sent.values()], null, 1)}\n`,
    )
  })
}

class CompressibleBtrfs extends FakeBtrfs {
  /** By hash, in the order in which they were sent; each goes to every remote. */
  readonly sent = new Map<string, { readonly bytes: number; readonly sha256: string }>()

  override streamOf(...args: Parameters<FakeBtrfs['streamOf']>): Uint8Array<ArrayBuffer> {
    const stream = super.streamOf(...args)
    // Its first command, and contents of our own.
    const headEnd = 17 + 10 + new DataView(stream.buffer).getUint32(17, true)
    const isFull = (args[1] ?? null) === null
    const path = isFull ? 'a large file' : 'a small file'
    const size = isFull ? 2 * MiB + 300_000 : 100_000
    const commands = [
      encodeCommand(
        'mkfile',
        [
          ['path', path],
          ['ino', 300],
        ],
        2,
      ),
    ]
    for (let at = 0; at < size; at += writeBytes) {
      const data = Buffer.alloc(Math.min(writeBytes, size - at), `line ${at} of ${path}\n`)
      commands.push(
        encodeCommand(
          'write',
          [
            ['path', path],
            ['fileOffset', at],
            ['data', data],
          ],
          2,
        ),
      )
    }
    const bytes = concatBytes([
      stream.subarray(0, headEnd),
      ...commands,
      encodeCommand('end', [], 2),
    ])
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    this.sent.set(sha256, { bytes: bytes.length, sha256 })
    return bytes
  }
}

function contextOf(btrfs: FakeBtrfs): Context & { readonly clock: FakeClock } {
  return {
    clock: new FakeClock(Date.parse('2026-11-21T09:30:00Z')),
    signal: new AbortController().signal,
    emit: () => {},
    btrfs,
    openStore,
    randomBytes: count => new Uint8Array(randomBytes(count)),
    hostname: 'example',
    program: 'btrvault 0.1.0',
  }
}

function configOf(root: string, recipient: string): Config {
  const remotes = variants.map(({ name, encrypt, compress }) => ({
    name,
    address: { kind: 'directory', path: join(root, name) } as const,
    encrypt,
    compress,
    level: 3,
    segmentSizeBytes: MiB,
    limit: {},
    access: 'full' as const,
    graceMs: 0,
    maxDelete: { percent: 20 },
    retryDeadlineMs: 0,
  }))
  return {
    file: join(root, 'config.yaml'),
    timezone: 'UTC',
    state: join(root, 'state'),
    keys: {
      recipients: [recipient],
      signingKey: join(root, 'sign'),
      allowedSigners: join(root, 'allowed_signers'),
    },
    sources: [
      {
        name: 'home' as SourceName,
        path: join(root, 'fs', 'home'),
        snapshots: { kind: 'own', folder: join(root, 'fs', 'snapshots'), keep: null },
        nested: { kind: 'refuse' },
        remotes: remotes.map(({ name }) => ({
          remote: name,
          ruleSets: [soleRuleSet(keepEverything)],
        })),
      },
    ],
    remotes,
    warnings: [],
  }
}
