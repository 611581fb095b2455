// A repository that somebody wrote with format version 1 is readable for ever.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/base/clock.ts'
import { list } from '../../src/commands/list.ts'
import { restore } from '../../src/commands/restore.ts'
import type { Context } from '../../src/commands/shared/context.ts'
import { verify } from '../../src/commands/verify.ts'
import { openStore } from '../../src/store/open.ts'
import { FakeBtrfs } from '../faults/fake-btrfs.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'
import { variants } from './make-v1.ts'

const kept = fileURLToPath(new URL('v1/', import.meta.url))
const [full, incremental] = JSON.parse(readFileSync(`${kept}expected.json`, 'utf8')) as {
  readonly bytes: number
  readonly sha256: string
}[]

for (const { name } of variants) {
  describe(`a repository of version 1, ${name}`, { timeout: 30_000 }, () => {
    it('is listed', async () => {
      await withRepository(name, async ({ context, lookIn }) => {
        const report = await list(context, { ...lookIn, sources: [], remotes: [] })
        assert.equal(report.exitStatus, 0)
        const [series] = report.remotes[0]?.series ?? []
        assert.equal(series?.source, 'home')
        assert.deepEqual(
          series.backups.map(({ id, kind, parent, readBytes }) => ({
            id,
            kind,
            parent,
            readBytes,
          })),
          [
            { id: 1, kind: 'full', parent: null, readBytes: full?.bytes },
            { id: 2, kind: 'differential', parent: 1, readBytes: incremental?.bytes },
          ],
        )
        assert.deepEqual(series.problems, [])
      })
    })

    it('is verified, down to what its streams say', async () => {
      await withRepository(name, async ({ context, lookIn }) => {
        const report = await verify(context, {
          ...lookIn,
          level: 'decrypts',
          sources: [],
          remotes: [],
        })
        assert.deepEqual(report.remotes[0]?.series[0]?.damages, [])
        assert.deepEqual(report.remotes[0].series[0].doubts, [])
        assert.equal(report.exitStatus, 0)
      })
    })

    it('is restored, byte for byte', async () => {
      await withRepository(name, async ({ context, lookIn }) => {
        const first = await streamsOf(context, { ...lookIn, id: 1 })
        assert.deepEqual(shown(first), full)
        const both = await streamsOf(context, { ...lookIn, id: 2 })
        const start = both.length - (incremental?.bytes ?? 0)
        assert.deepEqual(shown(both.subarray(start)), incremental)
        if (start > 0) assert.deepEqual(shown(both.subarray(0, start)), full)
      })
    })
  })
}

interface World {
  readonly context: Context
  readonly lookIn: { readonly from: string; readonly identity: string; readonly signers: string }
}

/** A copy, as a directory that a store may open; and nothing but keys to read it with. */
async function withRepository(name: string, use: (world: World) => Promise<void>): Promise<void> {
  await withScratchFolder(async folder => {
    cpSync(kept, folder, { recursive: true })
    assert.ok(existsSync(join(folder, name, 'repository.json')))
    const context: Context = {
      clock: systemClock,
      signal: AbortSignal.timeout(30_000),
      emit: () => {},
      btrfs: new FakeBtrfs(folder),
      openStore,
      randomBytes: count => new Uint8Array(count),
      hostname: 'example',
      program: 'btrvault of today',
    }
    const lookIn = {
      from: join(folder, name),
      identity: join(folder, 'identity.txt'),
      signers: join(folder, 'allowed_signers'),
    }
    await use({ context, lookIn })
  })
}

async function streamsOf(
  context: Context,
  options: World['lookIn'] & { readonly id: number },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  const rest = { latestOnly: false, ignoreSpace: false, dryRun: false } as const
  const to = { stream }
  await restore(context, { ...options, source: 'home', to, verify: 'none', ...rest })
  return Buffer.concat(chunks)
}

function shown(bytes: Uint8Array): unknown {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
