import assert from 'node:assert/strict'
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import {
  Journal,
  loadJournal,
  type RunRecord,
  type SegmentRecord,
} from '../../src/catalog/journal.ts'
import {
  parentUuid,
  repositoryId,
  runId,
  segment,
  seriesId,
  sha256Of,
  snapshotUuid,
} from '../format/samples.ts'
import { withScratchFolder } from '../support/scratch-folder.ts'

const run: RunRecord = {
  kind: 'run',
  version: 1,
  repository: repositoryId,
  series: seriesId,
  seq: 4,
  run: runId,
  snapshot: snapshotUuid,
  parent: { seq: 3, manifest: sha256Of('e'), snapshot: parentUuid },
  protocol: 2,
  settings: sha256Of('f'),
}
const segments: readonly SegmentRecord[] = [0, 1, 2].map(n => ({
  kind: 'segment',
  ...segment,
  n,
  offset: n * segment.raw,
  prefix: sha256Of(String(n)),
}))
const commit = { manifest: 'bWFuaWZlc3Q=', signature: 'a\nsignature\n' }

async function written(path: string): Promise<void> {
  const journal = await Journal.open(path, run, false)
  for (const one of segments) await journal.addSegment(withoutKind(one))
  await journal.addCommit(commit)
  await journal.close()
}

function withoutKind({ kind: _kind, ...rest }: SegmentRecord): Omit<SegmentRecord, 'kind'> {
  return rest
}

function lineOf(entry: unknown): string {
  const text = JSON.stringify(entry)
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`
}

async function withJournal(use: (path: string) => Promise<void>): Promise<void> {
  await withScratchFolder(folder => use(join(folder, 'sources', 'home', 'journal')))
}

describe('Journal and loadJournal()', () => {
  it('give back all that was added', async () => {
    await withJournal(async path => {
      await written(path)
      const loaded = await loadJournal(path)
      assert.deepEqual(loaded?.run, run)
      assert.deepEqual(
        [...(loaded?.segments ?? [])],
        segments.map(one => [one.n, one]),
      )
      assert.deepEqual(loaded?.commit, { kind: 'commit', ...commit })
    })
  })

  it('can be read by their owner alone: they hold file keys (L10)', async () => {
    await withJournal(async path => {
      await written(path)
      assert.equal((await stat(path)).mode & 0o777, 0o600)
    })
  })

  it('are durable line by line: what was added is there before the call returns', async () => {
    await withJournal(async path => {
      const journal = await Journal.open(path, run, false)
      for (const [count, one] of segments.entries()) {
        assert.equal((await loadJournal(path))?.segments.size, count)
        await journal.addSegment(withoutKind(one))
      }
      await journal.close()
    })
  })

  it('L8: say that there is nothing to resume when the file was deleted, emptied or is no journal', async () => {
    await withJournal(async path => {
      assert.equal(await loadJournal(path), undefined)
      await written(path)
      for (const content of ['', '\n', 'x', '{}\n', '{"kind":"segment"}\n', 'null\n']) {
        await writeFile(path, content)
        assert.equal(await loadJournal(path), undefined)
      }
    })
  })

  it('L8: a journal that was cut anywhere tells a part of the truth, and can go on', async () => {
    await withJournal(async path => {
      await written(path)
      const whole = await readFile(path)
      const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1
      for (let length = 0; length < whole.length; length += 11) {
        await writeFile(path, whole.subarray(0, length))
        const loaded = await loadJournal(path)
        if (loaded === undefined) continue
        assert.deepEqual(loaded.run, run)
        for (const [n, one] of loaded.segments) assert.deepEqual(one, segments[n])
        // All but the line feed of the last line is the whole line.
        assert.equal(loaded.commit === undefined, length < whole.length - 1)
        const journal = await Journal.open(path, run, true)
        await journal.addSegment({ ...withoutKind(segments[2] as SegmentRecord), n: 9 })
        await journal.close()
        const after = await loadJournal(path)
        assert.ok(
          after?.segments.has(9),
          `cut at ${length} of ${whole.length}, last line at ${lastLine}`,
        )
      }
    })
  })

  it('believe nothing that follows damage', async () => {
    await withJournal(async path => {
      await written(path)
      const lines = (await readFile(path, 'utf8')).split('\n')
      await writeFile(path, [...lines.slice(0, 2), 'damage', ...lines.slice(2)].join('\n'))
      const loaded = await loadJournal(path)
      assert.deepEqual([...(loaded?.segments.keys() ?? [])], [0])
      assert.equal(loaded?.commit, undefined)
    })
  })

  it('believe no line of which any one bit was changed', async () => {
    await withJournal(async path => {
      await written(path)
      const whole = await readFile(path)
      for (let at = 0; at < whole.length; at += 5) {
        const altered = Buffer.from(whole)
        altered[at] = (altered[at] ?? 0) ^ (1 << (at & 7))
        await writeFile(path, altered)
        const loaded = await loadJournal(path)
        if (loaded === undefined) continue
        assert.deepEqual(loaded.run, run)
        for (const [n, one] of loaded.segments) assert.deepEqual(one, segments[n])
        if (loaded.commit !== undefined)
          assert.deepEqual(loaded.commit, { kind: 'commit', ...commit })
      }
    })
  })

  it('refuse a line of a later version, and a member that they do not know', async () => {
    await withJournal(async path => {
      for (const line of [
        { ...run, version: 2 },
        { ...run, more: 1 },
      ]) {
        await written(path)
        await writeFile(path, lineOf(line))
        assert.equal(await loadJournal(path), undefined)
      }
      await writeFile(path, lineOf(run))
      assert.deepEqual((await loadJournal(path))?.run, run)
    })
  })

  it('begin anew unless they are to go on', async () => {
    await withJournal(async path => {
      await written(path)
      await (await Journal.open(path, { ...run, seq: 5 }, false)).close()
      const loaded = await loadJournal(path)
      assert.deepEqual([loaded?.run.seq, loaded?.segments.size, loaded?.commit], [5, 0, undefined])
      await (await Journal.open(path, { ...run, seq: 6 }, true)).close()
      assert.equal((await loadJournal(path))?.run.seq, 5)
    })
  })

  it('are gone when the run is over', async () => {
    await withJournal(async path => {
      const journal = await Journal.open(path, run, false)
      await journal.remove()
      assert.equal(await loadJournal(path), undefined)
      await appendFile(path, '')
    })
  })
})
